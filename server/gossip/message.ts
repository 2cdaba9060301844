/** What nodes tell each other by gossip. All of it is a hint: the store decides. */
import type { NodeId } from "../../shard/name/ids.ts";

/** What a node says of itself besides that it lives. */
export interface GossipHints {
  /** Whether it may serve by its own lease in the store. */
  readonly leased: boolean;
  /** Version of the newest shard table that it knows. */
  readonly table: number;
  /** Version of its program. */
  readonly version: string;
  /** Users with a session, in its shards. */
  readonly load: number;
  /** Where clients reach it. */
  readonly addresses: readonly string[];
  /** Whether it wants no clients: it is, or was lately, overloaded, or sends its clients away. */
  readonly busy?: boolean;
}

/**
 * A statement about one process of a node (its key). Of two with the same `refuted` the worse one
 * counts; a process that learns that it is suspected says `alive` with a higher one.
 */
export type GossipUpdate =
  | {
    readonly kind: "alive";
    readonly node: NodeId;
    /** How often the process has refuted a suspicion: the incarnation of SWIM. */
    readonly refuted: number;
    /** Rises with every statement that the process makes of itself. */
    readonly stamp: number;
    readonly hints: GossipHints;
  }
  | {
    readonly kind: "suspect" | "dead";
    readonly node: NodeId;
    readonly refuted: number;
    /** Who says so. */
    readonly by: NodeId;
  };

/**
 * A probe or its reply. `ping`: reply with `ack` and the same number. `ping_req`: probe `target`, and
 * reply with `ack` where it does, with `nack` where it does not in time.
 */
export type GossipProbe =
  | { readonly kind: "ping" | "ack" | "nack"; readonly seq: number }
  | { readonly kind: "ping_req"; readonly seq: number; readonly target: NodeId };

/** One message: a probe, and statements that travel with it. */
export interface GossipMessage {
  readonly probe: GossipProbe;
  readonly updates: readonly GossipUpdate[];
}

/** Whether a node says the same of itself. */
export function sameHints(a: GossipHints, b: GossipHints): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
