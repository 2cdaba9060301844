import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { FewMap, FewSet } from "../../shard/account/few.ts";

const key = fc.integer({ min: 0, max: 20 });
const steps = fc.array(fc.tuple(fc.constantFrom("set", "delete", "clear"), key, fc.string()), {
  maxLength: 80,
});

Deno.test("FewMap holds what a Map holds, in the same order", () => {
  fc.assert(fc.property(steps, (list) => {
    const few = new FewMap<number, string>();
    const map = new Map<number, string>();
    for (const [step, k, value] of list) {
      if (step === "set") {
        few.set(k, value);
        map.set(k, value);
      } else if (step === "delete") equal(few.delete(k), map.delete(k));
      else if (k === 0) {
        few.clear();
        map.clear();
      }
      equal(few.size, map.size);
      deepEqual(few.values(), [...map.values()]);
      for (let n = 0; n <= 20; n++) equal(few.get(n), map.get(n));
    }
  }));
});

Deno.test("items may be removed from a FewSet while it is gone through", () => {
  for (const count of [3, 30]) {
    const set = new FewSet<number>();
    for (let n = 0; n < count; n++) set.add(n);
    const seen: number[] = [];
    for (const n of set) {
      seen.push(n);
      set.delete(n);
    }
    deepEqual(seen, Array.from({ length: count }, (_, n) => n));
    equal(set.size, 0);
    equal(set.has(0), false);
  }
});
