/** The start of a node: it reads the shard table, and makes the first one. */
import type { Holder, Store, StoreError, TableChange } from "./ports.ts";
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
 * Reads the table, and makes the first one. `found` takes it as stored, with the version of its
 * register; `done` gets it too. This process becomes the next incarnation of its node, over `known`.
 */
export function readTable(
  parts: NodeParts,
  known: number,
  found: (table: ShardTable, version: number) => void,
  done: (error: StoreError | null, table: ShardTable) => void,
): void {
  const { options, ownership, ports: { store } } = parts;
  const none = evenTable(1);
  const read = (table: ShardTable, version: number) => {
    found(table, version);
    done(null, table);
  };
  const begin = (table: ShardTable, version: number) => {
    // A new store, or one of an earlier version, which knows no epochs.
    store.reshape(firstChange(table, version, ownership.self), (error, made) => {
      if (error !== null) return done(error, none);
      // Another node of the cell starts at the same time.
      if (!made && options.links !== undefined) return readTable(parts, known, found, done);
      if (!made) {
        return done({ kind: "failed", message: "the shard table changes meanwhile" }, none);
      }
      const { self: owner } = ownership;
      const owned = table.shards.map(({ id: shard, epoch }) => ({ shard, epoch, owner }));
      read(withEpochs(table, owned), version + 1);
    });
  };
  store.register(TABLE_REGISTER, (error, register) => {
    if (error !== null) return done(error, none);
    store.holders((error, holders) => {
      if (error !== null) return done(error, none);
      ownership.begin(holders, known);
      if (holders.length > 0) return readOpened(store, holders, done, read);
      if (register !== null) return begin(decodeTable(register.value), register.version);
      // Stores of earlier versions have a table only once it was changed.
      store.read([["meta", "shards"]], (error, [count]) => {
        if (error !== null) return done(error, none);
        const shards = count ? count[0]! | (count[1]! << 8) : options.shards;
        begin(evenTable(shards), 0);
      });
    });
  });
}

/**
 * Reads the table once its shards have owners. Another node may have opened them between the two reads
 * before: then the register is another one than the first of them.
 */
function readOpened(
  store: Store,
  holders: readonly Holder[],
  done: (error: StoreError | null, table: ShardTable) => void,
  read: (table: ShardTable, version: number) => void,
): void {
  store.register(TABLE_REGISTER, (error, register) => {
    if (error !== null) return done(error, evenTable(1));
    if (register === null) {
      const message = "The store has owners of shards, and no shard table";
      return done({ kind: "failed", message }, evenTable(1));
    }
    read(withEpochs(decodeTable(register.value), holders), register.version);
  });
}

/** Opens all shards of the table for their first owner. */
function firstChange(table: ShardTable, version: number, owner: NodeRef): TableChange {
  const open = table.shards.map(({ id, epoch, start }) => ({ shard: id, epoch, start, owner }));
  return { version, table: encodeTable(table), seal: [], open };
}
