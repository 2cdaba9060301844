import assert from "node:assert/strict";
import type { AccountId } from "../../shard/name/ids.ts";
import { OutboxProgress } from "../../shard/message/outbox_progress.ts";
import { spreadOfNumber } from "../../shard/retry.ts";

function sentTo(n: number): OutboxProgress {
  const progress = new OutboxProgress("a" as AccountId);
  progress.sentTo = n;
  return progress;
}

Deno.test("OutboxProgress.lacks: a packet is sent again once, however many behind it tell so", () => {
  const progress = sentTo(20);
  progress.lacks(5);
  assert.equal(progress.sentTo, 4);
  progress.sentTo = 20;
  for (let late = 0; late < 10; late++) progress.lacks(5);
  assert.equal(progress.sentTo, 20);
  progress.lacks(9);
  assert.equal(progress.sentTo, 8);
});

Deno.test("OutboxProgress.restart: what was asked for may be lost, and is asked for again", () => {
  const progress = sentTo(20);
  progress.lacks(5);
  progress.restart();
  assert.deepEqual([progress.sentTo, progress.attempts], [0, 1]);
  progress.sentTo = 20;
  progress.lacks(5);
  assert.equal(progress.sentTo, 4);
});

Deno.test("OutboxProgress.settled: alone, those behind it are sent again, one by one", () => {
  const progress = sentTo(20);
  progress.settled(5, true);
  assert.deepEqual([progress.sentTo, progress.oneByOne], [5, true]);
  progress.sentTo = 6;
  progress.settled(6, false);
  assert.deepEqual([progress.sentTo, progress.oneByOne], [6, false]);
});

Deno.test("OutboxProgress.hurry: shortens the wait of what is sent again, and no other", () => {
  const progress = sentTo(1);
  progress.dueMs = 1500;
  progress.hurry(100);
  assert.equal(progress.dueMs, 1500);
  progress.restart();
  progress.dueMs = 30_000;
  progress.hurry(2000);
  assert.equal(progress.dueMs, 2000);
  progress.hurry(5000);
  assert.equal(progress.dueMs, 2000);
  progress.acked(9000);
  assert.deepEqual([progress.dueMs, progress.attempts], [9000, 0]);
});

Deno.test("spreadOfNumber: numbers in a row fall evenly into [0, 1)", () => {
  const tenths = new Array<number>(10).fill(0);
  for (let n = 1; n <= 1000; n++) tenths[Math.floor(10 * spreadOfNumber(n))]!++;
  assert.ok(tenths.every((count) => count >= 95 && count <= 105), tenths.join(" "));
});
