/**
 * How many accounts a node takes in that move here from other cells: few at first, for a cold one has
 * nothing in memory and its users connect at once, then ever more while it is well, and half as many
 * whenever it is overloaded.
 */
import type { Clock } from "./ports.ts";

/** Accounts a second of a node that has taken in none so far, and at least. */
const FIRST_PER_SECOND = 10;
const LEAST_PER_SECOND = 1;
/** How the rate grows with each second in which accounts were taken in. */
const GROWTH = 1.25;
/** How often the rate is changed (ms). */
const STEP_MS = 1000;
/** Accounts of so long a time may come at once (ms): their source begins some together. */
const BURST_MS = 500;
/** When one that was refused may be offered again, at most (ms). */
const AGAIN_MAX_MS = 5000;

/** See the head of this file. */
export class ArrivalRate {
  /** Whether the node refuses sign-ins because it is overloaded. */
  overloaded: () => boolean = () => false;
  readonly #clock: Pick<Clock, "monoMs">;
  readonly #perSecondMax: number;
  #perSecond: number;
  #steppedMs = -Infinity;
  /** When the next one may be taken in (monotonic ms). */
  #nextMs = -Infinity;

  constructor(clock: Pick<Clock, "monoMs">, perSecondMax: number) {
    this.#clock = clock;
    this.#perSecondMax = perSecondMax;
    this.#perSecond = Math.min(FIRST_PER_SECOND, perSecondMax);
  }

  /** Accounts that are taken in in a second now. */
  get perSecond(): number {
    return this.#perSecond;
  }

  /** Takes one in, and returns 0; else after how many ms it may be offered again. */
  take(): number {
    const nowMs = this.#clock.monoMs();
    this.#step(nowMs);
    const gapMs = 1000 / this.#perSecond;
    const earlyMs = Math.max(BURST_MS, gapMs);
    if (this.#nextMs > nowMs + earlyMs) {
      return Math.min(AGAIN_MAX_MS, Math.ceil(this.#nextMs - nowMs - earlyMs));
    }
    this.#nextMs = Math.max(this.#nextMs, nowMs) + gapMs;
    return 0;
  }

  #step(nowMs: number): void {
    if (nowMs - this.#steppedMs < STEP_MS) return;
    this.#steppedMs = nowMs;
    const next = this.overloaded() ? this.#perSecond / 2 : this.#perSecond * GROWTH;
    this.#perSecond = Math.min(this.#perSecondMax, Math.max(LEAST_PER_SECOND, next));
  }
}
