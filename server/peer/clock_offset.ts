/**
 * How far the wall clock of another node is from this one's. Each heartbeat of a link says what the
 * sender's clock shows; on its way it gets older, never younger, so that the largest difference of
 * several is the nearest to the truth. Operators see it; nothing relies on it.
 */

/** Differences that are compared: those of the last seconds, one each second. */
const SAMPLES_MAX = 8;
/** Differences before anything is known: a busy node reads late. */
const SAMPLES_MIN = 3;
/** Clocks are far apart from here on (ms): times of messages and ends of tokens are visibly wrong. */
export const FAR_APART_MS = 1000;

/** See the head of this file. */
export class ClockOffset {
  readonly #samples: number[] = [];
  #far = false;

  /** Takes a heartbeat: the sender's wall clock, and this node's at its arrival (ms). */
  take(theirsMs: number, ownMs: number): void {
    this.#samples.push(theirsMs - ownMs);
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  /** How far the other clock is ahead (ms), less what a heartbeat takes; null where nothing is known. */
  get ms(): number | null {
    return this.#samples.length < SAMPLES_MIN ? null : Math.max(...this.#samples);
  }

  /**
   * Returns what has changed since the last call: the clocks are `far` apart, or `near` each other
   * again, which is at half of that; null: nothing.
   */
  change(): "far" | "near" | null {
    const apartMs = Math.abs(this.ms ?? 0);
    const far = apartMs >= (this.#far ? FAR_APART_MS / 2 : FAR_APART_MS);
    if (far === this.#far) return null;
    this.#far = far;
    return far ? "far" : "near";
  }
}
