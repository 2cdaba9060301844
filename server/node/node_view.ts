/** The nodes of a cell as one of them sees them. */
import type { NodeParts } from "./parts.ts";
import type { GossipOfNode } from "./gossip.ts";
import type { LinkAbout } from "./peers.ts";
import type { Member } from "./members.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import { sameNode } from "../../shard/table/placement.ts";

/** A node of a cell as another one sees it. */
export interface NodeView extends NodeRef {
  /** Where other nodes reach it; "" where nobody can. */
  readonly address: string;
  /** Where clients reach it; "" where it does not say. */
  readonly publicUrl: string;
  /** `linked`: there is a link; `unlinked`: it shows signs of life in the store; `dead`: none. */
  readonly state: "this" | "linked" | "unlinked" | "dead";
  readonly shards: readonly number[];
  /** Whether it is to have no shards; `leaving`: it ends once it has none. */
  readonly drained: boolean;
  readonly leaving: boolean;
  /** What gossip says of it; null for this node and where nothing is known. */
  readonly gossip: GossipOfNode | null;
  /** How much this node is behind: 0 (healthy) to 7; null for others. */
  readonly healthScore: number | null;
  /** How far its wall clock is ahead of this node's (ms); null for this node and where not known. */
  readonly clockOffsetMs: number | null;
  /** Why this node has no link to it, where that is known. */
  readonly linkFault: string | null;
}

/** What follows from the shard table and from what operators want. */
export type Derived = "shards" | "drained" | "leaving";

/** What a node is without a cell, but for its id and shards. */
export const ALONE: Omit<NodeView, "id" | "incarnation" | Derived> = {
  address: "",
  publicUrl: "",
  state: "this",
  gossip: null,
  healthScore: 0,
  clockOffsetMs: null,
  linkFault: null,
};

/** Another node. `live`: it shows signs of life. */
export function otherView(
  { id, incarnation, address, publicUrl }: Member,
  { linked, live, gossip, about: { clockOffsetMs, fault } }: Pick<NodeView, "gossip"> & {
    readonly linked: boolean;
    readonly live: boolean;
    readonly about: LinkAbout;
  },
): Omit<NodeView, Derived> {
  const state = linked ? "linked" : live ? "unlinked" : "dead";
  const seen = { state, gossip, healthScore: null, clockOffsetMs, linkFault: fault } as const;
  return { id, incarnation, address, publicUrl, ...seen };
}

/** The nodes of the cell, this one first, with the shards that each owns as far as this one knows. */
export function nodeViews({ cell, control, map, ownership }: NodeParts): readonly NodeView[] {
  const own = { ...ownership.self, ...(cell?.self ?? ALONE) };
  return [own, ...cell?.others ?? []].map((node) => ({
    ...node,
    shards: map.table.shards.filter(({ owner }) => sameNode(owner, node)).map(({ id }) => id),
    drained: control.isDrained(node),
    leaving: control.state.leaving.includes(node.id),
  }));
}
