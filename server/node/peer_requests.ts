/** What was asked of other nodes and has no reply yet, with a budget for each of them. */
import type { AskedId } from "./peers.ts";
import type { NodeId } from "../../shard/name/ids.ts";

/**
 * Requests that one node may have from this one without a reply: some seconds of full load. One that
 * is slow is asked no more, so that what waits for it takes neither memory nor the others' time.
 */
const EACH_MAX = 10_000;

/** Of which node something was asked, and of the owner at which epoch. */
export interface AskedOf {
  readonly peer: NodeId;
  readonly shard: number;
  readonly epoch: number;
}

/** See the head of this file. */
export class PeerRequests {
  readonly #of = new Map<AskedId, AskedOf>();
  readonly #counts = new Map<NodeId, number>();

  /** Whether a node has as many requests as it may. */
  isFull(peer: NodeId): boolean {
    return (this.#counts.get(peer) ?? 0) >= EACH_MAX;
  }

  add(asked: AskedId, of: AskedOf): void {
    this.take(asked);
    this.#of.set(asked, of);
    this.#counts.set(of.peer, (this.#counts.get(of.peer) ?? 0) + 1);
  }

  get(asked: AskedId): AskedOf | undefined {
    return this.#of.get(asked);
  }

  /** Takes out what was asked, if it has no reply yet. */
  take(asked: AskedId): AskedOf | undefined {
    const of = this.#of.get(asked);
    if (of === undefined) return undefined;
    this.#of.delete(asked);
    const left = this.#counts.get(of.peer)! - 1;
    if (left === 0) this.#counts.delete(of.peer);
    else this.#counts.set(of.peer, left);
    return of;
  }

  /** Takes out all that was asked of a node, in the order in which it was. */
  takeAll(peer: NodeId): readonly AskedId[] {
    const all = [...this.#of].filter(([, of]) => of.peer === peer).map(([asked]) => asked);
    for (const asked of all) this.take(asked);
    return all;
  }
}
