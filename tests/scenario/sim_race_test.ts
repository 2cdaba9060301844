/** The simulator's race for the shards of a node that is killed. */
import { deepEqual, equal } from "node:assert/strict";
import type { Cluster } from "../sim/cluster.ts";
import type { Holder } from "../../server/node/ports.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { strikeCell } from "../sim/cell_faults.ts";
import { twoNodes } from "./two_nodes.ts";

function evenCluster(): Cluster {
  const cluster = twoNodes();
  for (const node of cluster.nodes) node.start();
  const uneven = () => !cluster.nodes.every((n) => n.serving && n.answering.length === 2);
  cluster.await("even shares", uneven, 15_000);
  return cluster;
}

/** Who owns what, as the store has it. */
function holdersOf(cluster: Cluster): readonly Holder[] {
  const { cell, time } = cluster;
  let found: readonly Holder[] = [];
  cell!.store.of("node000000000009" as NodeId, time.global)
    .holders((_, holders) => found = holders);
  cluster.await("the owners", () => found.length === 0, 100);
  return found;
}

/** The shards that the store has as a node's. */
function heldBy(cluster: Cluster, node: NodeId): readonly number[] {
  return holdersOf(cluster).filter(({ owner }) => owner?.id === node).map(({ shard }) => shard);
}

Deno.test("11: a race claims nothing for a node that has the memory of an earlier owner yet", () => {
  const cluster = evenCluster();
  const { cell } = cluster;
  const [first, second] = cluster.nodes;
  const before = heldBy(cluster, second!.id);
  // It does not learn that its shards are claimed.
  cell!.cut(first!.id, second!.id, true);
  cell!.store.keepFrom(second!.id, true);
  cluster.await("a takeover", () => first!.answering.length < 4, 30_000);
  deepEqual(second!.running.node.shards.map(({ id }) => id), before);
  cell!.store.keepFrom(second!.id, false);
  strikeCell(cluster, first!, "race", () => true);
  cluster.time.runFor(15);
  const claimed = heldBy(cluster, second!.id);
  equal(claimed.length, 2);
  deepEqual(claimed.filter((shard) => before.includes(shard)), []);
});
