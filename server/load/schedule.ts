/**
 * Open-loop schedules: when each operation is due follows from the rate alone, never from answers.
 * Latency is measured from then, so that a server (or this tool) that stops for a second shows in
 * all operations of that second (G. Tene's "coordinated omission").
 */
import { type RetryPolicy, retryWaitMs } from "../../shard/retry.ts";

/** How a rate changes: a factor of 0 … 1 at the share `0 … 1` of the phase that is over. */
export type Curve = (share: number) => number;

/** The same all the time. */
export const FLAT: Curve = () => 1;

/** Activity of a day from midnight: a deep night, a morning rise, a dip at noon, a long evening. */
export const DAY: Curve = (share) => {
  const hump = (at: number, width: number) => Math.exp(-(((share - at) / width) ** 2));
  const height = 0.08 + 0.8 * hump(0.42, 0.11) + 0.92 * hump(0.78, 0.13);
  return Math.min(1, height);
};

/** One stream of operations. */
export interface PaceOptions {
  /** Operations per second where the curve is 1. */
  readonly perSecond: number;
  /** Times in µs, of any clock. */
  readonly startUs: number;
  readonly endUs: number;
  readonly curve?: Curve;
}

/** A curve is looked up again after this long (µs) without an operation. */
const CURVE_STEP_US = 50_000;

/** Tells which operations are due. Evenly spaced at a flat rate. */
export class Pace {
  readonly #options: Required<PaceOptions>;
  /** When the next operation is due; or, at a rate near 0, when to look again. */
  #nextUs: number;
  /** Share of an operation that has come due. */
  #part = 0;

  constructor(options: PaceOptions) {
    this.#options = { curve: FLAT, ...options };
    this.#nextUs = options.startUs;
  }

  /** When something comes due next at the earliest (µs). */
  get nextUs(): number {
    return this.#nextUs;
  }

  /** Whether nothing more will come due. */
  get over(): boolean {
    return this.#nextUs >= this.#options.endUs || this.#options.perSecond <= 0;
  }

  /**
   * Calls `run` for each operation due by `nowUs`, with the time it was due, at most `max` of them;
   * those left come with the next call. Answers how many there were.
   */
  take(nowUs: number, max: number, run: (dueUs: number) => void): number {
    const { perSecond, startUs, endUs, curve } = this.#options;
    if (perSecond <= 0) return 0;
    let taken = 0;
    while (taken < max && this.#nextUs <= nowUs && this.#nextUs < endUs) {
      const dueUs = this.#nextUs;
      const rate = perSecond * Math.max(0, curve((dueUs - startUs) / (endUs - startUs)));
      const wholeUs = 1e6 / rate;
      if (wholeUs > CURVE_STEP_US && curve !== FLAT) {
        // Slow: goes on in steps, so that a rate that rises meanwhile is not missed.
        this.#nextUs = dueUs + CURVE_STEP_US;
        this.#part += CURVE_STEP_US / wholeUs;
        // Sums of parts may miss a whole by a rounding error.
        if (this.#part < 1 - 1e-9) continue;
        this.#part -= 1;
      } else {
        this.#nextUs = dueUs + wholeUs;
      }
      taken++;
      run(dueUs);
    }
    return taken;
  }
}

const LOAD_RETRY: RetryPolicy = { leastMs: 0, baseMs: 500, capMs: 30_000, askedMaxMs: 600_000 };

/**
 * The wait (ms) before this tool tries again, after `tries` of them. The times that a server asks
 * for grow with its load already: only a spread is added to them.
 */
export function loadWaitMs(tries: number, random: number, retryAfterMs?: number | null): number {
  const asked = typeof retryAfterMs === "number";
  return retryWaitMs(LOAD_RETRY, asked ? 1 : tries, random, asked ? retryAfterMs : 0);
}

/**
 * The order in which `count` users take their turns: every one once, neighbours far apart. Answers
 * the user at a place `0 … count − 1`.
 */
export function strideOrder(count: number): (place: number) => number {
  let stride = Math.max(1, Math.floor(count * 0.618_034));
  while (gcd(stride, count) !== 1) stride++;
  return (place) => (place * stride) % count;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
