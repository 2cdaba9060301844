/** Somebody else claims a shard of a lone node, which learns of it by a change of other shards. */
import { NodeFixture } from "../sim/node_fixture.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { equal, ok } from "node:assert/strict";

const OTHER = { id: "node999999999999" as NodeId, incarnation: 1 };

Deno.test("a lone node claims a shard again whose claim it learns of by a change of unknown outcome", () => {
  const w = new NodeFixture({ shards: 2 });
  const [changed, claimed] = w.node.shards.map(({ id, row }) => ({ id, row }));
  let epoch: number | null = null;
  w.ports.store.claim([{ shard: claimed!.id, epoch: claimed!.row.epoch }], OTHER, (_, owned) => {
    epoch = owned[0]?.epoch ?? null;
  });
  w.settle(100);
  ok(epoch !== null && epoch > claimed!.row.epoch);
  const { lo, hi } = changed!.row;
  w.disk.failNext("applied");
  let done = false;
  w.node.reshape({ of: [changed!.id], at: [lo + Math.floor((hi - lo) / 2)] }, (r) => done = r.ok);
  w.settle();
  ok(done, "the change was made");
  const { row } = w.node.shards.find(({ id }) => id === claimed!.id)!;
  equal(row.owner?.id, w.node.id);
  ok(row.epoch > epoch, `it serves at epoch ${row.epoch}`);
});
