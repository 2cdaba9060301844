import assert from "node:assert/strict";
import fc from "fast-check";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import { decodeKey, encodeKey, keyRange } from "../../server/store/key_bytes.ts";
import { encodeKey as encodeSimulated } from "../sim/key_order.ts";

const part = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.string({ maxLength: 6, unit: "binary" }),
  fc.constantFrom("", "\0", "\0\0", "a\0b", "\u{10000}", -0, 2 ** 53),
).filter((value) => typeof value === "number" || value.isWellFormed());
const anyKey = fc.array(part, { minLength: 1, maxLength: 4 });
const latin1 = (bytes: Uint8Array) => Array.from(bytes, (b) => String.fromCharCode(b)).join("");

Deno.test("encodeKey writes the bytes that the simulated store orders by, and decodeKey reads them", () => {
  fc.assert(fc.property(anyKey, (key) => {
    const bytes = encodeKey(key);
    assert.equal(latin1(bytes), encodeSimulated(key));
    assert.deepEqual(decodeKey(bytes), key);
  }));
});

Deno.test("keyRange holds the keys strictly under a prefix, and no others", () => {
  fc.assert(fc.property(anyKey, anyKey, (prefix, key) => {
    const { above, below } = keyRange(prefix);
    const bytes = latin1(encodeKey(key));
    const inside = bytes > latin1(above) && bytes < latin1(below);
    const under = key.length > prefix.length && prefix.every((part, i) => Object.is(part, key[i]));
    assert.equal(inside, under);
    assert.ok(latin1(encodeKey([...prefix, ...key])) > latin1(above));
    assert.ok(latin1(encodeKey([...prefix, ...key])) < latin1(below));
  }));
});

Deno.test("decodeKey throws for bytes that are no key", () => {
  for (const bytes of [[1], [2, 97], [0x21, 0], [2, 0xc3, 0], [2, 97, 0, 0xff]]) {
    assert.throws(() => decodeKey(new Uint8Array(bytes)), CorruptBytes);
  }
});
