import { deepEqual, equal } from "node:assert/strict";
import { CONFIRM_MS, JUMP_MS, SteadyClock } from "../../server/node/steady_clock.ts";

function clocks() {
  const now = { mono: 5, wall: 1_000_000 };
  const steady = new SteadyClock({ monoMs: () => now.mono, wallMs: () => now.wall });
  const after = (ms: number, jumpMs = 0) => {
    now.mono += ms;
    now.wall += ms + jumpMs;
    return steady.now().wall - now.wall;
  };
  return { after };
}

const HOUR = 3_600_000;

Deno.test("SteadyClock gives the wall clock while it goes with the monotonic one", () => {
  const { after } = clocks();
  deepEqual([after(0), after(10), after(HOUR), after(10, 5000), after(10, JUMP_MS)], [
    0,
    0,
    0,
    0,
    0,
  ]);
});

Deno.test("SteadyClock does not follow a jump ahead that does not last (A7)", () => {
  const { after } = clocks();
  after(0);
  equal(after(10, HOUR), -HOUR);
  equal(after(CONFIRM_MS / 2), -HOUR);
  equal(after(10, -HOUR), 0);
  // The next jump waits as long as the first.
  equal(after(10, HOUR), -HOUR);
  equal(after(CONFIRM_MS - 20), -HOUR);
});

Deno.test("SteadyClock takes a jump for one that comes before it is first asked (A7)", () => {
  const { after } = clocks();
  equal(after(5000, HOUR), -HOUR);
});

Deno.test("SteadyClock follows a jump ahead that lasts, and every jump back at once", () => {
  const { after } = clocks();
  after(0);
  after(10, HOUR);
  equal(after(CONFIRM_MS), 0);
  equal(after(10), 0);
  equal(after(10, -24 * HOUR), 0);
});

Deno.test("SteadyClock takes a second jump for another one", () => {
  const { after } = clocks();
  after(0);
  after(10, HOUR);
  equal(after(CONFIRM_MS - 10, HOUR), -2 * HOUR);
  equal(after(CONFIRM_MS - 10), -2 * HOUR);
  equal(after(10), 0);
});
