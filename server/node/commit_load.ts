/**
 * How much log is written to a store: under load commits wait for each other, so that there are fewer
 * and fuller ones. Of a process that writes alone the length of each commit counts. Of several the
 * rate does: commits that follow each other at once are short, however much there is to write, and
 * each process sees a part of it.
 */

/** Bytes of log of all writers in `LOADED_GAP_MS` from which on the store is under load. */
const LOADED_BYTES = 16 * 1024;
/** Least time from the start of a commit under load to that of the next (ms). */
const LOADED_GAP_MS = 30;

/** See the head of this file. */
export class CommitLoad {
  readonly #writers: number;
  /** Bytes of the latest commits, less what so many would take since the last one. */
  #bytes = 0;
  #atMs = 0;

  /** `writers`: processes that write into the store, each of them as much as this one. */
  constructor(writers: number) {
    this.#writers = writers;
  }

  /** A commit begins (monotonic ms); returns when the next one may. */
  begins(bytes: number, nowMs: number): number {
    const elapsedMs = this.#writers === 1 ? LOADED_GAP_MS : nowMs - this.#atMs;
    const past = elapsedMs * LOADED_BYTES / LOADED_GAP_MS;
    // One long commit makes the next one wait, and no other.
    this.#bytes = Math.min(LOADED_BYTES, Math.max(0, this.#bytes - past) + bytes * this.#writers);
    this.#atMs = nowMs;
    return this.#bytes >= LOADED_BYTES ? nowMs + LOADED_GAP_MS : 0;
  }
}
