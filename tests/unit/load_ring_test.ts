import assert from "node:assert/strict";
import fc from "fast-check";
import {
  contactAt,
  makeRing,
  poolFault,
  poolName,
  PoolNames,
  type Ring,
  slotOf,
} from "../../server/load/ring.ts";
import { isReserved, isSynthetic } from "../../server/node/reserved_names.ts";

const rings = fc.integer({ min: 2, max: 60 }).chain((users) =>
  fc.integer({ min: 0, max: Math.floor((users - 1) / 2) }).map((half) => ({
    users,
    contacts: 2 * half,
  }))
);

Deno.test("makeRing refuses shapes that are none", () => {
  assert.deepEqual(makeRing(10, 4), { users: 10, contacts: 4 });
  for (const [users, contacts] of [[1, 0], [10, 3], [10, 10], [2.5, 2], [2_000_000, 2]] as const) {
    assert.equal(typeof makeRing(users, contacts), "string");
  }
});

Deno.test("contactAt gives every user as many different contacts as it should, never itself", () => {
  fc.assert(fc.property(rings, (ring: Ring) => {
    for (let i = 0; i < ring.users; i++) {
      const all = Array.from({ length: ring.contacts }, (_, slot) => contactAt(ring, i, slot));
      assert.equal(new Set([...all, i]).size, ring.contacts + 1);
      assert.ok(all.every((j) => j >= 0 && j < ring.users));
    }
  }));
});

Deno.test("slotOf is the inverse of contactAt, mutual, and −1 for all others", () => {
  fc.assert(fc.property(rings, (ring: Ring) => {
    for (let i = 0; i < ring.users; i++) {
      for (let slot = 0; slot < ring.contacts; slot++) {
        const j = contactAt(ring, i, slot);
        assert.equal(slotOf(ring, i, j), slot);
        assert.equal(contactAt(ring, j, slotOf(ring, j, i)), i);
      }
      const known = Array.from({ length: ring.users }, (_, j) => slotOf(ring, i, j));
      assert.equal(known.filter((slot) => slot >= 0).length, ring.contacts);
    }
  }));
});

Deno.test("PoolNames.indexOf reads the numbers of its pool's names, wherever they stand", () => {
  const names = new PoolNames("roost.a");
  const read = (text: string) => {
    const bytes = new TextEncoder().encode(`"${text}"`);
    return names.indexOf(bytes, 1, bytes.length - 1);
  };
  assert.equal(read(poolName("roost.a", 0)), 0);
  assert.equal(read(poolName("roost.a", 123_456)), 123_456);
  for (
    const other of ["roost.b.000001", "roost.a.00001", "roost.a.00000x", "roost.a", "alice", ""]
  ) {
    assert.equal(read(other), -1, other);
  }
});

Deno.test("isReserved keeps every name with the prefix for the tool, and no other", () => {
  assert.ok(isReserved(poolName("roost.dark", 7)));
  assert.ok(isReserved("roost.fan"));
  for (const name of ["roost", "roosts", "a.roost.b", "roost_x"]) {
    assert.ok(!isReserved(name), name);
  }
});

Deno.test("isSynthetic knows the tool's own names from people's", () => {
  assert.ok(isSynthetic(poolName("roost.dark", 7)));
  for (const name of ["alice", "roost.fan", "dark.000001"]) assert.ok(!isSynthetic(name), name);
  assert.equal(poolFault("roost.dark"), null);
  for (const pool of ["", ".a", "A", "a b", "x".repeat(65)]) assert.notEqual(poolFault(pool), null);
});
