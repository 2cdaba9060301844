import assert from "node:assert/strict";
import { within } from "../../server/system/within.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

Deno.test("within resolves with its task, or when its time is over, and rejects as the task does", async () => {
  const time = new VirtualTime();
  const timers = time.global.timers;
  await within(timers, 1000, Promise.resolve());
  assert.equal(time.nowMs, 0);
  await assert.rejects(within(timers, 1000, Promise.reject(new Error("why"))), /why/);
  let over = false;
  const waiting = within(timers, 1000, new Promise(() => {})).then(() => void (over = true));
  time.runFor(999);
  await Promise.resolve();
  assert.equal(over, false);
  time.runFor(1);
  await waiting;
  assert.equal(over, true);
});
