/** What shards of other nodes have for the edge of this one. */
import type { EdgePacket } from "../../shard/edge_packet.ts";
import { type Peer, type PeerFrame, peerKey } from "./peers.ts";
import type { ShardRow } from "../../shard/table/table.ts";
import { pointOf } from "../../shard/name/ids.ts";

/** The packet for the edge; null: it is late. `row`: of its shard, where that is known here. */
export function fromAfar(
  from: Peer,
  { epoch, packet }: PeerFrame & { readonly kind: "edge" },
  row: ShardRow | undefined,
): EdgePacket | null {
  // What a former owner says is late. An owner may claim its shard again, and keep its memory.
  const isOwner = row?.owner != null && peerKey(row.owner) === from.key;
  if (row !== undefined && epoch < row.epoch && !isOwner) return null;
  if (packet.kind === "announce") return { ...packet, lossy: true };
  if (packet.kind !== "revoke" || row === undefined) return packet;
  const has = (point: number) => point >= row.lo && point < row.hi;
  // What one shard says of both comes in its order.
  const isTheirs = has(pointOf(packet.watched)) && !has(pointOf(packet.watcher));
  return isTheirs ? { ...packet, theirs: true } : packet;
}
