/**
 * What a node knows of the shard table never becomes older, in whichever order it learns of changes:
 * neither the table's version nor the epoch of a shard falls.
 */
import type { ShardTable } from "../../shard/table/table.ts";
import { Violation } from "./history.ts";

/** A process that knows a table. */
export interface KnowsTable {
  readonly table: ShardTable;
}

/** See the head of this file. */
export class KnownTables {
  readonly #known = new WeakMap<KnowsTable, ShardTable>();

  /** Compares what a process knows now with what it knew at the last call. `who` names it. */
  look(process: KnowsTable, who: string): void {
    const { table } = process;
    const before = this.#known.get(process);
    if (before === table) return;
    this.#known.set(process, table);
    if (before === undefined) return;
    if (table.version < before.version) {
      fail(`${who} goes back from version ${before.version} to ${table.version}`);
    }
    const epochs = new Map(before.shards.map(({ id, epoch }) => [id, epoch]));
    for (const { id, epoch } of table.shards) {
      const known = epochs.get(id) ?? 0;
      if (epoch < known) fail(`${who} goes back from epoch ${known} of shard ${id} to ${epoch}`);
    }
  }
}

function fail(text: string): never {
  throw new Violation("nodes forget no newer table or owner", text);
}
