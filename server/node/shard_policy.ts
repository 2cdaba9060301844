/**
 * When to cut a shard in two and when to merge two neighbours, by what they have to do. Pure; a
 * caller gives it the load of the last while, and makes at most the one change that it returns.
 */

/** What a shard had to do. */
export interface ShardLoad {
  readonly id: number;
  readonly lo: number;
  readonly hi: number;
  /** Inputs a second: requests of its users, and packets to them. */
  readonly perSecond: number;
}

/** Bounds of the policy. */
export interface PolicyOptions {
  /** Shards are never merged below, nor cut beyond these numbers. */
  readonly shardsMin: number;
  readonly shardsMax: number;
  /** A shard with more than this, and with `hotTimes` the mean of the others, is cut. */
  readonly hotPerSecond: number;
  readonly hotTimes: number;
  /** Two neighbours that have less than this part of the mean together are merged. */
  readonly coldPart: number;
}

/** The usual bounds. */
export const POLICY: Omit<PolicyOptions, "shardsMin"> = {
  shardsMax: 256,
  hotPerSecond: 500,
  hotTimes: 3,
  coldPart: 0.2,
};

/** The one change worth making, or null. A cut is in the middle; a merge names its first shard. */
export function nextChange(
  loads: readonly ShardLoad[],
  options: PolicyOptions,
): { readonly of: readonly number[]; readonly at: readonly number[] } | null {
  const mean = loads.reduce((sum, { perSecond }) => sum + perSecond, 0) / loads.length;
  const hottest = loads.reduce((a, b) => b.perSecond > a.perSecond ? b : a);
  const { hotPerSecond, hotTimes, coldPart, shardsMin, shardsMax } = options;
  // Of all, as many as `hotTimes` shards could never have one that is hot.
  const others = (mean * loads.length - hottest.perSecond) / Math.max(1, loads.length - 1);
  const hot = hottest.perSecond > hotPerSecond && hottest.perSecond > hotTimes * others;
  // A shard of one point holds one name, or names that nothing can tell apart.
  const middle = Math.floor((hottest.lo + hottest.hi) / 2);
  if (hot && loads.length < shardsMax && middle > hottest.lo) {
    return { of: [hottest.id], at: [middle] };
  }
  if (loads.length <= shardsMin) return null;
  let best: readonly [number, number] | null = null;
  let least = coldPart * mean;
  for (let i = 0; i + 1 < loads.length; i++) {
    const both = loads[i]!.perSecond + loads[i + 1]!.perSecond;
    if (both < least) {
      least = both;
      best = [loads[i]!.id, loads[i + 1]!.id];
    }
  }
  return best === null ? null : { of: best, at: [] };
}
