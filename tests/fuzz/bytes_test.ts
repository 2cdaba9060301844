import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { hostile, LENGTH_BOMBS, readOrCorrupt, runs } from "./hostile_bytes.ts";
import { text, uint } from "./schema_values.ts";

/** One value with how it is written and read. */
type Step =
  | { readonly kind: "u8" | "uint" | "int"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "str"; readonly value: string }
  | { readonly kind: "bytes"; readonly value: Uint8Array };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("u8"), value: fc.nat(255) }),
  fc.record({ kind: fc.constant("uint"), value: uint }),
  fc.record({
    kind: fc.constant("int"),
    value: fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }).map((n) => n + 0),
  }),
  fc.record({ kind: fc.constant("bool"), value: fc.boolean() }),
  fc.record({ kind: fc.constant("str"), value: text }),
  fc.record({ kind: fc.constant("bytes"), value: fc.uint8Array({ maxLength: 300 }) }),
);
const steps = fc.array(step, { maxLength: 12 });

function write(list: readonly Step[]): Uint8Array {
  const w = new ByteWriter(1);
  for (const s of list) {
    if (s.kind === "bool") w.bool(s.value);
    else if (s.kind === "str") w.str(s.value);
    else if (s.kind === "bytes") w.bytes(s.value);
    else w[s.kind](s.value);
  }
  return w.take();
}

function read(r: ByteReader, list: readonly Step[]): unknown[] {
  return list.map((s) => r[s.kind]());
}

Deno.test("ByteReader gives back what ByteWriter wrote, to the last byte", () => {
  fc.assert(
    fc.property(steps, (list) => {
      const r = new ByteReader(write(list));
      deepEqual(read(r, list), list.map((s) => s.value));
      ok(r.done);
    }),
    runs(1000),
  );
});

Deno.test("ByteReader: every proper prefix is CorruptBytes", () => {
  fc.assert(
    fc.property(steps, fc.nat(), (list, cut) => {
      const bytes = write(list);
      if (bytes.length === 0) return;
      const r = new ByteReader(bytes.slice(0, cut % bytes.length));
      throws(() => read(r, list), CorruptBytes);
    }),
    runs(500),
  );
});

Deno.test("ByteReader throws nothing but CorruptBytes and never reads past its end", () => {
  fc.assert(
    fc.property(hostile(steps.map(write)), steps, fc.nat(), fc.nat(), (bytes, list, a, b) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)].map((n) => n % (bytes.length + 1));
      const [at, end] = [Math.min(from!, to!), Math.max(from!, to!)];
      const r = new ByteReader(bytes, at, end);
      readOrCorrupt(() => read(r, list));
      readOrCorrupt(() => r.list(() => r.str()));
      readOrCorrupt(() => r.sub(r.uint()));
      ok(r.at <= end, `at ${r.at} of ${end}`);
    }),
    runs(1500),
  );
});

Deno.test("ByteReader refuses lengths and counts that its bytes cannot hold", () => {
  for (const bomb of LENGTH_BOMBS) {
    const reader = () => new ByteReader(bomb);
    throws(() => reader().str(), CorruptBytes);
    throws(() => reader().bytes(), CorruptBytes);
    throws(() => reader().list(() => 0), CorruptBytes);
    throws(() => {
      const r = reader();
      r.sub(r.uint());
    }, CorruptBytes);
  }
});

Deno.test("ByteReader.strOf returns what str returns, whatever it has kept", () => {
  const texts = fc.oneof(text, fc.constantFrom("", "é", "Ã©", "name", "nama", "n".repeat(33)));
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 20 }), (list) => {
      const bytes = write(list.map((value) => ({ kind: "str", value }) as const));
      for (const places of [1, 4]) {
        const known = new Array<string | undefined>(places).fill(undefined);
        const [r, plain] = [new ByteReader(bytes), new ByteReader(bytes)];
        for (const _ of list) equal(r.strOf(known), plain.str());
        ok(r.done);
      }
    }),
    runs(1000),
  );
  for (const bomb of LENGTH_BOMBS) {
    throws(() => new ByteReader(bomb).strOf([undefined]), CorruptBytes);
  }
});

Deno.test("ByteReader.list reads its count of items and no more", () => {
  const w = new ByteWriter();
  w.uint(2).str("a").str("b").str("c");
  const r = new ByteReader(w.take());
  deepEqual(r.list(() => r.str()), ["a", "b"]);
  equal(r.str(), "c");
});
