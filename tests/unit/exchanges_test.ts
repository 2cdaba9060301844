import { deepEqual, equal } from "node:assert/strict";
import { Exchanges } from "../../server/v1/exchanges.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

Deno.test("Exchanges remembers what was finished for its time", () => {
  const time = new VirtualTime();
  const exchanges = new Exchanges({ exchangesMax: 3, exchangeTtlMs: 1000 }, time.global.clock);
  const finish = (...messages: readonly string[]) =>
    messages.map((message) => exchanges.finish({ message }, "192.0.2.1"));
  deepEqual(finish("a", "a", "b", "c", "b"), [true, false, true, true, false]);
  time.runFor(1000);
  deepEqual(finish("c", "a"), [true, true]);
  equal(exchanges.size, 2);
});

Deno.test("10.10: Exchanges: a network that finishes very many keeps no other from signing in", () => {
  const time = new VirtualTime();
  const exchanges = new Exchanges({ exchangesMax: 100, exchangeTtlMs: 60_000 }, time.global.clock);
  const finish = (message: string, address: string) => exchanges.finish({ message }, address);
  equal(finish("victim", "192.0.2.1"), true);
  for (let i = 0; i < 1000; i++) {
    // One customer's /48, as many networks of 64 bits as it likes.
    equal(finish(`flood ${i}`, `2001:db8:1:${i.toString(16)}::1`), true);
    if (i % 100 === 0) equal(finish(`other ${i}`, `198.51.100.${i / 100}`), true);
  }
  equal(exchanges.size, 100);
  for (const kept of ["victim", "other 0", "other 900", "flood 999"]) {
    equal(finish(kept, "203.0.113.1"), false);
  }
  equal(finish("flood 0", "203.0.113.1"), true);
});
