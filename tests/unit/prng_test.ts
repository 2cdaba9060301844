import assert from "node:assert/strict";
import fc from "fast-check";
import { Prng, simRandom } from "../sim/prng.ts";

Deno.test("Prng gives the same numbers for a seed for ever", () => {
  const prng = new Prng(42);
  assert.deepEqual([prng.u32(), prng.u32(), prng.int(1, 6), prng.number()], [
    3860530138,
    1551590390,
    3,
    0.20294359885156155,
  ]);
  assert.notEqual(new Prng(42).u32(), new Prng(43).u32());
  assert.equal(new Prng("42").u32(), new Prng(42).u32());
});

Deno.test("Prng forks by label, whatever was drawn before", () => {
  const prng = new Prng(1);
  const before = prng.fork("disk").u32();
  prng.bytes(100);
  assert.equal(prng.fork("disk").u32(), before);
  assert.notEqual(prng.fork("net").u32(), before);
});

Deno.test("Prng int covers its range evenly", () => {
  const prng = new Prng("even");
  const counts = new Map<number, number>();
  for (let i = 0; i < 60_000; i++) {
    const n = prng.int(-2, 3);
    counts.set(n, (counts.get(n) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].sort((a, b) => a - b), [-2, -1, 0, 1, 2, 3]);
  for (const count of counts.values()) assert.ok(Math.abs(count - 10_000) < 500, `${count}`);
  assert.throws(() => prng.int(2, 1), /empty/);
});

Deno.test("Prng shuffle keeps the items, pick takes one of them, chance has its odds", () => {
  fc.assert(fc.property(fc.nat(), fc.array(fc.nat(), { minLength: 1 }), (seed, items) => {
    const prng = new Prng(seed);
    const shuffled = prng.shuffle(items);
    assert.deepEqual([...shuffled].sort(), [...items].sort());
    assert.ok(items.includes(prng.pick(items)));
  }));
  const prng = new Prng(5);
  assert.throws(() => prng.pick([]), /no items/);
  const hits = Array.from({ length: 10_000 }, () => prng.chance(0.3)).filter(Boolean).length;
  assert.ok(Math.abs(hits - 3000) < 200, `${hits}`);
  assert.equal(prng.chance(0), false);
  assert.equal(prng.chance(1), true);
});

Deno.test("simRandom gives bytes and numbers as the port promises", () => {
  const random = simRandom(new Prng(9));
  const bytes = random.bytes(4096);
  assert.equal(bytes.length, 4096);
  assert.ok(new Set(bytes).size > 250);
  for (let i = 0; i < 1000; i++) {
    const n = random.number();
    assert.ok(n >= 0 && n < 1);
  }
});
