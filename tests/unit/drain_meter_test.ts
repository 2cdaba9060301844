import assert from "node:assert/strict";
import { DrainMeter } from "../../shard/message/drain_meter.ts";

/** A meter of a queue that one item left every `everyMs`, for `forMs`. */
function drained(everyMs: number, forMs: number): DrainMeter {
  const meter = new DrainMeter(0);
  for (let at = everyMs; at <= forMs; at += everyMs) meter.drain(at, 1);
  return meter;
}

Deno.test("10.7: DrainMeter: the wait is the amount by the rate", () => {
  for (const everyMs of [20, 100, 500, 2000]) {
    for (const forMs of [4000, 60_000]) {
      for (const amount of [1, 10]) {
        const waitMs = drained(everyMs, forMs).waitMs(forMs, amount);
        const wanted = Math.min(30_000, Math.max(100, everyMs * amount));
        assert.ok(Math.abs(waitMs / wanted - 1) < 0.35, `${everyMs} ${amount}: ${waitMs}`);
      }
    }
  }
});

Deno.test("10.7: DrainMeter: waits rise while nothing is drained, within their bounds", () => {
  const meter = drained(50, 10_000);
  const waits = [0, 5000, 10_000, 20_000, 60_000].map((ms) => meter.waitMs(10_000 + ms, 10));
  assert.deepEqual(waits.toSorted((a, b) => a - b), waits);
  assert.equal(waits.at(-1), 30_000);
  assert.equal(drained(1, 1000).waitMs(1000, 1), 100);
});

Deno.test("10.7: DrainMeter: before anything is drained the wait is as long as it took so far", () => {
  const meter = new DrainMeter(500);
  assert.deepEqual([500, 1000, 4500, 90_000].map((ms) => meter.waitMs(ms, 3)), [
    1000,
    1000,
    4000,
    30_000,
  ]);
});
