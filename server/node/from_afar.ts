/** What a node adds to packets that shards of other nodes have for its edge. */
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { ShardRow } from "../../shard/table/table.ts";
import { pointOf } from "../../shard/name/ids.ts";

/** The packet for the edge; `row`: of the shard that it is from, where that is known here. */
export function fromAfar(packet: EdgePacket, row: ShardRow | undefined): EdgePacket {
  if (packet.kind === "announce") return { ...packet, lossy: true };
  if (packet.kind !== "revoke" || row === undefined) return packet;
  const has = (point: number) => point >= row.lo && point < row.hi;
  // What one shard says of both comes in its order.
  const isTheirs = has(pointOf(packet.watched)) && !has(pointOf(packet.watcher));
  return isTheirs ? { ...packet, theirs: true } : packet;
}
