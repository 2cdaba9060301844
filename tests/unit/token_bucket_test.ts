import assert from "node:assert/strict";
import fc from "fast-check";
import { takeTokens, waitForTokens } from "../../shard/token_bucket.ts";

Deno.test("takeTokens and waitForTokens: a full bucket gives its burst, then one token at a time", () => {
  const rate = { tokenMs: 100, burst: 3 };
  let fullAtMs = 0;
  for (let i = 0; i < 3; i++) {
    assert.equal(waitForTokens(rate, fullAtMs, 1000, 1), 0);
    fullAtMs = takeTokens(rate, fullAtMs, 1000, 1);
  }
  assert.deepEqual([1000, 1099, 1100].map((at) => waitForTokens(rate, fullAtMs, at, 1)), [
    100,
    1,
    0,
  ]);
  assert.equal(waitForTokens(rate, fullAtMs, 1000, 3), 300);
  assert.ok(waitForTokens(rate, 0, 1000, 4) > 0, "more than the burst never can be taken");
});

Deno.test("waitForTokens: a caller that waits as long as returned can take, and never more than burst and rate", () => {
  const rate = {
    tokenMs: fc.integer({ min: 1, max: 1000 }),
    burst: fc.integer({ min: 1, max: 50 }),
  };
  const costs = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 30 });
  fc.assert(fc.property(fc.record(rate), costs, (rate, costs) => {
    let [fullAtMs, nowMs, taken] = [0, 5000, 0];
    for (const cost of costs) {
      const tokens = Math.min(cost, rate.burst);
      nowMs += waitForTokens(rate, fullAtMs, nowMs, tokens);
      assert.equal(waitForTokens(rate, fullAtMs, nowMs, tokens), 0);
      fullAtMs = takeTokens(rate, fullAtMs, nowMs, tokens);
      taken += tokens;
      assert.ok(taken <= rate.burst + (nowMs - 5000) / rate.tokenMs + 1e-6);
    }
  }));
});
