/** Questions of one node to another. */
import { deepEqual, equal } from "node:assert/strict";
import { Asks, question } from "../../server/node/asks.ts";
import { Bugs } from "../../server/node/bugs.ts";
import { ok } from "../../shard/errors.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import type { NodeRef } from "../../shard/name/ids.ts";

const self = { id: "n1", incarnation: 1 } as NodeRef;
const SIZE = question<string, number>("size");

/** The questions of a node that is alone, and its bugs. */
function alone() {
  const errors: string[] = [];
  const log = { error: (event: string) => errors.push(event) } as never;
  const parts = { cell: null, ownership: { self }, bugs: new Bugs(log) } as unknown as NodeParts;
  return { asks: new Asks(() => parts), errors };
}

Deno.test("11: Asks: a replier that throws is a refusal, and a bug in the log", () => {
  const { asks, errors } = alone();
  asks.on(SIZE, () => {
    throw new Error("not now");
  });
  const codes: string[] = [];
  asks.one(self, SIZE, "a", (result) => codes.push(result.ok ? "ok" : result.code));
  deepEqual([codes, errors], [["unavailable"], ["node.bug"]]);
});

Deno.test("11: Asks: what throws after its reply has replied once", () => {
  const { asks, errors } = alone();
  asks.on(SIZE, (text, done) => {
    done(ok(text.length));
    done(ok(0));
    throw new Error("too late");
  });
  const sizes: number[] = [];
  asks.one(self, SIZE, "abc", (result) => sizes.push(result.ok ? result.value : -1));
  deepEqual(sizes, [3]);
  equal(errors.length, 1);
});
