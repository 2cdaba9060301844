import assert from "node:assert/strict";
import fc from "fast-check";
import { VirtualTime } from "../sim/virtual_time.ts";

Deno.test("VirtualTime runs by time, then insertion, and soon before time moves on", () => {
  const time = new VirtualTime();
  const { timers, clock } = time.process();
  const seen: string[] = [];
  const see = (what: string) => () => seen.push(`${what}@${clock.monoMs()}`);
  timers.after(10, see("b"));
  timers.after(5, () => {
    see("a")();
    timers.after(5, see("d"));
    timers.after(0, see("zero"));
    timers.soon(() => {
      see("soon")();
      timers.soon(see("sooner"));
    });
  });
  timers.after(10, see("c"));
  assert.equal(time.runUntil(9.5), 4);
  assert.equal(time.nowMs, 9.5);
  time.runUntilIdle();
  assert.deepEqual(seen, ["a@5", "soon@5", "sooner@5", "zero@5", "b@10", "c@10", "d@10"]);
});

Deno.test("VirtualTime runs any timers in order, cancelled ones never", () => {
  const timer = fc.record({ delayMs: fc.nat(50), cancelled: fc.boolean() });
  fc.assert(fc.property(fc.array(timer, { maxLength: 400 }), (plan) => {
    const time = new VirtualTime();
    const { timers, clock } = time.process();
    const seen: number[] = [];
    const cancels = plan.map(({ delayMs }, i) =>
      timers.after(delayMs, () => {
        assert.equal(clock.monoMs(), delayMs);
        seen.push(i);
      })
    );
    plan.forEach(({ cancelled }, i) => cancelled && cancels[i]!());
    time.runUntilIdle();
    const wanted = plan
      .map((item, i) => ({ ...item, i }))
      .filter((item) => !item.cancelled)
      .sort((a, b) => a.delayMs - b.delayMs || a.i - b.i);
    assert.deepEqual(seen, wanted.map((item) => item.i));
  }));
});

Deno.test("VirtualTime timers are never early on the clock of their process", () => {
  const delay = fc.double({ min: 0, max: 1000, noNaN: true });
  const rate = fc.constantFrom(1, 0.99, 1.01, 1.0001);
  const start = fc.constantFrom(0, 1, 0.3, 123456.7);
  fc.assert(fc.property(fc.array(delay, { maxLength: 20 }), rate, start, (delays, rate, start) => {
    const time = new VirtualTime();
    time.runUntil(start);
    const { timers, clock } = time.process({ monoStartMs: start, wallAheadMs: 0, rate });
    let fired = 0;
    const chain = (i: number) => {
      const delayMs = delays[i];
      if (delayMs === undefined) return;
      const dueMs = clock.monoMs() + delayMs;
      timers.after(delayMs, () => {
        assert.ok(clock.monoMs() >= dueMs, `${clock.monoMs()} is before ${dueMs}`);
        assert.ok(clock.monoMs() < dueMs + 0.01, `${clock.monoMs()} is long after ${dueMs}`);
        fired += 1;
        chain(i + 1);
      });
    };
    chain(0);
    time.runUntilIdle();
    assert.equal(fired, delays.length);
  }));
});

Deno.test("VirtualTime wall clocks jump and differ, monotonic ones do not jump", () => {
  const wallMs = Date.UTC(2025, 5, 1);
  const time = new VirtualTime(wallMs);
  const a = time.process({ monoStartMs: 7000, wallAheadMs: -3000, rate: 1 });
  const b = time.process({ monoStartMs: 0, wallAheadMs: 0, rate: 1.5 });
  time.runFor(2000);
  assert.deepEqual([a.clock.monoMs(), a.clock.wallMs()], [9000, wallMs - 1000]);
  assert.deepEqual([b.clock.monoMs(), b.clock.wallMs()], [3000, wallMs + 3000]);
  a.jumpWall(-60_000);
  assert.deepEqual([a.clock.monoMs(), a.clock.wallMs()], [9000, wallMs - 61_000]);
});

Deno.test("VirtualTime a killed process runs nothing, a paused one later and in order", () => {
  const time = new VirtualTime();
  const [dead, paused] = [time.process(), time.process()];
  const seen: string[] = [];
  dead.timers.after(1, () => seen.push("dead"));
  dead.timers.soon(() => seen.push("dead"));
  paused.timers.after(1, () => seen.push("one"));
  const cancel = paused.timers.after(2, () => seen.push("cancelled"));
  paused.timers.after(3, () => {
    seen.push("three");
    cancel();
  });
  paused.timers.after(1, () => cancel());
  dead.kill();
  dead.timers.after(1, () => seen.push("dead"));
  paused.pause();
  time.runUntilIdle();
  assert.deepEqual(seen, []);
  paused.resume();
  dead.resume();
  time.runUntilIdle();
  assert.deepEqual(seen, ["one", "three"]);
  assert.deepEqual([dead.state, paused.state], ["dead", "running"]);
});

Deno.test("VirtualTime runWhile stops at the condition or at the limit", () => {
  const time = new VirtualTime();
  let ticks = 0;
  const tick = () => {
    ticks += 1;
    time.global.timers.after(10, tick);
  };
  tick();
  assert.equal(time.runWhile(() => ticks < 5, 1000), true);
  assert.equal(time.nowMs, 40);
  assert.equal(time.runWhile(() => ticks < 500, 101), false);
  assert.deepEqual([time.nowMs, ticks], [101, 11]);
});

Deno.test("VirtualTime throws where a simulation is stuck or never idle", () => {
  const stuck = new VirtualTime();
  const again = () => stuck.global.timers.soon(again);
  again();
  assert.throws(() => stuck.runUntil(1), /stuck: 1000000 turns at 0 ms/);
  const busy = new VirtualTime();
  const tick = () => void busy.global.timers.after(1, tick);
  tick();
  assert.throws(() => busy.runUntilIdle(1000), /not idle after 1000 turns/);
  assert.throws(() => busy.global.timers.after(NaN, tick), /delay is NaN/);
});

Deno.test("VirtualTime goes on after a callback has thrown", () => {
  const time = new VirtualTime();
  let ran = 0;
  time.global.timers.after(1, () => {
    throw new Error("in a callback");
  });
  time.global.timers.after(1, () => ran += 1);
  assert.throws(() => time.runUntilIdle(), /in a callback/);
  time.runUntilIdle();
  assert.equal(ran, 1);
});
