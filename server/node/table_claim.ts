/** The start of a node: it reads the shard table, makes the first one, and claims the shards. */
import type { Holder, Opening, Ports, Register, StoreError } from "./ports.ts";
import type { Ownership } from "./ownership.ts";
import {
  decodeTable,
  encodeTable,
  evenTable,
  type ShardTable,
  withEpochs,
} from "../../shard/table/table.ts";
import { TABLE_REGISTER } from "./ports.ts";

/** What the start needs of its node. */
export interface TableHost {
  readonly ports: Ports;
  readonly ownership: Ownership;
  /** Shards of a new store. */
  readonly shards: number;
  /** The table as stored, before its shards are claimed; `version` is its register's. */
  found(table: ShardTable, version: number): void;
}

/** Reads the table and claims all of its shards; `done` has an error where one is not granted. */
export function claimTable(host: TableHost, done: (error: StoreError | null) => void): void {
  const { store } = host.ports;
  store.register(TABLE_REGISTER, (error, register) => {
    if (error !== null) return done(error);
    store.holders((error, holders) => {
      if (error !== null) return done(error);
      host.ownership.begin(holders);
      if (register !== null) {
        return begin(host, decodeTable(register.value), register, holders, done);
      }
      // Stores of earlier versions have a table only once it was changed.
      store.read([["meta", "shards"]], (error, [count]) => {
        if (error !== null) return done(error);
        const shards = count ? count[0]! | (count[1]! << 8) : host.shards;
        begin(host, evenTable(shards), null, holders, done);
      });
    });
  });
}

function begin(
  host: TableHost,
  table: ShardTable,
  register: Register | null,
  holders: readonly Holder[],
  done: (error: StoreError | null) => void,
): void {
  const version = register?.version ?? 0;
  const claim = (table: ShardTable, version: number) => {
    host.found(table, version);
    host.ownership.claimAll(table.shards, done);
  };
  if (holders.length > 0) return claim(withEpochs(table, holders), version);
  // A new store, or one of an earlier version, which knows no epochs.
  const owner = host.ownership.self;
  const open = table.shards.map(({ id, epoch, start }): Opening => ({
    shard: id,
    epoch,
    start,
    owner,
  }));
  const change = { version, table: encodeTable(table), seal: [], open };
  host.ports.store.reshape(change, (error, made) => {
    if (error !== null) return done(error);
    if (!made) return done({ kind: "failed", message: "the shard table changes meanwhile" });
    claim(table, version + 1);
  });
}
