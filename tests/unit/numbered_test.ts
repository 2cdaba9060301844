import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { Numbered } from "../../server/node/numbered.ts";

Deno.test("Numbered holds what a Map holds, in the order of the numbers", () => {
  const step = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 300 }));
  fc.assert(fc.property(fc.array(step, { maxLength: 600 }), (list) => {
    const items = new Numbered<number>();
    const map = new Map<number, number>();
    let last = 5;
    for (const [kind, back] of list) {
      if (kind > 0) {
        last += kind;
        items.set(last, last * 2);
        map.set(last, last * 2);
      } else {
        const number = last - back;
        equal(items.take(number), map.get(number));
        map.delete(number);
      }
      equal(items.size, map.size);
    }
    deepEqual([...items.values()], [...map.values()]);
    for (let n = 0; n <= last + 1; n++) equal(items.get(n), map.get(n));
  }));
});

Deno.test("items may be taken while they are gone through, and one may stay for long", () => {
  const items = new Numbered<string>();
  items.set(1, "stays");
  for (let n = 2; n < 5000; n++) {
    items.set(n, `${n}`);
    if (n > 10) equal(items.take(n - 5), `${n - 5}`);
  }
  const seen: string[] = [];
  for (const item of items.values()) {
    seen.push(item);
    items.take(item === "stays" ? 1 : Number(item));
  }
  equal(seen[0], "stays");
  equal(items.size, 0);
  throws(() => {
    items.set(7000, "a");
    items.set(6999, "b");
  }, RangeError);
});
