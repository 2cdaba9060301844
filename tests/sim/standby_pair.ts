/** A store that has a standby, and the standby's copy, on two simulated disks, over a stream that ends. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { MemoryDisk } from "./memory_store.ts";
import { NumberedRows } from "../../server/standby/numbered_rows.ts";
import { OvertakingRows } from "./overtaking_rows.ts";
import { Prng } from "./prng.ts";
import { digestOf, FILLING_KEY, isOfCopy, keyName } from "../../server/standby/row_ranges.ts";
import { type SenderLimits, StandbySender } from "../../server/standby/standby_sender.ts";
import { StandbyCopy } from "../../server/standby/standby_copy.ts";
import type { FromStandby, ToStandby } from "../../server/standby/stream.ts";
import type { Mutation, Row } from "../../server/node/ports.ts";
import {
  NUMBER_KEY,
  type Position,
  readNumber,
  samePosition,
} from "../../server/standby/write_number.ts";
import type { RowStore } from "../../server/store/row_store.ts";
import { CheckedRows } from "../../server/store/checked_rows.ts";
import { VirtualTime } from "./virtual_time.ts";
import type { VirtualProcess } from "./virtual_time.ts";

/** States of the primary that are kept, by their positions. */
const STATES_MAX = 40;

/** What the two are made with. */
export interface PairOptions {
  readonly ringBytesMax: number;
  readonly limits: SenderLimits;
  /** Whether callbacks of the primary's rows overtake each other, and its states are kept. */
  readonly overtakes: boolean;
}

const OPTIONS: PairOptions = {
  overtakes: false,
  ringBytesMax: 20_000,
  limits: { windowBytes: 4_000, fillBytesPerSecond: 10_000_000 },
};

/** What the primary knows of its standby. */
interface Acked {
  readonly at: Position;
  readonly filling: boolean;
}

/** See the head of this file. */
export class StandbyPair {
  readonly time = new VirtualTime();
  readonly prng: Prng;
  primaryDisk: MemoryDisk;
  standbyDisk: MemoryDisk;
  readonly options: PairOptions;
  primary: { readonly process: VirtualProcess; rows: NumberedRows | null } | null = null;
  standby: { readonly process: VirtualProcess; copy: StandbyCopy | null } | null = null;
  /** The rows as the cell uses them. */
  store: RowStore | null = null;
  acked: Acked | null = null;
  ends: string[] = [];
  /** Probabilities that a stream loses a write, or has it twice: what no stream should do. */
  faults = { lost: 0, doubled: 0 };
  #sender: StandbySender | null = null;
  #streams = 0;
  #runs = 0;
  /** Rows of a former primary that its successor does not have, until the two are equal. */
  #unreplicated: readonly Row[] = [];
  /** What the copy was asked to keep before it was replaced: durable by then. */
  readonly #kept = new Set<string>();
  /** Whether the standby's disk is a former primary's that nobody has compared yet. */
  #wrote = false;
  /** The rows of primaries at their latest positions. */
  readonly #states = new Map<string, readonly Row[]>();

  constructor(seed: number, options: Partial<PairOptions> = {}) {
    this.prng = new Prng(seed);
    this.options = { ...OPTIONS, ...options };
    this.primaryDisk = new MemoryDisk(this.time, this.prng.fork("primary"));
    this.standbyDisk = new MemoryDisk(this.time, this.prng.fork("standby"));
  }

  startPrimary(): void {
    const process = this.time.process();
    const primary: StandbyPair["primary"] = { process, rows: null };
    this.primary = primary;
    const options = {
      ringBytesMax: this.options.ringBytesMax,
      newRun: () => `run ${++this.#runs}`,
      later: (run: () => void) => process.timers.soon(run),
    };
    NumberedRows.open(this.#openPrimary(process), options, (_, rows) => {
      if (this.primary !== primary) return;
      primary.rows = rows;
      if (rows !== null) this.store = new CheckedRows(rows, false, () => {});
    });
  }

  #openPrimary(process: VirtualProcess): RowStore {
    const rows = this.primaryDisk.openStored(process);
    if (!this.options.overtakes) return rows;
    const prng = this.prng.fork(`overtaking ${this.#runs}`);
    return new OvertakingRows(rows, { timers: process.timers, prng, applied: () => this.#keep() });
  }

  /** Notes the rows of the primary at its position: no other write has happened meanwhile. */
  #keep(): void {
    const at = positionOn(this.primaryDisk);
    if (at === null) return;
    this.#states.set(nameOf(at), copied(this.primaryDisk));
    for (const name of this.#states.keys()) {
      if (this.#states.size <= STATES_MAX) break;
      this.#states.delete(name);
    }
  }

  startStandby(): void {
    const process = this.time.process();
    const standby: StandbyPair["standby"] = { process, copy: null };
    this.standby = standby;
    StandbyCopy.open(this.standbyDisk.openStored(process), (_, copy) => {
      if (this.standby === standby) standby.copy = copy;
    }, () => this.#wrote ? (rows) => this.#keepRows(rows) : null);
  }

  crashPrimary(): void {
    this.cut();
    this.primary?.process.kill();
    this.primaryDisk.crash();
    this.primary = null;
    this.store = null;
  }

  crashStandby(): void {
    this.cut();
    this.standby?.process.kill();
    this.standbyDisk.crash();
    this.standby = null;
  }

  /**
   * Both end, and the standby's store is the cell's from now on: that of the primary, which may have
   * writes that nobody else has, is its standby. Nothing of that where the copy is not whole.
   */
  failOver(): void {
    this.crashPrimary();
    this.crashStandby();
    const rows = this.standbyDisk.stored(["meta"]);
    const isWhole = !rows.some(({ key }) => key[1] === FILLING_KEY[1]);
    if (!isWhole || positionOn(this.standbyDisk) === null) return;
    this.#checkKept();
    [this.primaryDisk, this.standbyDisk] = [this.standbyDisk, this.primaryDisk];
    const has = new Set(copied(this.primaryDisk).map(rowName));
    this.#unreplicated = copied(this.standbyDisk).filter((row) => !has.has(rowName(row)));
    this.#kept.clear();
    this.#wrote = true;
  }

  /** The disk of the standby is a new one. */
  wipeStandby(): void {
    this.crashStandby();
    for (const { key } of this.standbyDisk.stored([])) this.standbyDisk.store(key, null);
    this.#unreplicated = [];
  }

  /** Starts what does not run, again where its disk refused it, and a stream between the two. */
  start(): void {
    if (this.primary?.rows === null && !this.primaryDisk.busy) this.crashPrimary();
    if (this.standby?.copy === null && !this.standbyDisk.busy) this.crashStandby();
    if (this.primary === null) this.startPrimary();
    if (this.standby === null) this.startStandby();
    this.connect();
  }

  /** Begins a stream where both run and none is under way. */
  connect(): void {
    const { primary, standby } = this;
    const copy = standby?.copy;
    if (this.#sender !== null || !primary?.rows || !copy) return;
    const stream = ++this.#streams;
    const end = (why: string) => {
      if (stream !== this.#streams) return;
      this.ends.push(why);
      this.cut();
    };
    const carry = <T extends { readonly kind: string }>(
      process: VirtualProcess,
      take: (frame: T) => void,
    ) => {
      let lastMs = 0;
      return (frame: T) => {
        // In order, each somewhat later than the one before.
        lastMs = Math.max(lastMs, this.time.nowMs + this.prng.number() * 5);
        const wait = lastMs - this.time.nowMs;
        const arrive = () => stream === this.#streams ? take(frame) : undefined;
        const isWrite = frame.kind === "write";
        if (isWrite && this.prng.chance(this.faults.lost)) return;
        process.timers.after(wait, arrive);
        if (isWrite && this.prng.chance(this.faults.doubled)) process.timers.after(wait, arrive);
      };
    };
    const sender = new StandbySender({
      rows: primary.rows,
      clock: primary.process.clock,
      timers: primary.process.timers,
      limits: this.options.limits,
      send: carry<ToStandby>(standby.process, (frame) => copy.take(frame)),
      acked: (at, filling) => this.#acked(at, filling),
      end,
    });
    this.#sender = sender;
    copy.connect({
      send: carry<FromStandby>(primary.process, (frame) => sender.take(frame)),
      end,
    });
  }

  /** Ends the stream; frames on their way are lost. */
  cut(): void {
    this.#streams++;
    this.#sender?.stop();
    this.#sender = null;
    this.standby?.copy?.disconnect();
    this.acked = null;
  }

  /** Writes where the primary runs; false where it does not. */
  write(mutations: readonly Mutation[]): boolean {
    this.store?.write(mutations, () => {});
    return this.store !== null;
  }

  /** What is acknowledged is on the standby's disk. */
  #acked(at: Position, filling: boolean): void {
    this.acked = { at, filling };
    const durable = positionOn(this.standbyDisk);
    assert.ok(durable !== null && durable.w >= at.w, "an ack of a write that is not durable");
  }

  /** What the copy takes for durable is. Throws where it is not. */
  checkState(): void {
    const copy = this.standby?.copy;
    if (copy?.agrees) this.#wrote = false;
    if (!copy || this.standbyDisk.busy || !copy.whole) return;
    const rows = this.standbyDisk.stored(["meta"]);
    assert.deepEqual(positionOn(this.standbyDisk), copy.position, "the position is another one");
    assert.ok(!rows.some(({ key }) => key[1] === FILLING_KEY[1]), "the copy is not whole");
    const state = copy.position && this.#states.get(nameOf(copy.position));
    if (!state || sameRows(state, copied(this.standbyDisk))) return;
    assert.fail(`the copy has other rows than the primary had at ${nameOf(copy.position!)}`);
  }

  /** Throws where a whole copy at the primary's position has other rows. Returns whether it was. */
  compare(): boolean {
    const rows = this.primary?.rows;
    const copy = this.standby?.copy;
    if (!rows || !copy || rows.settled !== rows.assigned || this.primaryDisk.busy) return false;
    if (this.standbyDisk.busy || !copy.whole) return false;
    if (!samePosition(copy.position, rows.position)) return false;
    const [primary, standby] = [copied(this.primaryDisk), copied(this.standbyDisk)];
    if (Buffer.compare(digestOf(primary), digestOf(standby)) !== 0) {
      assert.deepEqual(standby, primary);
    }
    this.#checkKept();
    return true;
  }

  #keepRows(rows: readonly Row[]): boolean {
    for (const row of rows) this.#kept.add(rowName(row));
    return true;
  }

  /** What a former primary had alone was kept before it was replaced. */
  #checkKept(): void {
    if (this.#unreplicated.length === 0) return;
    const has = new Set(copied(this.standbyDisk).map(rowName));
    for (const row of this.#unreplicated) {
      if (this.#kept.has(rowName(row)) || has.has(rowName(row))) continue;
      assert.fail(`the row ${row.key.join("/")} of a former primary was replaced and not kept`);
    }
    this.#unreplicated = [];
  }
}

const rowName = ({ key, value }: Row) => `${keyName(key)} ${value.join()}`;

const nameOf = ({ run, w }: Position) => `${run} ${w}`;

/** The rows that both have, as they are stored. */
function copied(disk: MemoryDisk): readonly Row[] {
  return disk.stored([]).filter(({ key }) => !isOfCopy(key));
}

/** The number of the last write on a disk. */
function positionOn(disk: MemoryDisk): Position | null {
  const row = disk.stored(["meta"]).find(({ key }) => key[1] === NUMBER_KEY[1]);
  return readNumber(row?.value ?? null);
}

function sameRows(a: readonly Row[], b: readonly Row[]): boolean {
  const isSame = (row: Row, i: number) =>
    Buffer.compare(row.value, b[i]!.value) === 0 && row.key.join("/") === b[i]!.key.join("/");
  return a.length === b.length && a.every(isSame);
}
