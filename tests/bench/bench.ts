/** What a benchmark is: it measures, prints figures, judges nothing. */

/** One line of figures: name, value, unit. */
export type Figure = readonly [name: string, value: number, unit: string];

/** A group of measurements that are taken together, so that their ratios hold. */
export interface Bench {
  readonly name: string;
  readonly what: string;
  /** About how long it takes on two cores (s). */
  readonly seconds: number;
  run(say: (line: string) => void, options: BenchOptions): Promise<readonly Figure[]>;
}

/** How it is to run. */
export interface BenchOptions {
  /** Shorter than its figures need, to try it. */
  readonly short: boolean;
}

/** Median of several rounds, in µs for one call. */
export function measure(calls: number, run: (i: number) => void): number {
  const rounds: number[] = [];
  for (let round = 0; round < 7; round++) {
    const began = performance.now();
    for (let i = 0; i < calls; i++) run(round * calls + i);
    rounds.push((performance.now() - began) * 1000 / calls);
  }
  return rounds.sort((a, b) => a - b)[3]!;
}
