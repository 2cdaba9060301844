import assert from "node:assert/strict";
import fc from "fast-check";
import type { Clock, Timers } from "../../server/node/ports.ts";
import { nextLagMs, sampleLoopLag } from "../../server/system/loop_lag.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

/** A loop whose timers run when `block` ends. */
function blockableLoop() {
  const time = new VirtualTime();
  const process = time.process();
  const ports: { clock: Clock; timers: Timers } = process;
  const block = (ms: number) => {
    process.pause();
    time.runFor(ms);
    process.resume();
    time.runFor(0);
  };
  return { time, ports, block };
}

Deno.test("sampleLoopLag is 0 on a loop that is never late", () => {
  const { time, ports } = blockableLoop();
  const seen: number[] = [];
  const lag = sampleLoopLag(ports, { periodMs: 50, tauMs: 1000, observe: (ms) => seen.push(ms) });
  time.runUntil(1000);
  assert.equal(lag.lagMs(), 0);
  assert.deepEqual(seen, new Array(20).fill(0));
});

Deno.test("sampleLoopLag observes a block whole, and its average falls by tau after it", () => {
  const { time, ports, block } = blockableLoop();
  const seen: number[] = [];
  const lag = sampleLoopLag(ports, { periodMs: 50, tauMs: 1000, observe: (ms) => seen.push(ms) });
  time.runUntil(100);
  block(2050);
  assert.deepEqual(seen, [0, 0, 2000]);
  const peakMs = lag.lagMs();
  assert.ok(Math.abs(peakMs - 2000 * (1 - Math.exp(-2.05))) < 0.01, `${peakMs}`);
  time.runFor(1000);
  assert.ok(Math.abs(lag.lagMs() - peakMs * Math.exp(-1)) < 1, `${lag.lagMs()}`);
});

Deno.test("sampleLoopLag tells of a block that lasts still, and stops", () => {
  const time = new VirtualTime();
  const process = time.process();
  let samples = 0;
  const lag = sampleLoopLag(process, { periodMs: 50, tauMs: 1000, observe: () => samples += 1 });
  process.pause();
  time.runUntil(650);
  assert.equal(lag.lagMs(), 600);
  process.resume();
  time.runFor(0);
  assert.equal(samples, 1);
  lag.stop();
  time.runUntilIdle();
  assert.equal(samples, 1);
});

Deno.test("nextLagMs lies between average and sample, nearer to it the longer it took", () => {
  const ms = fc.double({ min: 0, max: 1e5, noNaN: true });
  fc.assert(fc.property(ms, ms, ms, ms, (previousMs, lagMs, a, b) => {
    const next = (elapsedMs: number) => nextLagMs({ previousMs, lagMs, elapsedMs, tauMs: 1000 });
    const [short, long] = [next(Math.min(a, b)), next(Math.max(a, b))];
    const slack = 1e-6;
    assert.ok(long >= Math.min(previousMs, lagMs) - slack);
    assert.ok(long <= Math.max(previousMs, lagMs) + slack);
    assert.ok(Math.abs(long - lagMs) <= Math.abs(short - lagMs) + slack);
  }));
});
