import assert from "node:assert/strict";
import fc from "fast-check";
import { Deadlines, SLOT_MS, slotFor, type Timed } from "../../server/edge/deadlines.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

interface Item extends Timed {
  readonly name: string;
  dueMs: number;
  wokenMs: number[];
}

function item(name: string): Item {
  return { name, slot: -1, dueMs: Infinity, wokenMs: [] };
}

/** A wheel whose items ask again until they are due, as sessions do. */
function wheel() {
  const time = new VirtualTime();
  const { clock, timers } = time.global;
  const wheel: Deadlines<Item> = new Deadlines(clock, timers, (woken, nowMs) => {
    if (nowMs >= woken.dueMs) woken.wokenMs.push(nowMs);
    else wheel.set(woken, woken.dueMs);
  });
  const set = (woken: Item, dueMs: number) => {
    woken.dueMs = dueMs;
    wheel.set(woken, dueMs);
  };
  return { time, wheel, set };
}

Deno.test("slotFor is at most one slot late, and never later than an eighth early", () => {
  fc.assert(fc.property(
    fc.double({ min: 0, max: 1e9, noNaN: true }),
    fc.double({ min: 0, max: 3_600_000, noNaN: true }),
    (nowMs, distanceMs) => {
      const wakeMs = slotFor(nowMs, nowMs + distanceMs) * SLOT_MS;
      const lateMs = wakeMs - (nowMs + distanceMs);
      assert.ok(lateMs <= SLOT_MS + 1e-3, `${lateMs} ms late`);
      assert.ok(wakeMs >= nowMs - 1e-3, "in the past");
      assert.ok(-lateMs <= Math.max(distanceMs / 8, 0) + SLOT_MS, `${-lateMs} ms early`);
    },
  ));
});

Deno.test("Deadlines wakes every item once, up to a slot after its deadline", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 10_000_000 }), { maxLength: 40 }),
    (dues) => {
      const { time, set } = wheel();
      const items = dues.map((dueMs, i) => {
        const made = item(`${i}`);
        set(made, dueMs);
        return made;
      });
      time.runUntil(11_000_000);
      for (const { wokenMs, dueMs } of items) {
        assert.equal(wokenMs.length, 1);
        const lateMs = wokenMs[0]! - dueMs;
        assert.ok(lateMs >= 0 && lateMs <= SLOT_MS, `${lateMs} ms late`);
      }
    },
  ));
});

Deno.test("Deadlines forgets what is cleared or set anew", () => {
  const { time, wheel: deadlines, set } = wheel();
  const [cleared, later, sooner] = [item("cleared"), item("later"), item("sooner")];
  for (const each of [cleared, later, sooner]) set(each, 5000);
  deadlines.clear(cleared);
  deadlines.clear(cleared);
  set(later, 9000);
  set(sooner, 1000);
  time.runUntil(60_000);
  assert.deepEqual(cleared.wokenMs, []);
  assert.deepEqual(later.wokenMs, [9000]);
  assert.deepEqual(sooner.wokenMs, [1000]);
});

Deno.test("Deadlines looks at far deadlines again within the hour", () => {
  const { time, wheel: deadlines } = wheel();
  const far = item("far");
  deadlines.set(far, 30 * 86_400_000);
  far.dueMs = 0;
  time.runUntil(3_600_000);
  assert.equal(far.wokenMs.length, 1);
});

Deno.test("Deadlines does not wake what another one's wake-up has cleared", () => {
  const time = new VirtualTime();
  const { clock, timers } = time.global;
  const woken: string[] = [];
  const items = [item("a"), item("b")];
  const deadlines: Deadlines<Item> = new Deadlines(clock, timers, (one) => {
    woken.push(one.name);
    for (const other of items) deadlines.set(other, clock.monoMs() + 1000);
    for (const other of items) deadlines.clear(other);
  });
  for (const one of items) deadlines.set(one, 500);
  time.runUntil(10_000);
  // Both were due: the second is still told, for it was taken out of the wheel before.
  assert.deepEqual(woken, ["a", "b"]);
  assert.ok(items.every(({ slot }) => slot === -1));
});

Deno.test("Deadlines sets no timer while nothing is set", () => {
  const { time, wheel: deadlines, set } = wheel();
  set(item("x"), 300);
  assert.ok(time.runUntilIdle() <= 2);
  const cleared = item("y");
  set(cleared, time.nowMs + 300);
  deadlines.clear(cleared);
  assert.ok(time.runUntilIdle() <= 1);
});
