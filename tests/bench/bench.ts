/** What a benchmark is: it measures, prints figures, judges nothing. */

/** One line of figures: name, value, unit. */
export type Figure = readonly [name: string, value: number, unit: string];

/** A group of measurements that are taken together, so that their ratios hold. */
export interface Bench {
  readonly name: string;
  readonly what: string;
  /** About how long it takes on two cores (s). */
  readonly seconds: number;
  run(say: (line: string) => void): Promise<readonly Figure[]>;
}
