import assert from "node:assert/strict";
import fc from "fast-check";
import type { StoreKey } from "../../server/node/ports.ts";
import { addChecksum, checkRow, CHECKSUM_BYTES } from "../../server/store/row_checksum.ts";
import { CheckedRows } from "../../server/store/checked_rows.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { Prng } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const KEY: StoreKey = ["u", 12345, "ann", 0];

const anyKey: fc.Arbitrary<StoreKey> = fc.array(
  fc.oneof(fc.nat(), fc.constantFrom("u", "s1:u", "n1;", "", "é")),
  { minLength: 1, maxLength: 4 },
);

Deno.test("10.6: checkRow returns what addChecksum was given", () => {
  fc.assert(fc.property(anyKey, fc.uint8Array({ maxLength: 300 }), (key, value) => {
    const row = checkRow(key, addChecksum(key, value), false);
    assert.deepEqual(row, { kind: "whole", value });
  }));
});

Deno.test("10.6: checkRow never returns another value than the one written, whichever bit is flipped", () => {
  const value = new Uint8Array(40).map((_, i) => i * 7);
  const stored = addChecksum(KEY, value);
  for (let bit = 0; bit < stored.length * 8; bit++) {
    const flipped = stored.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    for (const plainRows of [false, true]) {
      const row = checkRow(KEY, flipped, plainRows);
      // Only the mark can be flipped without harm.
      if (bit < 32) assert.deepEqual(row, { kind: "whole", value });
      else assert.equal(row.kind, "damaged", `bit ${bit}`);
    }
  }
});

Deno.test("10.6: checkRow notices a truncated row, and a row under the key of another", () => {
  const value = new Uint8Array(40).fill(3);
  const stored = addChecksum(KEY, value);
  for (let length = 0; length < stored.length; length++) {
    const row = checkRow(KEY, stored.subarray(0, length), false);
    assert.equal(row.kind, "damaged", `${length} bytes`);
  }
  fc.assert(fc.property(anyKey, anyKey, (one, other) => {
    if (one.join("\n") === other.join("\n")) return;
    assert.equal(checkRow(other, addChecksum(one, value), true).kind, "damaged");
  }));
});

Deno.test("10.6: checkRow reads rows of programs before checksums only where there may be some", () => {
  for (const bytes of [[1], [1, 2, 3], [123, 34, 97, 34, 58, 49, 125, 10, 32], []]) {
    const stored = new Uint8Array(bytes);
    assert.deepEqual(checkRow(KEY, stored, true), { kind: "plain", value: stored });
    assert.equal(checkRow(KEY, stored, false).kind, "damaged");
  }
  assert.equal(CHECKSUM_BYTES, 8);
});

/** Rows on a disk, and what was observed of their damage. */
function rowsWithDamage() {
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng(1));
  const observed: StoreKey[] = [];
  const rows = disk.open(time.process(), (key) => observed.push(key));
  assert.ok(rows instanceof CheckedRows);
  rows.write(
    ["a", "b", "c"].map((name) => ({ kind: "set", key: ["t", name], value: new Uint8Array(9) })),
    () => {},
  );
  time.runUntilIdle();
  for (const { key, value } of disk.stored(["t"])) if (key[1] === "b") value[10]! ^= 4;
  return { time, rows, observed };
}

Deno.test("10.6: CheckedRows names the damaged rows of a read and a list, and reads others", () => {
  const { time, rows, observed } = rowsWithDamage();
  const seen: unknown[] = [];
  rows.read(
    [["t", "a"], ["t", "b"]],
    (error) => seen.push(error?.kind === "damaged" && error.keys),
  );
  rows.read([["t", "a"], ["t", "c"]], (error, values) => seen.push(error ?? values.length));
  rows.list({ prefix: ["t"], after: null, limit: 9 }, (error) => {
    seen.push(error?.kind === "damaged" && error.keys);
  });
  rows.list({ prefix: ["t"], after: null, limit: 9, keysOnly: true }, (error, listed) => {
    seen.push(error ?? listed.map(({ key, value }) => `${key[1]}${value.length}`).join());
  });
  time.runUntilIdle();
  assert.deepEqual(seen, [[["t", "b"]], 2, [["t", "b"]], "a0,b0,c0"]);
  assert.deepEqual(observed, [["t", "b"], ["t", "b"]]);
});
