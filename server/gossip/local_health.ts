/**
 * How well this node itself keeps up (Lifeguard's local health multiplier; `awareness.go` of
 * memberlist): a node whose probes fail, or whom others suspect, may be the slow one. It waits
 * longer before it suspects anybody.
 */

/** Scores are 0 … this; 0 is healthy. */
export const HEALTH_SCORE_MAX = 7;

/** See the head of this file. */
export class LocalHealth {
  #score = 0;

  /** 0 while this node keeps up. */
  get score(): number {
    return this.#score;
  }

  /** Adds to the score; a negative number for a sign of health. */
  note(delta: number): void {
    this.#score = Math.min(HEALTH_SCORE_MAX, Math.max(0, this.#score + delta));
  }

  /** A time that this node waits for others, longer by its own score. */
  scaled(ms: number): number {
    return ms * (this.#score + 1);
  }
}
