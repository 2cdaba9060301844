import assert from "node:assert/strict";
import { Held, HOLD_MS } from "../../server/edge/held.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

function held() {
  const time = new VirtualTime();
  const askedAt: number[] = [];
  const item = { heldUntilMs: 0, askFlush: () => void askedAt.push(time.nowMs) };
  const { clock, timers } = time.global;
  return { time, held: new Held(clock, timers), item, askedAt, beganMs: time.nowMs };
}

Deno.test("9 C2: Held asks once for the flush of an item, within HOLD_MS of its first event", () => {
  const { time, held: waiting, item, askedAt, beganMs } = held();
  for (let i = 0; i < 5; i++) {
    waiting.hold(item);
    time.runFor(20);
  }
  time.runFor(1000);
  assert.equal(askedAt.length, 1);
  const waitedMs = askedAt[0]! - beganMs;
  assert.ok(waitedMs >= HOLD_MS / 2 && waitedMs <= HOLD_MS, `${waitedMs} ms`);
});

Deno.test("9 C2: Held asks for no flush of an item that was flushed meanwhile, and holds it anew", () => {
  const { time, held: waiting, item, askedAt, beganMs } = held();
  waiting.hold(item);
  time.runFor(100);
  item.heldUntilMs = 0;
  waiting.hold(item);
  time.runFor(1000);
  assert.equal(askedAt.length, 1);
  assert.ok(askedAt[0]! - beganMs > HOLD_MS, `${askedAt[0]! - beganMs} ms`);
  assert.equal(item.heldUntilMs, 0);
});

Deno.test("9 C2: Held takes up items in their order, those of later moments after HOLD_MS of their own", () => {
  const { time, held: waiting, beganMs } = held();
  const order: [number, number][] = [];
  for (let i = 0; i < 10; i++) {
    const askFlush = () => void order.push([i, time.nowMs - beganMs]);
    waiting.hold({ heldUntilMs: 0, askFlush });
    time.runFor(40);
  }
  time.runFor(1000);
  assert.deepEqual(order.map(([i]) => i), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.ok(order.every(([i, atMs]) => atMs - 40 * i <= HOLD_MS && atMs - 40 * i >= HOLD_MS / 2));
});

Deno.test("9 C3: the shortest of several waits of an item counts, and each says since when it has waited", () => {
  const { time, held: short, item, askedAt, beganMs } = held();
  const since: number[] = [];
  const { clock, timers } = time.global;
  const long = new Held(clock, timers, 2 * HOLD_MS, (sinceMs) => since.push(sinceMs - beganMs));
  long.hold(item);
  time.runFor(20);
  short.hold(item);
  time.runFor(1000);
  assert.equal(askedAt.length, 1);
  assert.ok(askedAt[0]! - beganMs <= 20 + HOLD_MS, `${askedAt[0]! - beganMs} ms`);
  assert.deepEqual(since, [], "it left before");
  long.hold(item);
  time.runFor(1000);
  assert.deepEqual([askedAt.length, since], [2, [1020]]);
});
