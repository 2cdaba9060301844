/**
 * Which node should own a shard that has no live owner: rendezvous hashing (Thaler and Ravishankar),
 * with a bound on how many one node gets. Pure: every node that sees the same table and the same live
 * nodes comes to the same result. Shards with a live owner are moved by load, see `balanceMoves`.
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
 * The owner that each shard should have, by its id: the node where `places` puts it, else its owner,
 * where that is among `live` (at least one). The others go to those that have less than their share
 * rounded up: a node with more has it because of its load, and keeps it.
 */
export function placement(
  rows: readonly Pick<ShardRow, "id" | "owner">[],
  live: readonly NodeRef[],
  places: ReadonlyMap<number, NodeId> = new Map(),
): ReadonlyMap<number, NodeRef> {
  const most = Math.ceil(rows.length / live.length);
  const placed = new Map<number, NodeRef>();
  const room = new Map(live.map((node) => [node.id, most]));
  const put = (shard: number, node: NodeRef) => {
    placed.set(shard, node);
    room.set(node.id, Math.max(0, room.get(node.id)! - 1));
  };
  for (const { id, owner } of rows) {
    const node = live.find((node) => node.id === places.get(id)) ??
      live.find((node) => sameNode(node, owner));
    if (node !== undefined) put(id, node);
  }
  for (const { id } of rows) {
    if (!placed.has(id)) put(id, ranked(id, live).find((n) => room.get(n.id)! > 0)!);
  }
  return placed;
}
