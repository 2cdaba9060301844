/** Metrics for Prometheus from numbers that are counted elsewhere. */
import { Counter, Gauge, type Metric, Registry } from "prom-client";
import type { Histogram } from "../http/counters.ts";

type Labels = Readonly<Record<string, string>>;
/** A value with its labels. */
export type Sample = readonly [labels: Labels, value: number];

/** Builds a registry of metrics that are read when somebody asks; the order of calls is the order of the output. */
export class Exporter {
  readonly registry = new Registry();

  counter(name: string, help: string, value: () => number): void {
    this.counters(name, help, [], () => [[{}, value()]]);
  }

  counters(
    name: string,
    help: string,
    labelNames: readonly string[],
    samples: () => Iterable<Sample>,
  ): void {
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [labels, value] of samples()) this.inc(labels, value);
      },
    });
  }

  gauge(name: string, help: string, value: () => number): void {
    this.gauges(name, help, [], () => [[{}, value()]]);
  }

  gauges(
    name: string,
    help: string,
    labelNames: readonly string[],
    samples: () => Iterable<Sample>,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [labels, value] of samples()) this.set(labels, value);
      },
    });
  }

  /** `scale` turns the histogram's unit into the exported base unit: 0.001 for ms to seconds. */
  histogram(name: string, help: string, histogram: Histogram, scale = 1): void {
    const get = () =>
      Promise.resolve({ name, help, type: "histogram", values: buckets(name, histogram, scale) });
    // The library's own histogram cannot be filled from outside; the registry asks only for this.
    this.registry.registerMetric({ name, help, get } as unknown as Metric);
  }
}

/** Scale of histograms in milliseconds. */
export const SECONDS_PER_MS = 0.001;

/** 2.5 ms is 0.0025 s, not 0.0025000000000000005. */
export function scaled(value: number, scale: number): number {
  return Number((value * scale).toPrecision(12));
}

function buckets(name: string, { bounds, counts, sum }: Histogram, scale: number) {
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
