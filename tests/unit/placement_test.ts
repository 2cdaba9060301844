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
      const countsOf = (rows: Rows) =>
        nodes(count).map((n) => rows.filter((r) => sameNode(r.owner, n)).length);
      const counts = countsOf(placed);
      assert.equal(counts.reduce((a, b) => a + b), shards);
      // A node that has more already keeps what it has, and gets nothing.
      const most = countsOf(rows).map((own) => Math.max(own, Math.ceil(shards / count)));
      assert.ok(counts.every((has, i) => has <= most[i]!));
      // What is placed stays: no flapping.
      assert.equal(place(placed, nodes(count)).moved, 0);
    },
  ));
});

Deno.test("placement moves nothing to a new node by itself, and only what a dead one had", () => {
  const two = place(fresh(16), nodes(2)).rows;
  assert.equal(place(two, nodes(3)).moved, 0);
  const three = place(fresh(16), nodes(3)).rows;
  const dead = three.filter(({ owner }) => sameNode(owner, node(0))).length;
  assert.equal(place(three, [node(1), node(2)]).moved, dead);
});

Deno.test("placement takes another incarnation for another owner", () => {
  const rows = place(fresh(4), nodes(1)).rows;
  assert.equal(place(rows, [{ ...node(0), incarnation: 2 }]).moved, 4);
});

Deno.test("placement puts shards where an operator wants them, while that node lives", () => {
  const rows = place(fresh(6), nodes(3)).rows;
  const places = new Map(rows.map(({ id }) => [id, node(2).id]));
  const placed = placement(rows, nodes(3), places);
  assert.ok([...placed.values()].every((owner) => sameNode(owner, node(2))));
  const without = placement(rows, nodes(2), places);
  assert.ok([...without.values()].every((owner) => !sameNode(owner, node(2))));
});
