/**
 * Which other nodes of the cell are linked, and which processes show signs of life: by their rows in
 * the store or by gossip. A process that is known to have ended shows none, whatever they say.
 */
import type { Gossip } from "./gossip.ts";
import type { Members } from "./members.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "./parts.ts";
import { type Peer, peerKey } from "./peers.ts";
import { sameNode } from "../../shard/table/placement.ts";

/** See the head of this file. */
export class Liveness {
  readonly #parts: () => NodeParts;
  readonly #members: Members;
  readonly #gossip: Gossip;
  readonly #linked = new Map<NodeId, Peer>();
  /** Processes that are known to have ended, and since when (monotonic, ms). */
  readonly #gone = new Map<NodeId, number>();

  constructor(parts: () => NodeParts, members: Members, gossip: Gossip) {
    this.#parts = parts;
    this.#members = members;
    this.#gossip = gossip;
  }

  /** The nodes that are linked, by the keys of their processes. */
  get linked(): ReadonlyMap<NodeId, Peer> {
    return this.#linked;
  }

  /** A process is linked: the former ones of its node have ended. */
  link(peer: Peer): void {
    this.#linked.set(peer.key, peer);
    this.#gone.delete(peer.key);
    for (const { id, incarnation: of } of this.#members.others) {
      if (id === peer.id && of < peer.incarnation) this.#end(peerKey({ id, incarnation: of }));
    }
  }

  /** A process is not linked any more. */
  unlink(peer: Peer): void {
    this.#linked.delete(peer.key);
  }

  /** A process has ended. */
  end(peer: Peer): void {
    this.#end(peer.key);
  }

  #end(key: NodeId): void {
    if (!this.#gone.has(key)) this.#gone.set(key, this.#parts().ports.clock.monoMs());
  }

  /** Since when a process is known to have ended (monotonic, ms); null: it is not. */
  goneMs(node: NodeRef): number | null {
    return this.#gone.get(peerKey(node)) ?? null;
  }

  /** Whether a process is known to have ended. */
  isGone(node: NodeRef): boolean {
    return this.#gone.has(peerKey(node));
  }

  /** Whether a process shows signs of life. */
  isLive(node: NodeRef): boolean {
    const { ownership: { self } } = this.#parts();
    if (node.id === self.id) return sameNode(node, self);
    if (this.isGone(node)) return false;
    return this.#members.isAlive(node) || this.#gossip.showsLease(peerKey(node));
  }

  /** The processes that show signs of life, this one first. */
  live(): readonly NodeRef[] {
    const { ownership: { self } } = this.#parts();
    return [self, ...this.#members.others.filter((member) => this.isLive(member))]
      .map(({ id, incarnation }) => ({ id, incarnation }));
  }
}
