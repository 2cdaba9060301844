/**
 * What is sampled every second, by name, and how a sample is made: what rises becomes a rate, what
 * is a level stays one, and of each histogram's last second two percentiles are taken.
 */

/** What only ever rises; its series is in units per second. */
export const RISING = [
  "presenceChanges",
  "presenceDeliveries",
  "presenceCoalesced",
  "messagesAccepted",
  "messagesDelivered",
  "signals",
  "sessionsOpened",
  "sessionsResumed",
  "signInsRefused",
  "endedLost",
  "endedSlow",
  "fellBehind",
  "cutOff",
  "commits",
  "commitFailures",
  "queueRefused",
  "busyOverload",
  "busyFull",
  "busyDraining",
  "storeFailing",
  "rateLimited",
  "badConnections",
  "cpuMs",
] as const;

/** What goes up and down; its series is what it was. */
export const LEVELS = [
  "users",
  "usersSynthetic",
  "sessions",
  "sessionsSynthetic",
  "websocket",
  "sse",
  "poll",
  "lost",
  "connections",
  "waiting",
  "behind",
  "outboxBytes",
  "outboxBytesTop",
  "commitQueue",
  "rssBytes",
  "shards",
] as const;

/** Durations (ms); each has two series, with P50 and P99 behind the name. */
export const LATENCIES = ["presence", "message", "ack", "commit", "lag"] as const;

type Latency = typeof LATENCIES[number];
/** The name of a series. */
export type SeriesName =
  | typeof RISING[number]
  | typeof LEVELS[number]
  | `${Latency}P50`
  | `${Latency}P99`;

/** Every series. */
export const SERIES: readonly SeriesName[] = [
  ...RISING,
  ...LEVELS,
  ...LATENCIES.flatMap((name) => [`${name}P50`, `${name}P99`] as const),
];

/** How many values fell between ascending bounds; see `Histogram` of the counters. */
export interface Buckets {
  readonly bounds: readonly number[];
  /** One more than bounds. */
  readonly counts: ArrayLike<number>;
}

/** All of it at one moment. */
export interface Reading {
  readonly rising: Readonly<Record<typeof RISING[number], number>>;
  readonly levels: Readonly<Record<typeof LEVELS[number], number>>;
  readonly latencies: Readonly<Record<Latency, Buckets>>;
}

/** One value for each series; null where nothing happened that could be measured. */
export type Sample = Readonly<Record<SeriesName, number | null>>;

/**
 * The `q`-quantile of what was counted, as if values lay evenly between a bucket's bounds; null of
 * nothing. What is above the last bound counts as that bound.
 */
export function quantile({ bounds, counts }: Buckets, q: number): number | null {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i]!;
  if (total === 0) return null;
  const rank = q * total;
  let below = 0;
  for (let i = 0; i < bounds.length; i++) {
    const count = counts[i]!;
    if (count > 0 && below + count >= rank) {
      const lo = i === 0 ? 0 : bounds[i - 1]!;
      return lo + (bounds[i]! - lo) * Math.max(0, rank - below) / count;
    }
    below += count;
  }
  return bounds.at(-1) ?? null;
}

/** Makes samples of readings, each of the time since the one before. */
export class Sampler {
  readonly #rising = new Map<string, number>();
  readonly #counts = new Map<string, Float64Array>();
  #lastMs: number | null = null;

  /** The first sample has no rates and no percentiles: there is nothing before it. */
  sample(nowMs: number, { rising, levels, latencies }: Reading): Sample {
    const seconds = this.#lastMs === null ? 0 : (nowMs - this.#lastMs) / 1000;
    this.#lastMs = nowMs;
    const sample: Partial<Record<SeriesName, number | null>> = {};
    for (const name of RISING) {
      const rise = rising[name] - (this.#rising.get(name) ?? 0);
      this.#rising.set(name, rising[name]);
      sample[name] = seconds > 0 ? Math.max(0, rise) / seconds : null;
    }
    for (const name of LEVELS) sample[name] = levels[name];
    for (const name of LATENCIES) {
      const rise = this.#rise(name, latencies[name], seconds > 0);
      sample[`${name}P50`] = rise === null ? null : quantile(rise, 0.5);
      sample[`${name}P99`] = rise === null ? null : quantile(rise, 0.99);
    }
    return sample as Sample;
  }

  #rise(name: string, { bounds, counts }: Buckets, known: boolean): Buckets | null {
    let before = this.#counts.get(name);
    if (before === undefined) this.#counts.set(name, before = new Float64Array(counts.length));
    const rise = new Float64Array(counts.length);
    for (let i = 0; i < counts.length; i++) {
      rise[i] = counts[i]! - before[i]!;
      before[i] = counts[i]!;
    }
    return known ? { bounds, counts: rise } : null;
  }
}
