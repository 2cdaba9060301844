/** How a node comes to own shards: claims that raise their epochs, at start and after doubts. */
import type { Holder, Owned, Ports, StoreError } from "./ports.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { ShardRow } from "../../shard/table/table.ts";

/** What it needs of its node. */
export interface OwnershipHost {
  readonly ports: Ports;
  /** The shard has this epoch from now on, and this node owns it. */
  claimed(owned: Owned): void;
  /** What the shard has in memory is not what the store has: it must be read again. */
  outdated(shard: Shard): void;
  /** Another node has claimed the shard. */
  fenced(shard: Shard): void;
}

/** The claims of one process. */
export class Ownership {
  readonly #host: OwnershipHost;
  #self: NodeRef;

  constructor(id: NodeId, host: OwnershipHost) {
    this.#self = { id, incarnation: 1 };
    this.#host = host;
  }

  /** This process. Its incarnation is known once the shards have been claimed at start. */
  get self(): NodeRef {
    return this.#self;
  }

  /** Makes this process the next incarnation of its node, over `known` too. */
  begin(holders: readonly Holder[], known = 0): void {
    const mine = holders.filter(({ owner }) => owner?.id === this.#self.id);
    const last = Math.max(known, ...mine.map(({ owner }) => owner!.incarnation));
    this.#self = { id: this.#self.id, incarnation: last + 1 };
  }

  /** Claims the shards of a table at start, all in one write. An error where one is not granted. */
  claimAll(rows: readonly ShardRow[], done: (error: StoreError | null) => void): void {
    const claims = rows.map(({ id, epoch }) => ({ shard: id, epoch }));
    this.#host.ports.store.claim(claims, this.#self, (error, owned) => {
      if (error !== null) return done(error);
      const refused = rows.filter((_, i) => owned[i] === null).map(({ id }) => id);
      if (refused.length > 0) {
        return done({ kind: "failed", message: `shards ${refused.join(", ")} are not to be had` });
      }
      for (const each of owned) this.#host.claimed(each!);
      done(null);
    });
  }

  /**
   * Claims shards again whose claims are void, but whose owner this process still is. Their memory
   * stays where it is what the log says. `settles`: takes the head of a log; returns whether that
   * decides what the shard waits for.
   */
  reclaim(
    shards: readonly Shard[],
    settles: (shard: Shard, head: number) => boolean,
    done: (error: StoreError | null) => void,
  ): void {
    const { store } = this.#host.ports;
    store.holders((error, holders) => {
      if (error !== null) return done(error);
      const epochs = new Map(holders.map((h) => [h.shard, h]));
      const mine = shards.filter((shard) => {
        const holder = epochs.get(shard.id);
        const same = holder?.epoch === shard.row.epoch;
        // An own claim of unknown outcome may have raised it.
        if (same || holder !== undefined && this.#isSelf(holder.owner)) return !shard.ended;
        if (!shard.ended) this.#host.fenced(shard);
        return false;
      });
      const claims = mine.map(({ id }) => ({ shard: id, epoch: epochs.get(id)!.epoch }));
      store.claim(claims, this.#self, (error, owned) => {
        if (error !== null) return done(error);
        mine.forEach((shard, i) => this.#reclaimed(shard, owned[i]!, settles));
        done(null);
      });
    });
  }

  #reclaimed(
    shard: Shard,
    owned: Owned | null,
    settles: (shard: Shard, head: number) => boolean,
  ): void {
    if (shard.ended) return;
    if (owned === null) return this.#host.fenced(shard);
    this.#host.claimed(owned);
    if (settles(shard, owned.head)) return;
    if (shard.ready && shard.lastLsn !== owned.head) this.#host.outdated(shard);
  }

  #isSelf(owner: NodeRef | null): boolean {
    return owner?.id === this.#self.id && owner.incarnation === this.#self.incarnation;
  }

  /**
   * Takes a shard from its owner, this process included, and tries until it has it. Null: the
   * shard has ended meanwhile, or `wanted` returns false. `wanted` is also asked with the owner,
   * before the shard is claimed.
   */
  takeOver(
    shard: number,
    wanted: (owner?: NodeRef | null) => boolean,
    done: (owned: Owned | null) => void,
  ): void {
    this.#take(shard, wanted, 1, done);
  }

  #take(
    shard: number,
    wanted: (owner?: NodeRef | null) => boolean,
    tries: number,
    done: (owned: Owned | null) => void,
  ): void {
    const { store, timers, log, random, retries } = this.#host.ports;
    const again = (error: StoreError) => {
      log.error("shard not claimed", { shard, kind: error.kind, error: error.message });
      const waitMs = retries.againMs("claim", tries, random.number());
      timers.after(waitMs, () => this.#take(shard, wanted, tries + 1, done));
    };
    if (!wanted()) return done(null);
    store.holders((error, holders) => {
      if (error !== null) return again(error);
      const holder = holders.find((h) => h.shard === shard);
      if (holder === undefined || !wanted(holder.owner)) return done(null);
      store.claim([holder], this.#self, (error, [owned]) => {
        if (error !== null) return again(error);
        if (owned == null) return this.#take(shard, wanted, tries, done);
        this.#host.claimed(owned);
        done(owned);
      });
    });
  }
}
