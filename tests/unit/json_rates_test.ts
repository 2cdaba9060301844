import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { type RateClass, rateThrottles, takeFrom, TokenBucket } from "../../server/v1/rates.ts";
import { RATES } from "../sim/limits.ts";

Deno.test("TokenBucket gives at most the burst and what returned since", () => {
  const rate = { perSecond: 5, burst: 20 };
  const steps = fc.array(
    fc.record({ waitMs: fc.nat(3000), cost: fc.integer({ min: 1, max: 10 }) }),
  );
  fc.assert(fc.property(steps, (all) => {
    const bucket = new TokenBucket(rate, 0);
    let now = 0;
    let taken = 0;
    for (const { waitMs, cost } of all) {
      now += waitMs;
      if (bucket.take(cost, now) === 0) taken += cost;
      equal(taken <= rate.burst + now / 1000 * rate.perSecond + 1e-6, true);
    }
  }));
});

Deno.test("TokenBucket tells the wait after which the same cost is given", () => {
  const costs = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 30 });
  fc.assert(fc.property(costs, (all) => {
    const bucket = new TokenBucket({ perSecond: 3, burst: 20 }, 0);
    let now = 0;
    for (const cost of all) {
      const waitMs = bucket.take(cost, now);
      if (waitMs === 0) continue;
      equal(bucket.take(cost, now + waitMs - 1) > 0, true);
      now += waitMs;
      equal(bucket.take(cost, now), 0);
    }
  }));
});

Deno.test("takeFrom holds each class back besides the one of all", () => {
  const rates = {
    ...RATES,
    frames: { perSecond: 1, burst: 3 },
    sends: { perSecond: 1, burst: 1 },
  };
  const throttles = rateThrottles(rates);
  const limits: RateClass[] = [];
  const take = (rate: RateClass) =>
    takeFrom(throttles, { cost: 1, rate }, "alice/phone", 0, (by) => limits.push(by));
  equal(take("sends"), 0);
  equal(take("sends"), 1000);
  equal(take("signals"), 0);
  deepEqual(limits, ["sends"]);
  equal(take("frames"), 1000);
  equal(take("sends"), 1000);
  deepEqual(limits, ["sends", "frames", "frames"], "what limited it, not what was asked for");
});

Deno.test("10.4: rateThrottles charges what is not there, up to another burst", () => {
  const { frames } = rateThrottles({ ...RATES, frames: { perSecond: 1, burst: 10 } });
  frames.charge(0, "alice/phone", 12);
  equal(frames.take(0, "alice/phone"), 3000);
  frames.charge(0, "alice/phone", 1000);
  equal(frames.take(0, "alice/phone"), 11_000);
  equal(frames.take(11_000, "alice/phone"), 0);
});

Deno.test("takeFrom takes a cost above the burst as the burst", () => {
  const throttles = rateThrottles({ ...RATES, frames: { perSecond: 1, burst: 3 } });
  const take = (nowMs: number) =>
    takeFrom(throttles, { cost: 5, rate: "frames" }, "alice/phone", nowMs, () => {});
  deepEqual([take(0), take(0), take(3000)], [0, 3000, 0]);
});
