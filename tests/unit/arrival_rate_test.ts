/** ArrivalRate: few at first, more while the node is well, fewer when it is overloaded. */
import assert from "node:assert/strict";
import { ArrivalRate } from "../../server/node/arrival_rate.ts";

const MAX = 100;

/** Offers so many accounts every `everyMs` for some seconds; how many are taken in each second. */
function takenPerSecond(
  rate: ArrivalRate,
  clock: { nowMs: number },
  { everyMs, many, seconds }: {
    readonly everyMs: number;
    readonly many: number;
    readonly seconds: number;
  },
): readonly number[] {
  const taken = Array.from({ length: seconds }, () => 0);
  const beganMs = clock.nowMs;
  for (; clock.nowMs < beganMs + seconds * 1000; clock.nowMs += everyMs) {
    const second = Math.floor((clock.nowMs - beganMs) / 1000);
    for (let i = 0; i < many; i++) if (rate.take() === 0) taken[second]!++;
  }
  return taken;
}

function fixture() {
  const clock = { nowMs: 0 };
  const rate = new ArrivalRate({ monoMs: () => clock.nowMs }, MAX);
  return { clock, rate };
}

Deno.test("12: ArrivalRate takes few accounts at first and never more than it may", () => {
  const { clock, rate } = fixture();
  const taken = takenPerSecond(rate, clock, { everyMs: 10, many: 5, seconds: 20 });
  assert.ok(taken[0]! <= 20, `${taken[0]} in the first second`);
  assert.ok(taken.every((count) => count <= 1.5 * MAX), taken.join());
  assert.ok(taken.at(-1)! >= 0.95 * MAX && taken.at(-1)! <= 1.05 * MAX, taken.join());
});

Deno.test("12: ArrivalRate refuses none of what comes at its rate, a few at once", () => {
  const { clock, rate } = fixture();
  const [first] = takenPerSecond(rate, clock, { everyMs: 500, many: 5, seconds: 1 });
  assert.equal(first, 10);
});

Deno.test("12: ArrivalRate takes half as many with each second of overload, and says when to try again", () => {
  const { clock, rate } = fixture();
  takenPerSecond(rate, clock, { everyMs: 10, many: 5, seconds: 20 });
  rate.overloaded = () => true;
  const taken = takenPerSecond(rate, clock, { everyMs: 10, many: 5, seconds: 10 });
  assert.ok(taken[2]! < 0.4 * MAX && taken.at(-1)! <= 2, taken.join());
  const waitMs = rate.take();
  assert.ok(waitMs > 0 && waitMs <= 5000, `${waitMs} ms`);
  clock.nowMs += waitMs;
  assert.equal(rate.take(), 0);
});
