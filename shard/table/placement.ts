/**
 * Which node should own which shard: rendezvous hashing (Thaler and Ravishankar), with a bound on
 * how many one node gets. Pure: every node that sees the same table and the same live nodes comes to
 * the same result, and a node that comes or goes moves no more shards than it must.
 */
import { type NodeId, type NodeRef, pointOf } from "../name/ids.ts";
import type { ShardRow } from "./table.ts";

/** Whether two references name the same process of a node. */
export function sameNode(a: NodeRef | null, b: NodeRef | null): boolean {
  return a === b || a !== null && b !== null && a.id === b.id && a.incarnation === b.incarnation;
}

function score(shard: number, node: NodeId): number {
  return pointOf(`${node} ${shard}`);
}

/** Nodes by their score for a shard, the best first; ties go to the smaller id. */
function ranked(shard: number, nodes: readonly NodeRef[]): readonly NodeRef[] {
  return [...nodes].sort((a, b) =>
    score(shard, b.id) - score(shard, a.id) || (a.id < b.id ? -1 : 1)
  );
}

/**
 * The owner that each shard should have, by its id: among `live` (at least one), no node with more
 * than its share rounded up. Shards stay where they are unless their owner is not live or has too
 * many; it then gives up those that it has the lowest scores for.
 */
export function placement(
  rows: readonly Pick<ShardRow, "id" | "owner">[],
  live: readonly NodeRef[],
): ReadonlyMap<number, NodeRef> {
  const most = Math.ceil(rows.length / live.length);
  const placed = new Map<number, NodeRef>();
  const room = new Map<NodeId, number>();
  for (const node of live) {
    const own = rows.filter(({ owner }) => sameNode(owner, node))
      .sort((a, b) => score(b.id, node.id) - score(a.id, node.id) || a.id - b.id)
      .slice(0, most);
    for (const { id } of own) placed.set(id, node);
    room.set(node.id, most - own.length);
  }
  for (const { id } of rows) {
    if (placed.has(id)) continue;
    const node = ranked(id, live).find((n) => room.get(n.id)! > 0)!;
    placed.set(id, node);
    room.set(node.id, room.get(node.id)! - 1);
  }
  return placed;
}
