/** The last minutes of a node, one sample a second, in memory that is taken once. */
import { type Sample, SERIES, type SeriesName } from "./series.ts";

/** Samples that are kept: fifteen minutes. */
export const SAMPLES_MAX = 900;

/** Samples as columns, ascending in time. */
export interface Columns {
  /** Number of the first sample; they are numbered 1, 2, 3 … since the start. */
  readonly first: number;
  /** When each was taken (ms since 1970). */
  readonly at: readonly number[];
  readonly series: Readonly<Record<SeriesName, readonly (number | null)[]>>;
}

/** Three digits are more than a plot shows, and a third of the text. */
function short(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}

function known(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** See the head of this file. */
export class History {
  readonly #max: number;
  readonly #at: Float64Array;
  readonly #columns: ReadonlyMap<SeriesName, Float64Array>;
  #last = 0;

  constructor(max = SAMPLES_MAX) {
    this.#max = max;
    this.#at = new Float64Array(max);
    this.#columns = new Map(SERIES.map((name) => [name, new Float64Array(max)]));
  }

  /** Number of the newest sample; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** Adds a sample, in the place of the oldest where it is full. */
  add(atMs: number, sample: Sample): void {
    const slot = this.#last % this.#max;
    this.#last++;
    this.#at[slot] = atMs;
    for (const [name, column] of this.#columns) column[slot] = short(sample[name] ?? NaN);
  }

  /** What came after sample number `after`, as far as it is kept; all for what never was one. */
  since(after: number): Columns {
    const oldest = Math.max(0, this.#last - this.#max);
    const from = after > this.#last ? oldest : Math.max(after, oldest);
    const slots = Array.from({ length: this.#last - from }, (_, i) => (from + i) % this.#max);
    const series = Object.fromEntries(
      [...this.#columns].map(([name, column]) => [name, slots.map((i) => known(column[i]!))]),
    ) as Record<SeriesName, (number | null)[]>;
    return { first: from + 1, at: slots.map((i) => this.#at[i]!), series };
  }
}
