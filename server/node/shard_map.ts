/** The shards of a node by the users that they have. */
import type { AccountName, NodeRef } from "../../shard/name/ids.ts";
import type { Owned } from "./ports.ts";
import type { Retries } from "../../shard/retry.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import { pointOf } from "../../shard/name/ids.ts";
import { Shard } from "../../shard/step/shard.ts";
import { evenTable, type ShardRow, type ShardTable, withEpochs } from "../../shard/table/table.ts";

/** The shard table, and a shard for each of its rows. */
export class ShardMap {
  /** In the order of the table: by their points. */
  shards: readonly Shard[] = [];
  table: ShardTable = evenTable(1);
  readonly #limits: ShardLimits;
  readonly #cacheUsersMax: number;
  readonly #retries: Retries;

  /** `cacheUsersMax`: accounts kept in memory, over all shards. */
  constructor(limits: ShardLimits, cacheUsersMax: number, retries: Retries) {
    this.#limits = limits;
    this.#cacheUsersMax = cacheUsersMax;
    this.#retries = retries;
  }

  /** Whether every shard has read its log and serves. */
  get ready(): boolean {
    return this.shards.length > 0 && this.shards.every((s) => s.ready);
  }

  /**
   * Whether every shard serves, or does not because of bugs or because it is taken over: the others do
   * not wait for it.
   */
  settled(takenOver: (shard: Shard) => boolean): boolean {
    return this.shards.length > 0 && this.shards.every((s) => s.ready || s.down || takenOver(s));
  }

  /** The shard with this id, if there is one. */
  byId(id: number): Shard | undefined {
    return this.shards.find((s) => s.id === id);
  }

  /** The shard that a user belongs to. */
  shardOf(name: AccountName): Shard {
    const point = pointOf(name);
    let lo = 0;
    let hi = this.shards.length - 1;
    while (lo < hi) {
      const mid = (lo + hi + 1) >>> 1;
      if (this.shards[mid]!.lo <= point) lo = mid;
      else hi = mid - 1;
    }
    return this.shards[lo]!;
  }

  /** Items by the shard of the user that `nameOf` returns. */
  byShard<T>(items: readonly T[], nameOf: (item: T) => AccountName): Map<Shard, T[]> {
    const byShard = new Map<Shard, T[]>();
    for (const item of items) {
      const shard = this.shardOf(nameOf(item));
      const list = byShard.get(shard);
      if (list === undefined) byShard.set(shard, [item]);
      else list.push(item);
    }
    return byShard;
  }

  /** A shard for a row of the table, with its share of the accounts in memory. */
  makeShard(row: ShardRow): Shard {
    const cacheAccountsMax = Math.ceil(this.#cacheUsersMax / this.table.shards.length);
    return new Shard(row, { ...this.#limits, cacheAccountsMax }, this.#retries);
  }

  /** Makes the shards of the table. */
  open(): void {
    this.shards = this.table.shards.map((row) => this.makeShard(row));
  }

  /**
   * Puts successors in the place of the shards of a former table. Returns those that could not take
   * over the memory of the shards that end: they must read the log.
   */
  adopt(table: ShardTable, ended: readonly Shard[]): readonly { shard: Shard; error: unknown }[] {
    const before = new Map(this.shards.map((s) => [s.id, s]));
    for (const shard of ended) shard.ended = true;
    this.table = table;
    const failed: { shard: Shard; error: unknown }[] = [];
    this.shards = table.shards.map((row) => {
      const kept = before.get(row.id);
      if (kept !== undefined) {
        kept.row = row;
        return kept;
      }
      const shard = this.makeShard(row);
      try {
        shard.inherit(ended);
      } catch (error) {
        failed.push({ shard, error });
      }
      return shard;
    });
    return failed;
  }

  /** A claim was granted: the shard's row has its epoch and owner from now on. */
  claimed({ shard: id, epoch }: Owned, owner: NodeRef): void {
    this.table = withEpochs(this.table, [{ shard: id, epoch, owner }]);
    const row = this.table.shards.find((s) => s.id === id);
    const shard = this.byId(id);
    if (row !== undefined && shard !== undefined) shard.row = row;
  }
}
