/**
 * Statements that are still to be spread (SWIM section 4.1; `queue.go` of memberlist): each travels
 * with so many messages that all nodes have it with high probability, the least spread first.
 */
import type { GossipUpdate } from "./message.ts";
import type { NodeId } from "../../shard/name/ids.ts";

/** Statements in one message. */
export const UPDATES_MAX = 8;
const RETRANSMIT_MULT = 4;

/** How many messages a statement travels with in a cell of so many nodes. */
export function transmissionsOf(nodes: number): number {
  return RETRANSMIT_MULT * Math.ceil(Math.log10(nodes + 1));
}

interface Queued {
  readonly update: GossipUpdate;
  sent: number;
}

/** See the head of this file. */
export class Updates {
  /** By node: what is newer takes the place of what was said before. */
  readonly #queued = new Map<NodeId, Queued>();

  /** Statements that wait. */
  get size(): number {
    return this.#queued.size;
  }

  /** Spreads a statement instead of what was to be said about its node. */
  add(update: GossipUpdate): void {
    this.#queued.set(update.node, { update, sent: 0 });
  }

  /** Spreads nothing about a node any more. */
  delete(node: NodeId): void {
    this.#queued.delete(node);
  }

  /** The statements of the next message, which has `first` in any case. */
  take(nodes: number, first: GossipUpdate | null): readonly GossipUpdate[] {
    const limit = transmissionsOf(nodes);
    const taken = first === null ? [] : [first];
    const rest = [...this.#queued.values()].filter(({ update }) => update.node !== first?.node)
      .sort((a, b) => a.sent - b.sent).slice(0, UPDATES_MAX - taken.length);
    for (const queued of rest) {
      taken.push(queued.update);
      if (++queued.sent >= limit) this.#queued.delete(queued.update.node);
    }
    return taken;
  }
}
