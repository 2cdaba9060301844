import assert from "node:assert/strict";
import fc from "fast-check";
import { addressKey, NetworkThrottle, Throttle, widerKey } from "../../server/auth/throttle.ts";

Deno.test("Throttle.take: gives the burst, then one unit each refillMs", () => {
  const t = new Throttle({ burst: 3, refillMs: 100, keysMax: 10 });
  assert.deepEqual([t.take(0, "a"), t.take(0, "a"), t.take(0, "a")], [0, 0, 0]);
  assert.equal(t.take(0, "a"), 100);
  assert.equal(t.take(40, "a"), 60);
  assert.equal(t.take(0, "b"), 0, "another key");
  assert.equal(t.take(100, "a"), 0);
  assert.equal(t.take(100, "a"), 100);
  assert.equal(t.take(10_000, "a", 3), 0, "never more than the burst");
  assert.equal(t.take(10_000, "a"), 100);
});

Deno.test("Throttle.waitMs: takes nothing and remembers nothing", () => {
  const t = new Throttle({ burst: 1, refillMs: 100, keysMax: 10 });
  for (let i = 0; i < 5; i++) assert.equal(t.waitMs(0, "a"), 0);
  assert.equal(t.size, 0);
  t.take(0, "a");
  assert.equal(t.waitMs(30, "a"), 70);
  assert.equal(t.waitMs(100, "a"), 0);
});

Deno.test("Throttle.charge: overdraws down to debtMax, so that nobody waits longer", () => {
  const t = new Throttle({ burst: 2, refillMs: 100, keysMax: 10, debtMax: 3 });
  for (let i = 0; i < 50; i++) t.charge(0, "a");
  assert.equal(t.waitMs(0, "a"), 400);
  assert.equal(t.waitMs(399, "a"), 1);
  assert.equal(t.take(400, "a"), 0);
});

Deno.test("Throttle.refund: gives back, but not beyond the burst", () => {
  const t = new Throttle({ burst: 2, refillMs: 100, keysMax: 10 });
  t.take(0, "a");
  t.take(0, "a");
  t.refund(0, "a");
  assert.equal(t.take(0, "a"), 0);
  t.refund(0, "a", 2);
  t.refund(0, "a", 2);
  assert.equal(t.size, 0, "a full bucket is not kept");
  assert.equal(t.take(0, "a", 2), 0);
  assert.equal(t.take(0, "a"), 100);
  t.clear(0, "a");
  assert.equal(t.take(0, "a", 2), 0);
});

Deno.test("Throttle: a clock that stands still or steps back neither gives nor takes", () => {
  const t = new Throttle({ burst: 1, refillMs: 100, keysMax: 10 });
  t.take(1000, "a");
  assert.equal(t.take(1000, "a"), 100);
  assert.equal(t.take(0, "a"), 100);
});

Deno.test("Throttle: forgets the least recently used key at the bound", () => {
  const t = new Throttle({ burst: 1, refillMs: 100, keysMax: 3 });
  for (const key of ["a", "b", "c"]) t.take(0, key);
  t.charge(0, "a");
  t.take(0, "d");
  assert.equal(t.size, 3);
  assert.equal(t.waitMs(0, "b"), 0, "b was the oldest");
  assert.ok(t.waitMs(0, "a") > 0, "a was used again");
  for (let i = 0; i < 1000; i++) t.take(0, `x${i}`);
  assert.equal(t.size, 3);
});

Deno.test("Throttle: in any time T no key gets more than burst + T / refillMs units", () => {
  const calls = fc.array(
    fc.tuple(fc.nat(50), fc.constantFrom("a", "b"), fc.integer({ min: 1, max: 3 })),
  );
  fc.assert(fc.property(calls, (steps) => {
    const t = new Throttle({ burst: 4, refillMs: 30, keysMax: 10 });
    const got = new Map<string, number>();
    let now = 0;
    for (const [dt, key, units] of steps) {
      now += dt;
      const wait = t.waitMs(now, key, units);
      assert.equal(t.take(now, key, units), wait);
      if (wait === 0) got.set(key, (got.get(key) ?? 0) + units);
      assert.ok((got.get(key) ?? 0) <= 4 + now / 30 + 1e-9);
    }
  }));
});

Deno.test("Throttle: options that cannot work are refused", () => {
  for (
    const bad of [{ burst: 0 }, { refillMs: 0 }, { keysMax: 0 }, { debtMax: -1 }, { burst: NaN }]
  ) {
    assert.throws(() => new Throttle({ burst: 1, refillMs: 1, keysMax: 1, ...bad }), /bad options/);
  }
});

Deno.test("addressKey: an IPv4 address itself, of IPv6 the /64 network", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::FFFF:192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:db8::3:4:5:6:7", "2001:db8:0:3::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["unknown", "unknown"],
    ["", ""],
  ];
  for (const [address, wanted] of rows) assert.equal(addressKey(address), wanted, address);
  assert.ok(addressKey("x".repeat(10_000)).length <= 64);
  assert.ok(addressKey(":".repeat(10_000)).length <= 64);
});

Deno.test("10.12: addresses of one IPv6 /56 or /48 share a rate, and one /64 does not exhaust it", () => {
  const options = { burst: 10, refillMs: 1000, keysMax: 1000, debtMax: 20 };
  const t = new NetworkThrottle(options);
  const passed = (networks: number, of: (i: number) => string) => {
    let count = 0;
    for (let i = 0; i < networks; i++) {
      while (t.take(0, addressKey(of(i))) === 0) count++;
    }
    return count;
  };
  assert.equal(passed(256, (i) => `2001:db8:1:${i.toString(16)}::1`), 40, "a /56");
  assert.equal(
    passed(65_536, (i) => `2001:db8:1:${i.toString(16)}::1`),
    120,
    "the rest of its /48",
  );
  assert.equal(passed(1, () => "2001:db8:2::1"), 10, "another /48");
  assert.equal(passed(256, (i) => `192.0.2.${i}`), 2560, "IPv4 addresses share nothing");
  // However much one /64 is charged, its neighbours go on.
  for (let i = 0; i < 1000; i++) t.charge(0, addressKey("2001:db8:3::1"), 100);
  assert.equal(t.take(0, addressKey("2001:db8:3:1::1")), 0);
  assert.ok(t.waitMs(0, addressKey("2001:db8:3::1")) > 20_000);
});

Deno.test("10.12: NetworkThrottle.refund gives back to the wider networks as well", () => {
  const t = new NetworkThrottle({ burst: 1, refillMs: 1000, keysMax: 100 });
  for (let i = 0; i < 100; i++) {
    const key = addressKey(`2001:db8:1:${i.toString(16)}::1`);
    assert.equal(t.take(0, key), 0);
    t.refund(0, key);
  }
});

Deno.test("10.12: widerKey names the /56 and the /48 of an IPv6 /64, and nothing else", () => {
  const key = addressKey("2001:db8:1:2ff3:4::1");
  assert.deepEqual([widerKey(key, 56), widerKey(key, 48)], [
    "2001:db8:1:2f00::/56",
    "2001:db8:1::/48",
  ]);
  for (const other of ["192.0.2.1", "", "unknown"]) assert.equal(widerKey(other, 48), null);
});
