/** Asking the owner of a shard to give it to another node, wherever the owner is. */
import type { Moved } from "./giving.ts";
import type { NodeParts } from "./parts.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import { fail, type Result } from "../../shard/errors.ts";
import { peerKey } from "./peers.ts";
import { sameNode } from "../../shard/table/placement.ts";

/** When a cell exists that a move can be asked of again (ms). */
const AGAIN_MS = 250;

/** Asks the owner, which may be this node; see `Giving.move`. */
export function askMove(
  { cell, map, ownership }: NodeParts,
  shard: number,
  to: NodeRef,
  done: (result: Result<Moved>) => void,
): void {
  const owner = map.table.shards.find(({ id }) => id === shard)?.owner ?? null;
  if (cell === null || owner === null) {
    return done(fail("unavailable", `Shard ${shard} has no owner`, AGAIN_MS));
  }
  if (sameNode(owner, ownership.self)) return cell.shares.move(shard, to, done);
  const replied = done as (result: Result<unknown>) => void;
  cell.calls.call(peerKey(owner), { kind: "move", shard, to }, replied);
}
