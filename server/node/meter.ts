/** Where the parts of a node register what they count, each part once: `/metrics` reads it there. */

/** Labels of a value. */
export type Labels = Readonly<Record<string, string>>;
/** A value with its labels. */
export type Sample = readonly [labels: Labels, value: number];

/** Observations that are counted between fixed bounds. */
export interface Buckets {
  /** Upper ends, inclusive, ascending. */
  readonly bounds: readonly number[];
  /** One more than bounds; not cumulative. */
  readonly counts: Float64Array;
  readonly sum: number;
}

/**
 * Takes registrations. Series are named as in `/metrics`; an unknown name, and a histogram that is
 * registered twice, throw. A read happens when `/metrics` is read, and costs microseconds.
 */
export interface Meter {
  /** A series without labels; values that several parts register under one name add up. */
  value(series: string, read: () => number): void;
  /** A series with labels; values with the same labels add up. */
  values(series: string, read: () => Iterable<Sample>): void;
  histogram(series: string, buckets: Buckets): void;
  /** Returns `read`, but called at most once for each reading of the metrics. */
  perReading<T>(read: () => T): () => T;
}

/** Samples of counts by one label. */
export function* byLabel(
  label: string,
  counts: Readonly<Record<string, number>>,
): Iterable<Sample> {
  for (const [key, value] of Object.entries(counts)) yield [{ [label]: key }, value];
}

/** Samples of a table by two labels, rows first. */
export function* byLabels(
  [row, column]: readonly [string, string],
  table: Readonly<Record<string, Readonly<Record<string, number>>>>,
): Iterable<Sample> {
  for (const [a, counts] of Object.entries(table)) {
    for (const [b, value] of Object.entries(counts)) yield [{ [row]: a, [column]: b }, value];
  }
}
