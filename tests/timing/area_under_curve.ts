/** How well two kinds of durations can be distinguished. */

/** The chance that one of `a` is shorter than one of `b`: 0.5 where the two do not differ. */
export function areaUnderCurve(a: readonly number[], b: readonly number[]): number {
  let shorter = 0;
  for (const x of a) for (const y of b) shorter += x < y ? 1 : x === y ? 0.5 : 0;
  return shorter / (a.length * b.length);
}
