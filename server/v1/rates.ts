/** Rate limits of those who are signed in: of all commands, and of the kinds that others feel. */
import { type BucketRate, takeTokens, waitForTokens } from "../../shard/token_bucket.ts";
import type { Throttle } from "../auth/throttle.ts";

/** A rate: `perSecond` tokens return each second, at most `burst` are saved up. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** `frames` holds for every command; each of the others for one kind besides. */
export type RateClass = "frames" | "sends" | "presence" | "signals";
/** A rate for each class. */
export type Rates = Readonly<Record<RateClass, Rate>>;

/** What a refusal for each class says. */
export const TOO_FAST: Readonly<Record<RateClass, string>> = {
  frames: "Too many commands: wait retryAfterMs",
  sends: "Too many messages: wait retryAfterMs",
  presence: "Too many presence changes: wait retryAfterMs",
  signals: "Too many signals: wait retryAfterMs",
};

/** What a command or route takes: its cost of `frames`, and one of its own class. */
export interface Taker {
  readonly cost: number;
  readonly rate: RateClass;
}

/** Called with the class whose rate applied. */
type Limited = (rate: RateClass) => void;

/** Takes from throttles by class; returns 0, or the ms to wait. */
export function takeFrom(
  throttles: Readonly<Record<RateClass, Throttle>>,
  taker: Taker,
  key: string,
  nowMs: number,
  limited: Limited,
): number {
  const waitMs = throttles.frames.take(nowMs, key, taker.cost);
  if (waitMs > 0) limited("frames");
  if (waitMs > 0 || taker.rate === "frames") return waitMs;
  const ownMs = throttles[taker.rate].take(nowMs, key);
  if (ownMs > 0) limited(taker.rate);
  return ownMs;
}

/** The bucket of one connection: it starts full. */
export class TokenBucket {
  readonly #rate: BucketRate;
  #fullAtMs: number;

  constructor({ perSecond, burst }: Rate, nowMs: number) {
    this.#rate = { tokenMs: 1000 / perSecond, burst };
    this.#fullAtMs = nowMs;
  }

  /**
   * Takes `cost` tokens and returns 0, or takes none and returns the ms until there are enough.
   * A cost over the burst is taken as the burst. Times are monotonic ms.
   */
  take(cost: number, nowMs: number): number {
    const tokens = Math.min(cost, this.#rate.burst);
    const waitMs = waitForTokens(this.#rate, this.#fullAtMs, nowMs, tokens);
    if (waitMs === 0) this.#fullAtMs = takeTokens(this.#rate, this.#fullAtMs, nowMs, tokens);
    return waitMs;
  }

  /** Takes `cost` tokens whether there are enough or not; the debt is at most another burst. */
  charge(cost: number, nowMs: number): void {
    const { tokenMs, burst } = this.#rate;
    const fullAtMs = takeTokens(this.#rate, this.#fullAtMs, nowMs, cost);
    this.#fullAtMs = Math.min(fullAtMs, nowMs + 2 * burst * tokenMs);
  }
}

/** One connection's buckets; those of kinds that it never uses are never made. */
export class RateBuckets {
  readonly #rates: Rates;
  #frames: TokenBucket | null = null;
  #others: Map<RateClass, TokenBucket> | null = null;

  constructor(rates: Rates) {
    this.#rates = rates;
  }

  /** Returns 0, or the ms to wait. */
  take({ cost, rate }: Taker, nowMs: number, limited: Limited): number {
    this.#frames ??= new TokenBucket(this.#rates.frames, nowMs);
    const waitMs = this.#frames.take(cost, nowMs);
    if (waitMs > 0) limited("frames");
    if (waitMs > 0 || rate === "frames") return waitMs;
    this.#others ??= new Map();
    let bucket = this.#others.get(rate);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#rates[rate], nowMs);
      this.#others.set(rate, bucket);
    }
    const ownMs = bucket.take(1, nowMs);
    if (ownMs > 0) limited(rate);
    return ownMs;
  }

  /** Takes more of `frames` for a command that cost more than was known before; see `TokenBucket`. */
  charge(cost: number, nowMs: number): void {
    this.#frames?.charge(cost, nowMs);
  }
}
