import assert from "node:assert/strict";
import { ClockOffset } from "../../server/peer/clock_offset.ts";
import { A, B, End, until } from "./peer_ends.ts";
import { isNobody, parsePlace } from "../../server/peer/place.ts";
import { systemClock } from "../../server/system/clock.ts";

Deno.test("11: a difference of clocks is the one of the fastest heartbeat, also where the other is behind", () => {
  for (const trueMs of [5000, 0, -5000]) {
    const offset = new ClockOffset();
    assert.equal(offset.ms, null);
    for (const delayMs of [400, 3, 2500, 40]) offset.take(trueMs + 1_000_000, 1_000_000 + delayMs);
    assert.equal(offset.ms, trueMs - 3);
  }
});

Deno.test("11: a node that reads heartbeats late has no wrong clock, and a change is said once", () => {
  const offset = new ClockOffset();
  const said: unknown[] = [];
  const take = (aheadMs: number, times = 8) => {
    for (let i = 0; i < times; i++) {
      offset.take(1_000_000 + aheadMs, 1_000_000);
      const change = offset.change();
      if (change !== null) said.push(change);
    }
  };
  take(-3000, 2);
  take(-2);
  assert.deepEqual(said, []);
  take(1500);
  take(900);
  assert.deepEqual(said, ["far"]);
  take(-100);
  take(-1200);
  assert.deepEqual(said, ["far", "near", "far"]);
});

Deno.test("11: clocks that are far apart are measured over the link, and logged once", async () => {
  const behind = systemClock();
  const clock = { monoMs: () => behind.monoMs(), wallMs: () => behind.wallMs() + 7000 };
  const [a, b] = [await End.open(A), await End.open(B, { clock })];
  assert.equal(a.links.about(B).clockOffsetMs, null);
  a.expect(B, b);
  const far = (end: End) => end.lines.filter(({ event }) => event === "clocks far apart").length;
  await until(() => far(a) > 0 && far(b) > 0);
  const [ahead, back] = [
    a.links.about(B).clockOffsetMs,
    b.links.about(A).clockOffsetMs,
  ];
  assert.ok(Math.abs(ahead! - 7000) < 500 && Math.abs(back! + 7000) < 500, `${ahead} ${back}`);
  assert.deepEqual([far(a), far(b)], [1, 1]);
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("11: only this machine's system proves that nobody listens: elsewhere a firewall may refuse", () => {
  const proves = (place: string, code: string) => isNobody(parsePlace(place)!, { code });
  for (const near of ["127.0.0.1:8422", "[::1]:8422", "localhost:8422", "unix:/data/p1.sock"]) {
    assert.ok(proves(near, "ECONNREFUSED"), near);
    assert.ok(!proves(near, "ECONNRESET") && !proves(near, "ETIMEDOUT"), near);
  }
  assert.ok(proves("unix:/data/p1.sock", "ENOENT"));
  for (const far of ["10.0.0.2:8422", "[fd00::2]:8422", "node-b.internal:8422"]) {
    for (const code of ["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH"]) {
      assert.ok(!proves(far, code), `${far} ${code}`);
    }
  }
});
