import assert from "node:assert/strict";
import { Callers } from "../../server/http/callers.ts";

Deno.test("Callers counts an IPv4 address by itself, and an IPv6 network of 64 bits as one", () => {
  const callers = new Callers();
  for (const address of ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::f:0:0:2"]) {
    callers.add(address);
  }
  assert.equal(callers.total, 4);
  assert.deepEqual([callers.of("192.0.2.1"), callers.of("192.0.2.3")], [1, 0]);
  assert.equal(callers.of("2001:db8:0:0:1:2:3:4"), 2);
  assert.equal(callers.of("2001:db8:0:1::1"), 0);
  callers.remove("2001:db8::1");
  callers.remove("192.0.2.1");
  assert.deepEqual([callers.of("2001:db8::1"), callers.of("192.0.2.1"), callers.total], [1, 0, 2]);
});

Deno.test("10.12: Callers counts a quarter of an IPv6 /56, and a sixteenth of a /48", () => {
  const callers = new Callers();
  for (let i = 0; i < 64; i++) callers.add(`2001:db8:0:${i.toString(16)}::1`);
  assert.equal(callers.of("2001:db8:0:ff::1"), 16, "the same /56");
  assert.equal(callers.of("2001:db8:0:ffff::1"), 4, "the same /48");
  assert.equal(callers.of("2001:db8:1::1"), 0, "another one");
  for (let i = 0; i < 64; i++) callers.remove(`2001:db8:0:${i.toString(16)}::1`);
  assert.deepEqual([callers.of("2001:db8:0:ff::1"), callers.total], [0, 0]);
});

Deno.test("10.10: Callers: forty addresses do not take all connections, and a new one finds room", () => {
  const callers = new Callers();
  const max = 20_000;
  for (let round = 0; round < 500; round++) {
    for (let i = 0; i < 45; i++) {
      const address = `192.0.2.${i}`;
      if (callers.of(address) < 500 && callers.hasRoom(address, max)) callers.add(address);
    }
  }
  assert.ok(callers.total > 17_000 && callers.total < 18_000, String(callers.total));
  for (let i = 0; i < 200; i++) {
    assert.ok(callers.hasRoom("198.51.100.1", max));
    callers.add("198.51.100.1");
  }
  // Few connections are for anybody.
  const few = new Callers();
  for (let i = 0; i < 3; i++) {
    assert.ok(few.hasRoom("192.0.2.1", 3));
    few.add("192.0.2.1");
  }
  assert.ok(!few.hasRoom("198.51.100.1", 3));
});
