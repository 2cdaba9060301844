/**
 * One node's end of an audit log: it packs entries into rows, chains them by their hashes, and writes
 * each row in one transaction with the head of its chain, which only this node writes. Nodes do not
 * wait for each other, and a second process under the same node id is noticed, not interleaved.
 */
import type { Cancel, Clock, Mutation, Store, StoreError, Timers } from "../node/ports.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import {
  type AuditInput,
  type AuditStream,
  encodeRow,
  hashRow,
  rowKey,
  type StoredEntry,
  storedEntry,
} from "./entry.ts";
import { baseValue, type ChainHead, headName, NO_HEAD, parseHead } from "./heads.ts";
import { sameBytes } from "../node/cell_value.ts";

/** How long entries that nobody waits for may be collected (ms): what a kill may cost. */
export const COLLECTED_MS = 500;
/** How long after a failure it is tried again (ms). */
const AGAIN_MS = 1000;
/**
 * Text of the entries in one row (characters, each of at most 3 bytes) before its last one, which has
 * 17,000 bytes at most: a row of the store takes 65,528.
 */
const ROW_CHARS_MAX = 15_000;
/** Rows of one write. */
const ROWS_MAX = 8;
/** Entries that may wait; beyond that they are counted, and one entry says how many were lost. */
const WAITING_MAX = 20_000;

type Recorded = (error: StoreError | null) => void;
interface Waiting {
  readonly entry: StoredEntry;
  readonly done: Recorded | null;
}

/** What a writer needs. */
export interface WriterDeps {
  readonly store: Pick<Store, "register" | "cas" | "watch">;
  readonly clock: Pick<Clock, "wallMs">;
  readonly timers: Timers;
  readonly node: NodeId;
  readonly stream: AuditStream;
}

const BUSY: StoreError = { kind: "failed", message: "too many entries of the audit log wait" };
const utf8 = new TextEncoder();

/** See the head of this file. */
export class AuditWriter {
  readonly #deps: WriterDeps;
  #waiting: Waiting[] = [];
  /** Entries that were not taken. */
  #lost = 0;
  #head: { readonly version: number; readonly of: ChainHead } | null = null;
  #writing = false;
  #stopped = false;
  /** Why the last write failed. */
  #failing: StoreError | null = null;
  #timer: Cancel | null = null;
  /** Called when nothing waits any more, or could be written. */
  #settled: (() => void)[] = [];

  constructor(deps: WriterDeps) {
    this.#deps = deps;
  }

  /** Entries that wait to be written. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Records an entry within `COLLECTED_MS`; costs no write of its own. */
  add(input: AuditInput): void {
    if (this.#waiting.length >= WAITING_MAX) return void this.#lost++;
    const entry = storedEntry(input, this.#nowMs());
    this.#waiting.push({ entry, done: null });
    this.#later(COLLECTED_MS);
  }

  /**
   * Records an entry at once, and those that wait; `done(null)` when it is durable. With an error it
   * may be recorded later: it is tried again for as long as the process lives.
   */
  addDurably(input: AuditInput, done: Recorded): void {
    if (this.#waiting.length >= WAITING_MAX) return done(BUSY);
    const entry = storedEntry(input, this.#nowMs());
    this.#waiting.push({ entry, done });
    this.#timer?.();
    this.#timer = null;
    this.#deps.timers.soon(() => this.#flush());
  }

  /** Calls `done(null)` once all that has been added so far is durable; with an error as above. */
  waitDurably(done: Recorded): void {
    const last = this.#waiting.at(-1);
    if (last === undefined) return done(this.#failing);
    this.#waiting[this.#waiting.length - 1] = { entry: last.entry, done: both(last.done, done) };
    this.#timer?.();
    this.#timer = null;
    this.#deps.timers.soon(() => this.#flush());
  }

  /** Writes what waits, and calls `done` once that has been tried; then it tries nothing again. */
  stop(done: () => void): void {
    this.#stopped = true;
    this.#timer?.();
    this.#settled.push(done);
    this.#flush();
  }

  #nowMs(): number {
    return Math.floor(this.#deps.clock.wallMs());
  }

  #later(ms: number): void {
    if (this.#timer !== null || this.#writing || this.#stopped) return;
    this.#timer = this.#deps.timers.after(ms, () => {
      this.#timer = null;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#writing) return;
    if (this.#waiting.length === 0 && this.#lost === 0) {
      for (const done of this.#settled.splice(0)) done();
      return;
    }
    this.#writing = true;
    if (this.#head === null) this.#load();
    else this.#write(this.#head.version, this.#head.of);
  }

  /** Reads where the chain ends; a node that begins one is entered in the list of nodes first. */
  #load(): void {
    const { store, stream, node } = this.#deps;
    store.register(headName(stream, node), (error, register) => {
      if (error !== null) return this.#failed(error);
      const version = register?.version ?? 0;
      const use = (of: ChainHead) => {
        this.#head = { version, of };
        this.#write(version, of);
      };
      if (register !== null) return use(parseHead(register.value));
      baseValue(store, stream).update(
        (nodes) => node in nodes ? null : { ...nodes, [node]: NO_HEAD },
        (error) => error === null ? use(NO_HEAD) : this.#failed(error),
      );
    });
  }

  #write(version: number, from: ChainHead): void {
    const { store, stream, node } = this.#deps;
    const lost = this.#lost;
    const { rows, head, taken } = this.#pack(from, lost);
    const bytes = utf8.encode(JSON.stringify(head));
    const name = headName(stream, node);
    const done = () => {
      this.#lost -= lost;
      this.#head = { version: version + 1, of: head };
      this.#written(taken);
    };
    store.cas(name, version, bytes, rows, (error, set) => {
      if (error === null && set) return done();
      this.#head = null;
      // Another process has written in this node's name: the chain goes on behind that.
      if (error === null) return this.#load();
      if (error.kind !== "unknown") return this.#failed(error);
      store.register(name, (failed, register) => {
        const same = failed === null && register !== null && sameBytes(register.value, bytes);
        if (same) done();
        else this.#failed(error);
      });
    });
  }

  /** As many rows as one write takes, of the entries that wait. */
  #pack(from: ChainHead, lost: number) {
    const { stream, node } = this.#deps;
    const at = Math.max(from.at, this.#nowMs());
    const rows: Mutation[] = [];
    let head = from;
    let taken = 0;
    let entries: StoredEntry[] = lost === 0 ? [] : [lostEntry(lost, at)];
    while (rows.length < ROWS_MAX && (taken < this.#waiting.length || entries.length > 0)) {
      let chars = 0;
      for (; taken < this.#waiting.length && chars < ROW_CHARS_MAX; taken++) {
        const { entry } = this.#waiting[taken]!;
        chars += JSON.stringify(entry).length;
        entries.push(entry);
      }
      const row = { stream, at, node, n: head.n + 1, prev: head.hash, entries };
      const value = encodeRow(row);
      rows.push({ kind: "set", key: rowKey(row), value });
      head = { at, n: row.n, hash: hashRow(row, value), bytes: head.bytes + value.length };
      entries = [];
    }
    return { rows, head, taken };
  }

  #written(taken: number): void {
    this.#writing = false;
    this.#failing = null;
    for (const { done } of this.#waiting.splice(0, taken)) done?.(null);
    const awaited = this.#settled.length > 0 || this.#waiting.some(({ done }) => done !== null);
    if (awaited) this.#flush();
    else if (this.#waiting.length > 0) this.#later(COLLECTED_MS);
  }

  /** Nobody waits any longer for what could not be written; it is tried again. */
  #failed(error: StoreError): void {
    this.#writing = false;
    this.#head = null;
    this.#failing = error;
    const waiting = this.#waiting;
    this.#waiting = waiting.map(({ entry }) => ({ entry, done: null }));
    for (const { done } of waiting) done?.(error);
    for (const done of this.#settled.splice(0)) done();
    this.#later(AGAIN_MS);
  }
}

function both(one: Recorded | null, other: Recorded): Recorded {
  return (error) => {
    one?.(error);
    other(error);
  };
}

function lostEntry(count: number, at: number): StoredEntry {
  const detail = "entries that were not recorded: the store took none for too long";
  return storedEntry({ actor: "server", action: "auditLost", outcome: "ok", count, detail }, at);
}
