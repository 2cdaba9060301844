/** The shards of a cell by the users that they have, and those of them that this node has. */
import type { AccountName, NodeRef } from "../../shard/name/ids.ts";
import type { Cells } from "../../shard/federation/cells.ts";
import type { Owned } from "./ports.ts";
import type { Retries } from "../../shard/retry.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import { pointOf } from "../../shard/name/ids.ts";
import { Shard } from "../../shard/step/shard.ts";
import { evenTable, type ShardRow, type ShardTable, withEpochs } from "../../shard/table/table.ts";

/** The shard table, and a shard for each of its rows that this node serves. */
export class ShardMap {
  /** In the order of the table: by their points. */
  shards: readonly Shard[] = [];
  /** Called when this node has some of its shards no more. */
  onRemoved: () => void = () => {};
  #table: ShardTable = evenTable(1);
  #byId = new Map<number, Shard>();
  /** Whether the shards of this node are known; it may have none. */
  #opened = false;
  readonly #limits: ShardLimits;
  readonly #cacheUsersMax: number;
  readonly #retries: Retries;
  readonly #cells: Cells | null;

  /**
   * `cacheUsersMax`: accounts kept in memory, over all shards. `cells`: those of the name space, null
   * for a lone one.
   */
  constructor(
    limits: ShardLimits,
    cacheUsersMax: number,
    retries: Retries,
    cells: Cells | null = null,
  ) {
    this.#limits = limits;
    this.#cacheUsersMax = cacheUsersMax;
    this.#retries = retries;
    this.#cells = cells;
  }

  /** All shards of the cell. */
  get table(): ShardTable {
    return this.#table;
  }

  set table(table: ShardTable) {
    this.#table = table;
  }

  /** Whether every shard has read its log and serves. */
  get ready(): boolean {
    return this.#opened && this.shards.every((s) => s.ready);
  }

  /**
   * Whether every shard serves, or does not because of bugs or because it is taken over: the others do
   * not wait for it.
   */
  settled(takenOver: (shard: Shard) => boolean): boolean {
    return this.#opened && this.shards.every((s) => s.ready || s.down || takenOver(s));
  }

  /** The shard with this id, if this node has it. */
  byId(id: number): Shard | undefined {
    return this.#byId.get(id);
  }

  /** The row of the shard that a user belongs to. */
  rowOf(name: AccountName): ShardRow {
    const point = pointOf(name);
    const rows = this.#table.shards;
    let lo = 0;
    let hi = rows.length - 1;
    while (lo < hi) {
      const mid = (lo + hi + 1) >>> 1;
      if (rows[mid]!.lo <= point) lo = mid;
      else hi = mid - 1;
    }
    return rows[lo]!;
  }

  /** The shard that a user belongs to; undefined where another node has it. */
  shardOf(name: AccountName): Shard | undefined {
    return this.#byId.get(this.rowOf(name).id);
  }

  /** Items by the row of the shard of the user that `nameOf` returns. */
  byRow<T>(items: readonly T[], nameOf: (item: T) => AccountName): Map<ShardRow, T[]> {
    const byRow = new Map<ShardRow, T[]>();
    for (const item of items) {
      const row = this.rowOf(nameOf(item));
      const list = byRow.get(row);
      if (list === undefined) byRow.set(row, [item]);
      else list.push(item);
    }
    return byRow;
  }

  /** A shard for a row of the table, with its share of the accounts in memory. */
  makeShard(row: ShardRow): Shard {
    const cacheAccountsMax = Math.ceil(this.#cacheUsersMax / this.table.shards.length);
    return new Shard(row, { ...this.#limits, cacheAccountsMax }, this.#retries, this.#cells);
  }

  /** Makes the shards of the rows that `mine` picks. */
  open(mine: (row: ShardRow) => boolean): void {
    this.#opened = true;
    this.#set(this.table.shards.filter(mine).map((row) => this.makeShard(row)));
  }

  /** Adds a shard, in the place of the one with the same id where this node has it. */
  put(fresh: Shard): void {
    this.#set([...this.shards.filter(({ id }) => id !== fresh.id), fresh]);
  }

  /** Another node has the shard from now on. */
  remove(shard: Shard): void {
    this.#set(this.shards.filter((s) => s !== shard));
  }

  #set(shards: readonly Shard[]): void {
    const former = this.shards;
    this.shards = [...shards].sort((a, b) => a.lo - b.lo);
    this.#byId = new Map(shards.map((s) => [s.id, s]));
    if (former.some(({ id }) => !this.#byId.has(id))) this.onRemoved();
  }

  /**
   * Puts successors, which `mine` picks, in the place of the shards of a former table. Returns those
   * that could not take over the memory of the shards that end: they must read the log.
   */
  adopt(
    table: ShardTable,
    ended: readonly Shard[],
    mine: (row: ShardRow) => boolean,
  ): readonly { shard: Shard; error: unknown }[] {
    for (const shard of ended) shard.ended = true;
    // Owners that were learned of while the table was written.
    const known = this.table.shards.map(({ id, epoch, owner }) => ({ shard: id, epoch, owner }));
    this.table = withEpochs(table, known);
    const failed: { shard: Shard; error: unknown }[] = [];
    this.#set(this.table.shards.flatMap((row) => {
      const kept = this.#byId.get(row.id);
      if (kept !== undefined) {
        kept.row = row;
        return kept;
      }
      // Where none has ended it is no successor: it was given away, and is claimed before it serves.
      if (!mine(row) || !ended.some(({ lo, hi }) => lo < row.hi && hi > row.lo)) return [];
      const shard = this.makeShard(row);
      try {
        shard.inherit(ended);
      } catch (error) {
        failed.push({ shard, error });
      }
      return shard;
    }));
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
