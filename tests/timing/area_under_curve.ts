/** How well two kinds of durations can be distinguished. */
import assert from "node:assert/strict";

/** The chance that one of `a` is shorter than one of `b`: 0.5 where the two do not differ. */
export function areaUnderCurve(a: readonly number[], b: readonly number[]): number {
  let shorter = 0;
  for (const x of a) for (const y of b) shorter += x < y ? 1 : x === y ? 0.5 : 0;
  return shorter / (a.length * b.length);
}

/**
 * Takes `each` durations of requests about accounts in memory and about others, in turns, and fails
 * where they tell which is which. `i` counts the turns.
 */
export async function assertAlike(
  each: number,
  inMemory: (i: number) => Promise<number>,
  fromStore: (i: number) => Promise<number>,
): Promise<void> {
  const [known, others]: [number[], number[]] = [[], []];
  for (let i = 0; i < each; i++) {
    const turns = [
      async () => known.push(await inMemory(i)),
      async () => others.push(await fromStore(i)),
    ];
    for (const turn of i % 2 === 0 ? turns : turns.reverse()) await turn();
  }
  const area = areaUnderCurve(known, others);
  assert.ok(
    area > 0.4 && area < 0.6,
    `with ${each} of each kind the area is ${area.toFixed(2)}, best is 0.5`,
  );
}
