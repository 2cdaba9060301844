import assert from "node:assert/strict";
import fc from "fast-check";
import { CURVE, Latencies, LATENCY_US_MAX } from "../../server/load/latency.ts";

function of(values: readonly number[]): Latencies {
  const latencies = new Latencies();
  for (const value of values) latencies.record("presence", value);
  return latencies;
}

/** The percentile as it is defined, on all values. */
function exact(values: readonly number[], percentile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(percentile / 100 * sorted.length) - 1)]!;
}

function near(actual: number, wanted: number): void {
  assert.ok(Math.abs(actual - wanted) <= Math.max(1, wanted * 0.001), `${actual}, not ${wanted}`);
}

const values = fc.array(fc.integer({ min: 0, max: 60_000_000 }), { minLength: 1, maxLength: 300 });

Deno.test("Latencies.summary gives percentiles to three digits", () => {
  fc.assert(fc.property(values, (all) => {
    const summary = of(all).summary("presence")!;
    assert.equal(summary.count, all.length);
    near(summary.p50Us, exact(all, 50));
    near(summary.p99Us, exact(all, 99));
    near(summary.maxUs, Math.max(...all));
  }));
});

Deno.test("Latencies merged, or sent as text and added, are as if recorded in one place", () => {
  fc.assert(fc.property(values, values, (a, b) => {
    const wanted = of([...a, ...b]).summary("presence")!;
    const alike = (latencies: Latencies) => {
      const summary = latencies.summary("presence")!;
      // Sums of histograms know their extremes to three digits only.
      for (const key of ["count", "p50Us", "p90Us", "p99Us", "maxUs"] as const) {
        near(summary[key], wanted[key]);
      }
    };
    const merged = of(a);
    merged.merge(of(b));
    alike(merged);
    const added = new Latencies();
    added.add(of(a).encode());
    added.add(JSON.parse(JSON.stringify(of(b).encode())));
    alike(added);
  }));
});

Deno.test("Latencies bound what they record, forget on reset, and tell nothing of nothing", () => {
  const latencies = of([-5, 1e15]);
  assert.equal(latencies.summary("presence")!.count, 2);
  near(latencies.summary("presence")!.maxUs, LATENCY_US_MAX);
  assert.equal(latencies.curve("presence").length, CURVE.length);
  latencies.reset();
  assert.equal(latencies.summary("presence"), null);
  assert.deepEqual(latencies.curve("login"), []);
  assert.deepEqual(latencies.encode(), {});
});
