/**
 * The rows of a store that has standbys. Every write gets the next number, in its own transaction;
 * those that have happened are handed on in the order of their numbers, with the bytes that are
 * stored. It stands below the checksums, so that a copy is equal byte by byte.
 *
 * A write whose outcome is not known ends the run: what a standby would have to apply is not known
 * either, so it compares its rows with these (`filling.ts`).
 */
import { type Entry, WriteRing } from "./write_ring.ts";
import type { ListOptions, Mutation, Row, StoreKey } from "../node/ports.ts";
import { NUMBER_KEY, numberMutation, type Position, readNumber } from "./write_number.ts";
import type { RowError, RowStore } from "../store/row_store.ts";

type WriteDone = (error: RowError | null) => void;

/** Decides when a write that has happened here is acknowledged. */
export interface WriteGate {
  /** Why no write may begin now; null where one may. */
  refusal(): string | null;
  /** Whether writes that would begin wait now; `run` is then called when they may begin, or never. */
  delays(run: () => void): boolean;
  /** A write has happened: calls `done` when it may be acknowledged, in the order of the calls. */
  hold(at: Position, done: WriteDone): void;
}

/** A gate that acknowledges at once. */
export const OPEN_GATE: WriteGate = {
  refusal: () => null,
  delays: () => false,
  hold: (_, done) => done(null),
};

/** What a store that has standbys is opened with. */
export interface NumberedOptions {
  /** Bytes of the last writes that are kept for standbys. */
  readonly ringBytesMax: number;
  /** Makes the name of a run, which no other has. */
  newRun(): string;
  /** Runs something in a later turn. */
  later(run: () => void): void;
}

/** Who follows the writes. */
export interface WriteFollower {
  /** Another write is at the end of the ring. */
  added(): void;
  /** A run has ended with a write of unknown outcome: the ring is empty. */
  broken(): void;
}

interface Writing {
  readonly at: Position;
  readonly rows: readonly Mutation[];
  readonly done: WriteDone;
  /** Undefined while it is under way. */
  outcome?: RowError | null;
}

/** See the head of this file. */
export class NumberedRows implements RowStore {
  readonly #rows: RowStore;
  readonly #options: NumberedOptions;
  readonly #ring: WriteRing;
  readonly #followers = new Set<WriteFollower>();
  #run: string;
  /** The last write that has happened; null where that is not known, at the beginning of a run. */
  #last: Position | null;
  /** Whether a write of this run has happened. */
  #ready = false;
  #assigned: number;
  /** Those under way, and those behind one of them, oldest first. */
  #writing: Writing[] = [];
  /** Replaced once it is known who has to have a write. */
  gate: WriteGate = OPEN_GATE;

  private constructor(rows: RowStore, last: Position | null, options: NumberedOptions) {
    this.#rows = rows;
    this.#options = options;
    this.#ring = new WriteRing(options.ringBytesMax);
    this.#last = last;
    this.#assigned = last?.w ?? 0;
    this.#run = options.newRun();
  }

  /** Reads the number of the last write and begins a run with an empty one. */
  static open(
    rows: RowStore,
    options: NumberedOptions,
    done: (error: RowError | null, opened: NumberedRows | null) => void,
  ): void {
    rows.read([NUMBER_KEY], (error, [stored]) => {
      if (error !== null) return done(error, null);
      const opened = new NumberedRows(rows, readNumber(stored ?? null), options);
      opened.#begin((error) => done(error, error === null ? opened : null));
    });
  }

  /** The last write that has happened; null while the run has none. */
  get position(): Position | null {
    return this.#ready ? this.#last : null;
  }

  /** The highest number that was given to a write. */
  get assigned(): number {
    return this.#assigned;
  }

  /** All writes up to this number are over. */
  get settled(): number {
    const first = this.#writing[0];
    return first === undefined ? this.#assigned : first.at.w - 1;
  }

  /** The write that follows this position; null where it is not kept, or has not happened yet. */
  next(position: Position): Entry | null {
    return this.#ring.next(position);
  }

  follow(follower: WriteFollower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  // ---- rows

  write(mutations: readonly Mutation[], done: WriteDone): void {
    if (mutations.length === 0) return this.#rows.write(mutations, done);
    if (this.gate.delays(() => this.write(mutations, done))) return;
    const message = this.gate.refusal();
    if (message !== null) return this.#options.later(() => done({ kind: "full", message }));
    this.#write(mutations, done);
  }

  read(
    keys: readonly StoreKey[],
    done: (error: RowError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void {
    this.#rows.read(keys, done);
  }

  list(options: ListOptions, done: (error: RowError | null, rows: readonly Row[]) => void): void {
    this.#rows.list(options, done);
  }

  lastKey(prefix: StoreKey, done: (error: RowError | null, key: StoreKey | null) => void): void {
    this.#rows.lastKey(prefix, done);
  }

  close(done: () => void): void {
    this.#rows.close(done);
  }

  // ---- the sequence

  /** An empty write, with which a run begins. */
  #begin(done: WriteDone): void {
    this.#write([], done);
  }

  #write(mutations: readonly Mutation[], done: WriteDone): void {
    const at = { run: this.#run, w: ++this.#assigned };
    const rows = [...mutations, numberMutation(at)];
    const writing: Writing = { at, rows, done };
    this.#writing.push(writing);
    this.#rows.write(rows, (error) => {
      writing.outcome = error;
      this.#settle();
    });
  }

  #settle(): void {
    while (this.#writing[0]?.outcome !== undefined) {
      const writing = this.#writing.shift()!;
      if (writing.outcome === null) this.#happened(writing);
      else {
        if (writing.outcome!.kind === "unknown") this.#break();
        writing.done(writing.outcome!);
      }
    }
  }

  #happened({ at, rows, done }: Writing): void {
    // Writes of a run that has ended are not handed on: standbys find them when they compare.
    if (at.run === this.#run) {
      this.#ring.push({ at, after: this.#last, rows });
      this.#last = at;
      this.#ready = true;
      for (const follower of this.#followers) follower.added();
    }
    this.gate.hold(at, done);
  }

  /** What is asked for from now on belongs to another run; what is under way, to none. */
  #break(): void {
    this.#run = this.#options.newRun();
    this.#last = null;
    this.#ready = false;
    this.#ring.clear();
    for (const follower of this.#followers) follower.broken();
    // Where it fails, the next write begins the run.
    this.#begin(() => {});
  }
}
