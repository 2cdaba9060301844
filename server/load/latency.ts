/** Latencies in microseconds, in HdrHistograms: constant memory, three significant digits. */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";

/** What is longer is counted as this long. */
export const LATENCY_US_MAX = 120_000_000;

/** What is timed, each from the moment it was due. */
export const TIMED = {
  login: "login (to the welcome)",
  roster: "login (to all contacts' presence)",
  presence: "presence delivery",
  arrived: "sign-in to a contact's screen",
  message: "message delivery",
  missed: "message to who was away",
  sent: "message ack",
  changed: "presence ack",
  signal: "signal delivery",
  resumed: "return after a drop",
  lateness: "tool's own lateness",
} as const;

/** Names of what is timed. */
export type Timed = keyof typeof TIMED;

/** All of them, in the order of reports. */
export const TIMED_NAMES = Object.keys(TIMED) as readonly Timed[];

/** Percentiles of a curve: each step halves or so what is left above it. */
export const CURVE = [0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 100] as const;

/** Percentiles of a histogram, in µs. */
export interface LatencySummary {
  readonly count: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

function newHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_US_MAX,
    numberOfSignificantValueDigits: 3,
  });
}

/** Encoded histograms by name, as they travel between processes; only those with values. */
export type EncodedLatencies = Readonly<Partial<Record<Timed, string>>>;

/** One histogram for each thing that is timed. */
export class Latencies {
  readonly #byName = new Map<Timed, Histogram>();

  /** Records a latency; negative ones (clocks of two processes) count as 0. */
  record(name: Timed, us: number): void {
    this.#histogram(name).recordValue(Math.min(LATENCY_US_MAX, Math.max(0, Math.round(us))));
  }

  /** Whether any was recorded under the name. */
  has(name: Timed): boolean {
    return (this.#byName.get(name)?.totalCount ?? 0) > 0;
  }

  /** Adds what was recorded elsewhere. */
  add(encoded: EncodedLatencies): void {
    for (const name of TIMED_NAMES) {
      const text = encoded[name];
      if (text === undefined) continue;
      this.#histogram(name).add(decodeFromCompressedBase64(text, 32));
    }
  }

  /** Adds all of another one's. */
  merge(other: Latencies): void {
    for (const [name, histogram] of other.#byName) {
      if (histogram.totalCount > 0) this.#histogram(name).add(histogram);
    }
  }

  /** For `add` in another process. */
  encode(): EncodedLatencies {
    const encoded: Partial<Record<Timed, string>> = {};
    for (const [name, histogram] of this.#byName) {
      if (histogram.totalCount > 0) encoded[name] = encodeIntoCompressedBase64(histogram);
    }
    return encoded;
  }

  /** Forgets everything. */
  reset(): void {
    for (const histogram of this.#byName.values()) histogram.reset();
  }

  /** Percentiles; null where nothing was recorded. */
  summary(name: Timed): LatencySummary | null {
    const histogram = this.#byName.get(name);
    if (histogram === undefined || histogram.totalCount === 0) return null;
    const at = (percentile: number) => histogram.getValueAtPercentile(percentile);
    return {
      count: histogram.totalCount,
      meanUs: Math.round(histogram.mean),
      p50Us: at(50),
      p90Us: at(90),
      p99Us: at(99),
      p999Us: at(99.9),
      maxUs: histogram.maxValue,
    };
  }

  /** Latencies in µs at the percentiles of `CURVE`; empty where nothing was recorded. */
  curve(name: Timed): readonly number[] {
    const histogram = this.#byName.get(name);
    if (histogram === undefined || histogram.totalCount === 0) return [];
    return CURVE.map((percentile) => histogram.getValueAtPercentile(percentile));
  }

  #histogram(name: Timed): Histogram {
    let histogram = this.#byName.get(name);
    if (histogram === undefined) {
      histogram = newHistogram();
      this.#byName.set(name, histogram);
    }
    return histogram;
  }
}
