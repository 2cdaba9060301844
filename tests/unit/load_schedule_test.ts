import assert from "node:assert/strict";
import fc from "fast-check";
import { DAY, Pace, strideOrder } from "../../server/load/schedule.ts";

/** Due times of a pace that is looked at at the given times. */
function due(pace: Pace, looks: readonly number[], max = 1e9): number[] {
  const times: number[] = [];
  for (const now of looks) pace.take(now, max, (dueUs) => times.push(dueUs));
  return times;
}

Deno.test("Pace: operations are due by the clock alone, however rarely it is looked at", () => {
  const options = { perSecond: 1000, startUs: 5000, endUs: 1_005_000 };
  const wanted = Array.from({ length: 1000 }, (_, i) => 5000 + i * 1000);
  assert.deepEqual(due(new Pace(options), [2_000_000]), wanted);
  const often = Array.from({ length: 20_000 }, (_, i) => i * 100);
  assert.deepEqual(due(new Pace(options), often), wanted);
  // A tool that stopped for half a second does all that came due, each due when it was.
  assert.deepEqual(due(new Pace(options), [100_000, 600_000, 2_000_000]), wanted);
});

Deno.test("Pace: what one look leaves comes with the next", () => {
  const pace = new Pace({ perSecond: 1000, startUs: 0, endUs: 10_000 });
  assert.deepEqual(due(pace, [10_000, 10_000], 4), [0, 1000, 2000, 3000, 4000, 5000, 6000, 7000]);
  assert.ok(!pace.over);
  assert.deepEqual(due(pace, [10_000]), [8000, 9000]);
  assert.ok(pace.over);
});

Deno.test("Pace: nothing comes at rate 0, before the start, or after the end", () => {
  assert.deepEqual(due(new Pace({ perSecond: 0, startUs: 0, endUs: 1e6 }), [1e6]), []);
  const pace = new Pace({ perSecond: 10, startUs: 1e6, endUs: 2e6 });
  assert.deepEqual(due(pace, [999_999]), []);
  assert.equal(due(pace, [1e9]).length, 10);
});

Deno.test("Pace: a curve shapes the rate, and slow parts are not skipped over", () => {
  const options = { perSecond: 100, startUs: 0, endUs: 100e6 };
  const looks = Array.from({ length: 100_001 }, (_, i) => i * 1000);
  const half = due(new Pace({ ...options, curve: (s) => s < 0.5 ? 0.5 : 1 }), looks);
  assert.ok(Math.abs(half.length - 7500) <= 2, `${half.length}`);
  const late = due(new Pace({ ...options, curve: (s) => s < 0.5 ? 0 : 1 }), looks);
  assert.ok(Math.abs(late.length - 5000) <= 10, `${late.length}`);
  const slow = due(new Pace({ ...options, perSecond: 0.1, curve: () => 0.5 }), looks);
  assert.equal(slow.length, 5);
});

Deno.test("DAY is busiest in the evening, quietest at night, and never over 1", () => {
  const hours = Array.from({ length: 24 }, (_, hour) => DAY(hour / 24));
  assert.ok(hours.every((height) => height > 0 && height <= 1));
  assert.ok(hours.indexOf(Math.max(...hours)) >= 17);
  assert.ok(hours.indexOf(Math.min(...hours)) <= 5);
});

Deno.test("strideOrder gives everybody one turn, neighbours apart", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 500 }), (count) => {
    const order = strideOrder(count);
    const all = Array.from({ length: count }, (_, place) => order(place));
    assert.equal(new Set(all).size, count);
    assert.ok(all.every((user) => user >= 0 && user < count));
  }));
  const order = strideOrder(1000);
  assert.ok(Math.abs(order(1) - order(0)) > 100);
});
