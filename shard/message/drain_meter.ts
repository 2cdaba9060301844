/**
 * How fast a queue is drained: an exponentially decaying mean of the last seconds. While nothing is
 * drained the rate falls, so that waits rise for as long as a queue is stuck. Times are monotonic ms.
 */

/** Time constant of the mean (ms). */
const MEAN_MS = 5000;
/** Bounds of a wait (ms). */
const WAIT_MIN_MS = 100;
const WAIT_MAX_MS = 30_000;
/** The least wait where nothing has been drained yet (ms). */
const WAIT_UNKNOWN_MS = 1000;

/** The rate at which one queue is drained. */
export class DrainMeter {
  readonly #sinceMs: number;
  #atMs: number;
  #drained = 0;

  /** The queue has had items since `nowMs`. */
  constructor(nowMs: number) {
    this.#sinceMs = this.#atMs = nowMs;
  }

  /** So much has left the queue. */
  drain(nowMs: number, amount: number): void {
    this.#drained = this.#remembered(nowMs) + amount;
    this.#atMs = nowMs;
  }

  /** How long it takes until `amount` more has left it (ms), in the bounds above. */
  waitMs(nowMs: number, amount: number): number {
    const observedMs = nowMs - this.#sinceMs;
    const drained = this.#remembered(nowMs);
    const waitMs = drained === 0
      ? Math.max(WAIT_UNKNOWN_MS, observedMs)
      : amount * MEAN_MS * (1 - Math.exp(-Math.max(1, observedMs) / MEAN_MS)) / drained;
    return Math.min(WAIT_MAX_MS, Math.max(WAIT_MIN_MS, Math.ceil(waitMs)));
  }

  #remembered(nowMs: number): number {
    return this.#drained * Math.exp(-(nowMs - this.#atMs) / MEAN_MS);
  }
}
