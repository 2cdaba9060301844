import assert from "node:assert/strict";
import { Flusher, type Round } from "../../server/edge/flusher.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

/** A flusher under a clock that the flushes themselves move. */
function clocked(costMs: number, intervalMaxMs = 40) {
  const time = new VirtualTime();
  let spentMs = 0;
  const flushedAt: number[] = [];
  const rounds: Round[] = [];
  const clock = { ...time.global.clock, monoMs: () => time.nowMs + spentMs };
  const item = {
    flush() {
      flushedAt.push(clock.monoMs());
      spentMs += costMs;
    },
  };
  const flusher = new Flusher<typeof item>(
    clock,
    time.global.timers,
    intervalMaxMs,
    (round) => rounds.push(round),
  );
  return { time, flusher, item, flushedAt, rounds };
}

Deno.test("Flusher flushes what is added in one turn together, in the next", () => {
  const { time, flusher, item, rounds, flushedAt } = clocked(0);
  for (let i = 0; i < 3; i++) flusher.add(item);
  assert.equal(flushedAt.length, 0);
  time.runFor(0);
  assert.equal(flushedAt.length, 3);
  assert.deepEqual(rounds, [{ presenceMs: null, messagesMs: [], tookMs: 0, count: 3 }]);
});

Deno.test("Flusher pauses ten times as long as the round took", () => {
  const { time, flusher, item, flushedAt } = clocked(2);
  flusher.add(item);
  time.runFor(0);
  flusher.add(item);
  time.runFor(19);
  assert.equal(flushedAt.length, 1);
  time.runFor(2);
  assert.equal(flushedAt.length, 2);
});

Deno.test("Flusher pauses no longer than the limit", () => {
  const { time, flusher, item, flushedAt } = clocked(100);
  flusher.add(item);
  time.runFor(0);
  flusher.add(item);
  time.runFor(39);
  assert.equal(flushedAt.length, 1);
  time.runFor(2);
  assert.equal(flushedAt.length, 2);
});

Deno.test("Flusher lets others run in a long round", () => {
  const { time, flusher, item, flushedAt, rounds } = clocked(0.5);
  for (let i = 0; i < 200; i++) flusher.add(item);
  let between = -1;
  time.global.timers.soon(() => time.global.timers.soon(() => between = flushedAt.length));
  time.runFor(0);
  assert.ok(between > 0 && between < 200, `another turn after ${between} flushes`);
  assert.equal(flushedAt.length, 200);
  assert.equal(rounds.length, 1);
  assert.equal(rounds[0]!.tookMs, 100);
});

Deno.test("Flusher tells since when the oldest of a round has waited", () => {
  const { time, flusher, item, rounds } = clocked(0);
  time.runUntil(1000);
  flusher.presence(1);
  flusher.message(1);
  flusher.add(item);
  flusher.presence(990);
  flusher.message(985);
  flusher.message(1000);
  time.runFor(0);
  // What began before anything was added is somebody else's.
  assert.deepEqual(rounds, [{ presenceMs: 10, messagesMs: [15, 0], tookMs: 0, count: 1 }]);
});

Deno.test("Flusher takes what is added during a round into the next one", () => {
  const time = new VirtualTime();
  const { clock, timers } = time.global;
  let left = 3;
  const item = {
    flush() {
      if (--left > 0) flusher.add(item);
    },
  };
  const rounds: number[] = [];
  const flusher = new Flusher<typeof item>(clock, timers, 40, ({ count }) => {
    rounds.push(count);
  });
  flusher.add(item);
  time.runFor(100);
  assert.deepEqual(rounds, [1, 1, 1]);
});
