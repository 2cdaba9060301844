/**
 * Shards that this node gives to another one, one after another: what comes for a shard is held until
 * nothing of it is under way; then its new owner gets it, and what was held follows.
 */
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "./parts.ts";
import type { PeerFrame } from "./peers.ts";
import type { Shard } from "../../shard/step/shard.ts";
import { peerKey } from "./peers.ts";
import { sameNode } from "../../shard/table/placement.ts";
import { withEpochs } from "../../shard/table/table.ts";

/** How long a node that was given a shard has to claim it (ms). */
const GIVEN_MS = 2000;

/** What it needs of its cell. */
export interface GivingHost {
  isLinked(peer: NodeId): boolean;
  send(peer: NodeId, frame: PeerFrame): void;
  /** Whether the shard is this node's and may be given away now. */
  mayGive(shard: Shard): boolean;
  /** Commits soon what is open. */
  hurry(): void;
  /** Drops a shard; what was asked of it goes to its new owner. */
  drop(shard: Shard): void;
}

/** See the head of this file. */
export class Giving {
  readonly #parts: () => NodeParts;
  readonly #host: GivingHost;
  #now: { readonly shard: Shard; readonly to: NodeRef } | null = null;
  /** Shards that were given away, and until when they are to be claimed. */
  readonly #given = new Map<number, number>();

  constructor(parts: () => NodeParts, host: GivingHost) {
    this.#parts = parts;
    this.#host = host;
  }

  /** Whether a shard was given away and may still be claimed. */
  isGiven(shard: number): boolean {
    return (this.#given.get(shard) ?? 0) > this.#parts().ports.clock.monoMs();
  }

  /** Another node has claimed the shard. */
  claimed(shard: number): void {
    this.#given.delete(shard);
  }

  /** Begins to give away the first shard that another node should have, unless one is on its way. */
  next(placed: ReadonlyMap<number, NodeRef>): void {
    const { dispatch, map, ownership } = this.#parts();
    if (this.#now !== null || !map.ready) return;
    const shard = map.shards.find((shard) => {
      const to = placed.get(shard.id)!;
      if (sameNode(to, ownership.self) || !this.#host.isLinked(peerKey(to))) return false;
      return this.#host.mayGive(shard);
    });
    if (shard === undefined) return;
    this.#now = { shard, to: placed.get(shard.id)! };
    dispatch.hold([shard]);
    this.#host.hurry();
    this.turnEnded();
  }

  /** After a turn: goes on when nothing of the shard is under way. */
  turnEnded(): void {
    if (this.#now === null) return;
    const { shard, to } = this.#now;
    const { dispatch, map, ports: { clock, log } } = this.#parts();
    if (shard.ended || !this.#host.isLinked(peerKey(to))) {
      this.#now = null;
      return dispatch.release([shard]);
    }
    if (!shard.quiescent) return;
    this.#now = null;
    const { id, row: { epoch } } = shard;
    this.#given.set(id, clock.monoMs() + GIVEN_MS);
    this.#host.send(peerKey(to), { kind: "give", shard: id, epoch });
    map.table = withEpochs(map.table, [{ shard: id, epoch, owner: to }]);
    log.info("shard given away", { shard: id, to: to.id });
    // What is held goes to the new owner behind the frame that makes it one.
    shard.ended = true;
    map.remove(shard);
    dispatch.release([shard]);
    this.#host.drop(shard);
  }
}
