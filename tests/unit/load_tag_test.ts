import assert from "node:assert/strict";
import fc from "fast-check";
import { formatTag, TagReader } from "../../server/load/tag.ts";

function read(text: string, from = 0, to = text.length): TagReader | null {
  const tag = new TagReader();
  return tag.read(new TextEncoder().encode(text), from, to) ? tag : null;
}

Deno.test("TagReader reads back what formatTag wrote, with anything behind it", () => {
  const number = fc.nat({ max: 2 ** 31 });
  const us = fc.integer({ min: 0, max: 4e15 });
  fc.assert(fc.property(number, number, us, fc.string(), (run, n, dueUs, rest) => {
    const tag = read(formatTag(run, n, dueUs) + rest);
    assert.deepEqual([tag?.run, tag?.number, tag?.dueUs], [run, n, dueUs]);
  }));
});

Deno.test("TagReader refuses what is no tag, or ends before the tag does", () => {
  for (const text of ["", "hello", "~", "~1.2~", "~1.2.3.4~", "~1.2.3", "~1.2.X~", "~1.-2.3~"]) {
    assert.equal(read(text), null, text);
  }
  assert.equal(read("~1.2.3~", 0, 6), null);
  assert.equal(read("~1.2.3~", -1, 6), null);
  assert.notEqual(read("x~1.2.3~", 1), null);
});
