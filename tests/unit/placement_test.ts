import assert from "node:assert/strict";
import fc from "fast-check";
import { placement, sameNode } from "../../shard/table/placement.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";

const node = (n: number): NodeRef => ({ id: `node${n}` as NodeId, incarnation: 1 });
const nodes = (count: number) => Array.from({ length: count }, (_, n) => node(n));
type Rows = { id: number; owner: NodeRef | null }[];
const fresh = (count: number): Rows =>
  Array.from({ length: count }, (_, id) => ({ id, owner: null }));

function place(rows: Rows, live: readonly NodeRef[]): { rows: Rows; moved: number } {
  const placed = placement(rows, live);
  const moved = rows.filter(({ id, owner }) => !sameNode(owner, placed.get(id)!)).length;
  return { rows: rows.map(({ id }) => ({ id, owner: placed.get(id)! })), moved };
}

Deno.test("placement gives every shard one live owner, none more than its share rounded up", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 128 }),
    fc.integer({ min: 1, max: 9 }),
    fc.array(fc.integer({ min: 0, max: 12 })),
    (shards, count, owners) => {
      const rows = fresh(shards).map((row, i) => ({
        ...row,
        owner: owners[i] === undefined ? null : node(owners[i]),
      }));
      const { rows: placed } = place(rows, nodes(count));
      const counts = nodes(count).map((n) => placed.filter((r) => sameNode(r.owner, n)).length);
      assert.equal(counts.reduce((a, b) => a + b), shards);
      assert.ok(Math.max(...counts) <= Math.ceil(shards / count));
      // What is placed stays: no flapping.
      assert.equal(place(placed, nodes(count)).moved, 0);
    },
  ));
});

Deno.test("placement moves only what a new node gets, and only what a dead one had", () => {
  const two = place(fresh(16), nodes(2)).rows;
  const { rows: three, moved } = place(two, nodes(3));
  assert.equal(moved, 4);
  const dead = three.filter(({ owner }) => sameNode(owner, node(0))).length;
  assert.equal(place(three, [node(1), node(2)]).moved, dead);
});

Deno.test("placement takes another incarnation for another owner", () => {
  const rows = place(fresh(4), nodes(1)).rows;
  assert.equal(place(rows, [{ ...node(0), incarnation: 2 }]).moved, 4);
});
