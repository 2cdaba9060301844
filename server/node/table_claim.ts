/** The start of a node: it reads the shard table, makes the first one, and claims the shards. */
import type { Holder, StoreError, TableChange } from "./ports.ts";
import type { NodeParts } from "./parts.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import {
  decodeTable,
  encodeTable,
  evenTable,
  type ShardTable,
  withEpochs,
} from "../../shard/table/table.ts";
import { TABLE_REGISTER } from "./ports.ts";

/**
 * Reads the table and claims all of its shards. `found` takes the table as stored, with the version of
 * its register, before the claims; `done` has an error where a claim is not granted.
 */
export function claimTable(
  { options, ownership, ports: { store } }: NodeParts,
  found: (table: ShardTable, version: number) => void,
  done: (error: StoreError | null) => void,
): void {
  const claim = (table: ShardTable, version: number) => {
    found(table, version);
    ownership.claimAll(table.shards, done);
  };
  const begin = (table: ShardTable, version: number, holders: readonly Holder[]) => {
    if (holders.length > 0) return claim(withEpochs(table, holders), version);
    // A new store, or one of an earlier version, which knows no epochs.
    store.reshape(firstChange(table, version, ownership.self), (error, made) => {
      if (error !== null) return done(error);
      if (!made) return done({ kind: "failed", message: "the shard table changes meanwhile" });
      claim(table, version + 1);
    });
  };
  store.register(TABLE_REGISTER, (error, register) => {
    if (error !== null) return done(error);
    store.holders((error, holders) => {
      if (error !== null) return done(error);
      ownership.begin(holders);
      if (register !== null) return begin(decodeTable(register.value), register.version, holders);
      // Stores of earlier versions have a table only once it was changed.
      store.read([["meta", "shards"]], (error, [count]) => {
        if (error !== null) return done(error);
        const shards = count ? count[0]! | (count[1]! << 8) : options.shards;
        begin(evenTable(shards), 0, holders);
      });
    });
  });
}

/** Opens all shards of the table for their first owner. */
function firstChange(table: ShardTable, version: number, owner: NodeRef): TableChange {
  const open = table.shards.map(({ id, epoch, start }) => ({ shard: id, epoch, start, owner }));
  return { version, table: encodeTable(table), seal: [], open };
}
