/**
 * A token bucket as one number, the time at which it is full again: the generic cell rate algorithm
 * (ITU-T I.371). A bucket that was never used, and one whose time has passed, is full. Times are
 * monotonic ms.
 */

/** How fast a bucket fills and how much it holds. */
export interface BucketRate {
  /** Time in which one token returns, ms. */
  readonly tokenMs: number;
  /** Tokens of a full bucket. */
  readonly burst: number;
}

/** What rounding may cost, in ms: far below what anybody waits. */
const EPSILON_MS = 1e-6;

/** Whole ms until `tokens` can be taken; 0 where they can. More than the burst never can. */
export function waitForTokens(
  { tokenMs, burst }: BucketRate,
  fullAtMs: number,
  nowMs: number,
  tokens: number,
): number {
  const waitMs = Math.max(0, fullAtMs - nowMs) + (tokens - burst) * tokenMs;
  return waitMs > EPSILON_MS ? Math.ceil(waitMs - EPSILON_MS) : 0;
}

/**
 * The new time after `tokens` were taken (negative: given back), whether they were there or not.
 */
export function takeTokens(
  { tokenMs }: BucketRate,
  fullAtMs: number,
  nowMs: number,
  tokens: number,
): number {
  return Math.max(fullAtMs, nowMs) + tokens * tokenMs;
}
