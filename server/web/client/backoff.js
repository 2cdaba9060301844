// @ts-check
/** When something is tried again: the formula of `shard/retry.ts`; a test compares the two. */

/**
 * The wait before the next try, after `tries` (from 1) of them: full jitter besides what the server
 * asks for. All times are ms.
 * @param {{
 *   readonly leastMs: number,
 *   readonly baseMs: number,
 *   readonly capMs: number,
 *   readonly askedMaxMs: number,
 * }} policy
 * @param {number} tries
 * @param {number} random in [0, 1)
 * @param {number} [retryAfterMs] what the server asks for
 */
export function retryWaitMs(policy, tries, random, retryAfterMs = 0) {
  const { leastMs, baseMs, capMs, askedMaxMs } = policy;
  const doublings = Math.min(Math.max(tries - 1, 0), 30);
  const boundMs = Math.min(capMs, baseMs * 2 ** doublings);
  return Math.max(leastMs, Math.min(askedMaxMs, retryAfterMs)) + random * boundMs;
}
