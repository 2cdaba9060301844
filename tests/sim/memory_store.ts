/**
 * A disk in memory with the faults of real ones, and the rows that processes open on it. It behaves
 * like the rows of `server/store/kv_store.ts` (one contract test runs on both): operations run one
 * after the other, values are copied, and what a dead process asked for is never answered.
 */
import type { Cancel, Mutation, Row, StoreKey } from "../../server/node/ports.ts";
import type { RowError, RowStore } from "../../server/store/row_store.ts";
import { CheckedRows, type ObserveDamage } from "../../server/store/checked_rows.ts";
import { addChecksum, checkRow } from "../../server/store/row_checksum.ts";
import { MemoryRows } from "./memory_rows.ts";
import { OrderedRows } from "./ordered_rows.ts";
import type { Prng } from "./prng.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";

/** How long operations take, ms; uniform between the two. */
export interface DiskLatency {
  readonly commitMs: readonly [number, number];
  readonly readMs: readonly [number, number];
  /** Probability that a commit takes ten times as long. */
  readonly slowCommits: number;
}

/** As Deno KV was measured on a disk. */
export const DISK_LATENCY: DiskLatency = {
  commitMs: [0.3, 3],
  readMs: [0.05, 0.2],
  slowCommits: 0.01,
};

/** Probabilities that an operation fails; all 0 at the start. */
export interface DiskFaults {
  /** A write fails and has not happened. */
  readonly failed: number;
  /** A write's outcome is not known. */
  readonly unknown: number;
  /** A read or list fails. */
  readonly readFailed: number;
}

/**
 * What is behind an `unknown` outcome. `ghost`: not visible, but it will be after a crash, unless
 * another write succeeds before: what SQLite does when an fsync fails.
 */
export type UnknownOutcome = "applied" | "lost" | "ghost";

/** Failures that a write may have; "unknown" picks an outcome. */
type WriteFailure = "full" | "failed" | "unknown" | UnknownOutcome;

const NO_FAULTS: DiskFaults = { failed: 0, unknown: 0, readFailed: 0 };
const OUTCOMES: readonly UnknownOutcome[] = ["applied", "lost", "ghost"];

/** An operation of the process that has the disk open. */
interface Job {
  readonly latencyMs: number;
  /** The mutations of a write, which a crash may let through; null for reads. */
  readonly mutations: readonly Mutation[] | null;
  /** Does it on the disk; what it returns calls back. */
  readonly run: () => () => void;
}

/** One simulated disk; it outlives the processes that use it. */
export class MemoryDisk {
  readonly #time: VirtualTime;
  readonly #prng: Prng;
  readonly #latency: DiskLatency;
  #rows = new OrderedRows();
  #jobs: Job[] = [];
  #job: Cancel | null = null;
  #store: MemoryRows | null = null;
  #stalledUntilMs = 0;
  /** The oldest job is done but for the stall. */
  #held = false;
  #ghost: readonly Mutation[] | null = null;
  #next: WriteFailure[] = [];
  readonly #bad = new Set<string>();
  #trap: { writes: number; readonly run: () => void } | null = null;
  #watched: { readonly part: string; readonly run: () => void } | null = null;
  /** Probabilities of random faults. */
  faults: DiskFaults = NO_FAULTS;
  /** While true, writes fail with `full`; reads go on. */
  full = false;
  /** Called with the key of each row that has been written or deleted. */
  onApplied: (key: StoreKey) => void = () => {};

  constructor(time: VirtualTime, prng: Prng, latency: DiskLatency = DISK_LATENCY) {
    this.#time = time;
    this.#prng = prng;
    this.#latency = latency;
  }

  /**
   * Opens it for a process; a dead one that has it open has crashed (`crash`). Throws while a
   * living one has it open. `observe` is called with every damaged row that is read.
   */
  open(process: VirtualProcess, observe: ObserveDamage = () => {}): RowStore {
    return new CheckedRows(this.openStored(process), false, observe);
  }

  /** Opens it as `open` does, without checksums: the rows as they are stored. */
  openStored(process: VirtualProcess): RowStore {
    if (this.#store?.alive === false) this.crash();
    if (this.#store !== null) throw new Error("open: another process has this disk open");
    this.#store = new MemoryRows(this, process);
    return this.#store;
  }

  /**
   * The process is gone, or the power: writes that were not answered yet survive up to a random
   * one of them (each whole, in their order), and nothing is called back. Faults stay as they are.
   */
  crash(): void {
    this.#job?.();
    this.#job = null;
    this.#held = false;
    const writes = this.#jobs.flatMap((job) => job.mutations === null ? [] : [job.mutations]);
    this.#jobs = [];
    this.#store?.die();
    this.#store = null;
    const survivors = this.#prng.int(0, writes.length);
    const ghost = this.#prng.chance(0.5) ? this.#ghost : null;
    // A later write that survives has taken its place.
    if (ghost !== null && survivors === 0) this.#apply(ghost);
    this.#ghost = null;
    for (const write of writes.slice(0, survivors)) this.#apply(write);
  }

  /** Nothing is finished before this much time has passed; `Infinity` until `unstall`. */
  stall(forMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#time.nowMs + forMs);
  }

  /** Ends a stall. */
  unstall(): void {
    this.#stalledUntilMs = 0;
    if (!this.#held) return;
    this.#job?.();
    this.#job = this.#time.global.timers.after(0, () => this.#finish());
  }

  /** Outcomes of the next writes, in order; `unknown` picks one of its three at random. */
  failNext(...outcomes: readonly WriteFailure[]): void {
    this.#next.push(...outcomes);
  }

  /**
   * Runs `run` right after the write that comes after `writes` others is on the disk, before any
   * caller is notified: for crashes between the two. A second call replaces the first.
   */
  afterWrites(writes: number, run: () => void): void {
    this.#trap = { writes, run };
  }

  /** Runs `run` when next a read of a key with this part is asked for. Replaces the one before. */
  whenRead(part: string, run: () => void): void {
    this.#watched = { part, run };
  }

  /** Reads fail with this probability for a while. */
  failReads(probability: number, forMs: number): void {
    this.faults = { ...this.faults, readFailed: probability };
    this.#time.global.timers.after(forMs, () => {
      this.faults = { ...this.faults, readFailed: 0 };
    });
  }

  /** A bad place: reads of keys with this part fail, until `heal` or for a while. */
  failReadsOf(part: string, forMs: number): void {
    this.#bad.add(part);
    if (forMs < Infinity) this.#time.global.timers.after(forMs, () => this.#bad.delete(part));
  }

  /** Ends every fault there is, and those that were still to come. */
  heal(): void {
    this.faults = NO_FAULTS;
    this.full = false;
    this.#next = [];
    this.#trap = null;
    this.#watched = null;
    this.#bad.clear();
    this.unstall();
  }

  /**
   * What is on the disk now, as a checker sees it: no latency, no faults. Throws where a row is
   * damaged. `rewrite` it to change it.
   */
  rows(prefix: StoreKey): readonly Row[] {
    return this.stored(prefix).map(({ key, value }) => {
      const row = checkRow(key, value, false);
      if (row.kind === "damaged") throw new Error(`row ${key.join(" ")}: ${row.reason}`);
      return { key, value: row.value };
    });
  }

  /** The rows with their checksums: the bytes of the disk itself, for faults to change. */
  stored(prefix: StoreKey): readonly Row[] {
    return this.#rows.list(prefix, null, Infinity);
  }

  /** Replaces the bytes of a row, or removes it (null), as a fault of the disk does. */
  store(key: StoreKey, bytes: Uint8Array | null): void {
    if (bytes === null) this.#rows.delete(key);
    else this.#rows.set(key, bytes);
  }

  /** Writes a row at once, as another process would that shares the disk. */
  put(key: StoreKey, value: Uint8Array): void {
    this.#rows.set(key, addChecksum(key, value));
    this.onApplied(key);
  }

  /** Rows on the disk. */
  get size(): number {
    return this.#rows.size;
  }

  /** Whether operations are under way. */
  get busy(): boolean {
    return this.#jobs.length > 0;
  }

  /** For its store: does a write in its turn. */
  submitWrite(mutations: readonly Mutation[], done: (error: RowError | null) => void): void {
    const slow = this.#prng.chance(this.#latency.slowCommits) ? 10 : 1;
    this.#submit({
      latencyMs: this.#pick(this.#latency.commitMs) * slow,
      mutations,
      run: () => {
        const error = this.#write(mutations);
        return () => done(error);
      },
    });
  }

  /** For its store: does a read in its turn. */
  submitRead<T>(
    keys: readonly StoreKey[],
    read: (rows: OrderedRows) => T,
    done: (error: RowError | null, value: T | null) => void,
  ): void {
    const watched = this.#watched;
    if (watched !== null && keys.some((key) => key.includes(watched.part))) {
      this.#watched = null;
      watched.run();
    }
    this.#submit({
      latencyMs: this.#pick(this.#latency.readMs),
      mutations: null,
      run: () => {
        const bad = this.#bad.size > 0 &&
          keys.some((key) => key.some((part) => this.#bad.has(String(part))));
        if (bad || this.#prng.chance(this.faults.readFailed)) {
          return () => done({ kind: "failed", message: "simulated read error" }, null);
        }
        const value = read(this.#rows);
        return () => done(null, value);
      },
    });
  }

  /** For its store: calls back when nothing is under way, and is free to be opened again. */
  submitClose(done: () => void): void {
    this.#submit({
      latencyMs: 0,
      mutations: null,
      run: () => {
        this.#store = null;
        this.#ghost = null;
        return done;
      },
    });
  }

  #submit(job: Job): void {
    this.#jobs.push(job);
    if (this.#jobs.length === 1) this.#start();
  }

  /** Starts the oldest job, where there is one. */
  #start(): void {
    const job = this.#jobs[0];
    if (job === undefined) return;
    this.#job = this.#time.global.timers.after(job.latencyMs, () => this.#finish());
  }

  #finish(): void {
    this.#job = null;
    const stallMs = this.#stalledUntilMs - this.#time.nowMs;
    this.#held = stallMs > 0;
    if (this.#held) {
      if (stallMs < Infinity) {
        this.#job = this.#time.global.timers.after(stallMs, () => this.#finish());
      }
      return;
    }
    const store = this.#store;
    const job = this.#jobs[0]!;
    const done = job.run();
    // Only now: what `done` submits, in a later turn, finds the order of jobs settled.
    this.#jobs.shift();
    store?.answer(done);
    this.#start();
    if (job.mutations !== null) this.#springTrap();
  }

  #springTrap(): void {
    const trap = this.#trap;
    if (trap === null || trap.writes-- > 0) return;
    this.#trap = null;
    trap.run();
  }

  #write(mutations: readonly Mutation[]): RowError | null {
    const fault = this.#fault();
    if (fault === null) {
      this.#ghost = null;
      this.#apply(mutations);
      return null;
    }
    if (fault === "applied") this.#apply(mutations);
    // The failed write took the place of an earlier ghost.
    if (fault === "ghost") this.#ghost = mutations;
    const kind = fault === "full" || fault === "failed" ? fault : "unknown";
    return { kind, message: `simulated: ${fault}` };
  }

  #fault(): "full" | "failed" | UnknownOutcome | null {
    const next = this.#next.shift();
    if (next === "unknown") return this.#prng.pick(OUTCOMES);
    if (next !== undefined) return next;
    if (this.full) return "full";
    if (this.#prng.chance(this.faults.failed)) return "failed";
    return this.#prng.chance(this.faults.unknown) ? this.#prng.pick(OUTCOMES) : null;
  }

  #apply(mutations: readonly Mutation[]): void {
    for (const mutation of mutations) {
      if (mutation.kind === "set") this.#rows.set(mutation.key, mutation.value);
      else this.#rows.delete(mutation.key);
      this.onApplied(mutation.key);
    }
  }

  #pick([min, max]: readonly [number, number]): number {
    return min + (max - min) * this.#prng.number();
  }
}
