import assert from "node:assert/strict";
import { nextChange, POLICY, type ShardLoad } from "../../server/node/shard_policy.ts";
import { POINT_SPACE } from "../../shard/name/ids.ts";

const OPTIONS = { ...POLICY, shardsMin: 2 };

function loads(...perSecond: number[]): ShardLoad[] {
  const width = Math.floor(POINT_SPACE / perSecond.length);
  return perSecond.map((rate, id) => ({
    id,
    lo: id * width,
    hi: (id + 1) * width,
    perSecond: rate,
  }));
}

Deno.test("nextChange cuts the hottest, merges the coldest neighbours, and else leaves all", () => {
  const even = loads(100, 110, 90, 100);
  assert.equal(nextChange(even, OPTIONS), null);
  const hot = loads(10, 10, 5000, 10);
  const middle = Math.floor((hot[2]!.lo + hot[2]!.hi) / 2);
  assert.deepEqual(nextChange(hot, OPTIONS), { of: [2], at: [middle] });
  assert.deepEqual(nextChange(loads(5000, 10), OPTIONS)?.of, [0]);
  assert.deepEqual(nextChange(loads(5000), OPTIONS)?.of, [0]);
  assert.equal(nextChange(loads(5000, 4000), OPTIONS), null);
  // Hot beside the others, but with little to do.
  assert.deepEqual(nextChange(loads(0.1, 0.1, 40, 0.1), OPTIONS), { of: [0, 1], at: [] });
  assert.deepEqual(nextChange(loads(400, 300, 1, 2, 3, 300), OPTIONS), { of: [2, 3], at: [] });
  // Not below the least number, nor beyond the greatest.
  assert.equal(nextChange(loads(0, 0), OPTIONS), null);
  assert.equal(nextChange(hot, { ...OPTIONS, shardsMin: 4, shardsMax: 4 }), null);
  // What has one point cannot be cut.
  const point = [{ ...hot[2]!, lo: 5, hi: 6 }, ...loads(10, 10, 10)];
  assert.deepEqual(nextChange(point, { ...OPTIONS, shardsMin: 4 }), null);
});
