/** Metrics for Prometheus from numbers that the parts of a node count. */
import { Counter, Gauge, type Metric, Registry } from "prom-client";
import type { Buckets, Meter, Sample } from "../node/meter.ts";
import type { Series } from "./series_table.ts";

/** One series with what reads it. */
interface Entry {
  readonly series: Series;
  readonly reads: (() => Iterable<Sample>)[];
  buckets: Buckets | null;
}

/** The series of a table, filled by the parts that register; the table's order is the output's. */
export class Exporter implements Meter {
  readonly series: readonly Series[];
  readonly #registry = new Registry();
  readonly #entries = new Map<string, Entry>();
  /** Readings so far. */
  #readings = 0;

  constructor(table: readonly Series[]) {
    this.series = table;
    for (const series of table) this.#define({ series, reads: [], buckets: null });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Series that no part has registered. */
  get unregistered(): readonly string[] {
    return [...this.#entries.values()]
      .filter(({ reads, buckets }) => reads.length === 0 && buckets === null)
      .map(({ series }) => series.name);
  }

  text(): Promise<string> {
    this.#readings++;
    return this.#registry.metrics();
  }

  /** The values of all series now; of a histogram, its count and sum under names of their own. */
  *read(): Iterable<readonly [name: string, samples: Iterable<Sample>]> {
    this.#readings++;
    for (const [name, { reads, buckets, series: { scale = 1 } }] of this.#entries) {
      for (const read of reads) yield [name, read()];
      if (buckets === null) continue;
      const count = [...buckets.counts].reduce((sum, n) => sum + n, 0);
      yield [`${name}_count`, [[{}, count]]];
      yield [`${name}_sum`, [[{}, scaled(buckets.sum, scale)]]];
    }
  }

  value(series: string, read: () => number): void {
    this.values(series, () => [[{}, read()]]);
  }

  values(series: string, read: () => Iterable<Sample>): void {
    this.#entry(series, false).reads.push(read);
  }

  histogram(series: string, buckets: Buckets): void {
    const entry = this.#entry(series, true);
    if (entry.buckets !== null) throw new Error(`Metrics: two parts register ${series}`);
    entry.buckets = buckets;
  }

  perReading<T>(read: () => T): () => T {
    let last: { readonly value: T; readonly reading: number } | null = null;
    return () => {
      if (last?.reading !== this.#readings) last = { value: read(), reading: this.#readings };
      return last.value;
    };
  }

  #entry(name: string, histogram: boolean): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined || (entry.series.kind === "histogram") !== histogram) {
      throw new Error(`Metrics: no such series as ${name}, or of another kind`);
    }
    return entry;
  }

  #define(entry: Entry): void {
    const { name, help, kind, labels = [] } = entry.series;
    this.#entries.set(name, entry);
    if (kind === "histogram") return this.#defineHistogram(entry);
    const { reads } = entry;
    new (kind === "counter" ? Counter : Gauge)({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect() {
        this.reset();
        // The library sets series without labels to 0: without a value they are absent.
        if (labels.length === 0) this.remove();
        for (const read of reads) {
          for (const [of, value] of read()) this.inc(of, value);
        }
      },
    });
  }

  #defineHistogram(entry: Entry): void {
    const { name, help, scale = 1 } = entry.series;
    const get = () => {
      const values = entry.buckets === null ? [] : samplesOf(name, entry.buckets, scale);
      return Promise.resolve({ name, help, type: "histogram", values });
    };
    // The library's own histogram cannot be filled from outside; the registry asks only for this.
    this.#registry.registerMetric({ name, help, get } as unknown as Metric);
  }
}

/** 2.5 ms is 0.0025 s, not 0.0025000000000000005. */
function scaled(value: number, scale: number): number {
  return Number((value * scale).toPrecision(12));
}

function samplesOf(name: string, { bounds, counts, sum }: Buckets, scale: number) {
  let total = 0;
  const values = [...counts].map((count, i) => {
    total += count;
    const le = i < bounds.length ? scaled(bounds[i]!, scale) : "+Inf";
    return { metricName: `${name}_bucket`, labels: { le } as object, value: total };
  });
  values.push({ metricName: `${name}_sum`, labels: {}, value: scaled(sum, scale) });
  values.push({ metricName: `${name}_count`, labels: {}, value: total });
  return values;
}
