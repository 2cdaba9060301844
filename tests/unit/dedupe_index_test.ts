import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { DedupeIndex } from "../../shard/message/dedupe_index.ts";
import { hashText } from "../../shard/message/dedupe_hash.ts";

const KEY = { k0: 1, k1: 2 };
const hashOf = (i: number) => hashText(KEY, `key ${i}`);

Deno.test("DedupeIndex finds what was added in blocks that are not dropped, and no others", () => {
  const counts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(counts, fc.integer({ min: 0, max: 45 }), (blocks, drop) => {
      const index = new DedupeIndex(64);
      const blockOf: number[] = [];
      blocks.forEach((count, i) => {
        for (let n = 0; n < count; n++) {
          index.add(hashOf(blockOf.length), i + 1, (i + 1) * 10 + n);
          blockOf.push(i + 1);
        }
      });
      index.dropBefore(drop);
      const kept = blockOf.filter((block) => block >= drop);
      equal(index.count, kept.length);
      blockOf.forEach((block, i) => {
        deepEqual(index.candidates(hashOf(i)), block >= drop ? [block] : []);
      });
      deepEqual(index.candidates(hashOf(-1)), []);
      const oldest = kept[0];
      equal(index.oldestAt, oldest === undefined ? null : oldest * 10 + blocks[oldest - 1]! - 1);
      equal(index.firstSince(0), oldest ?? null);
      equal(index.firstSince(1e9), null);
    }),
    { numRuns: 200 },
  );
});

Deno.test("DedupeIndex with few bits names every block with such a hash, newest first", () => {
  for (const bits of [1, 4, 31, 32, 33, 40]) {
    const index = new DedupeIndex(bits);
    for (let block = 1; block <= 50; block++) index.add(hashOf(block), block, block);
    for (let i = 1; i <= 50; i++) {
      const same = (a: number, b: number) => {
        const [x, y] = [hashOf(a), hashOf(b)];
        const low = bits >= 32 ? 2 ** 32 : 2 ** bits;
        const high = bits <= 32 ? 1 : 2 ** (bits - 32);
        return x.second % low === y.second % low && x.first % high === y.first % high;
      };
      const wanted = Array.from({ length: 50 }, (_, n) => 50 - n).filter((n) => same(n, i));
      deepEqual(index.candidates(hashOf(i)), wanted, `${bits} bits`);
    }
  }
});

Deno.test("DedupeIndex takes at most 24 bytes a message at every size, and gives them back", () => {
  const index = new DedupeIndex(64);
  for (let i = 1; i <= 100_000; i++) {
    index.add(hashOf(i), Math.floor(i / 32), i);
    if (i >= 100) ok(index.bytes <= 24 * i, `${index.bytes} bytes for ${i} messages`);
  }
  ok(index.bytes <= 16 * 100_000, `${index.bytes} bytes`);
  deepEqual(index.candidates(hashOf(50_000)), [Math.floor(50_000 / 32)]);
  // What was dropped leaves memory, but for one run.
  index.dropBefore(3000);
  ok(index.bytes <= 24 * index.count + 12 * 32_768, `${index.bytes} bytes for ${index.count}`);
  index.dropBefore(1e6);
  equal(index.count + index.bytes, 0);
  index.add(hashOf(7), 1e6, 7);
  deepEqual(index.candidates(hashOf(7)), [1e6]);
});
