/** The frames in which a node passes inputs of shards on to their owners. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { PeerFrame } from "./peers.ts";
import type { ShardInput } from "../../shard/effects.ts";
import type { ShardRow } from "../../shard/table/table.ts";

/** What the owner of a shard replies to. */
export type Asked = ShardInput & { readonly kind: "request" | "interest" };

/** What of another cell is for another node of this one keeps how far it has come. */
export function carriedFrame(input: ShardInput & { readonly kind: "packet" }): PeerFrame {
  const { packet, hops } = input;
  return hops === undefined ? { kind: "packet", packet } : { kind: "carried", packet, hops };
}

/** Asks the owner of the shard at the epoch of its row. */
export function askedFrame({ id: shard, epoch }: ShardRow, input: Asked): PeerFrame {
  const asked = input.request;
  if (input.kind === "interest") {
    return { kind: "interest", asked, shard, epoch, items: input.items };
  }
  const { name, op, input: of, seed, accountId = null } = input;
  return { kind: "request", asked, shard, epoch, name, op, input: of, seed, accountId };
}

/** Nobody at this node watches these users of the shard any more. */
export function uninterestFrame(
  { id: shard, epoch }: ShardRow,
  watched: readonly AccountName[],
): PeerFrame {
  return { kind: "uninterest", shard, epoch, watched };
}
