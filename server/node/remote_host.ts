import type { Effect } from "../../shard/effects.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { PeerLinks } from "./peers.ts";
import type { Shard } from "../../shard/step/shard.ts";

/** What `Remote` needs of its cell. */
export interface RemoteHost {
  readonly links: PeerLinks;
  isLinked(peer: NodeId): boolean;
  readonly mayServe: boolean;
  /** Who owns what is not as was thought: the store is asked. */
  look(): void;
  /** Does an effect of a shard. */
  execute(shard: Shard, effect: Effect): void;
  /** Drops what a shard has in memory: its owner, this node or another, reads it again. */
  drop(shard: Shard): void;
}
