/** The kinds of store that the contract tests run on. Another implementation adds its medium here. */
import type { Mutation, Row, Store, StoreError, StoreKey } from "../../server/node/ports.ts";
import { CHECKSUMS_KEY } from "../../server/store/checked_rows.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { NUMBER_KEY } from "../../server/standby/write_number.ts";
import { NumberedRows } from "../../server/standby/numbered_rows.ts";
import { openKvRows, openKvStore } from "../../server/store/kv_store.ts";
import type { RowStore } from "../../server/store/row_store.ts";
import { ServedFixture } from "./served_fixture.ts";
import { Prng } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

/** A store under test, with promises for callbacks. */
export interface Bench {
  readonly store: Store;
  write(mutations: readonly Mutation[]): Promise<StoreError | null>;
  read(keys: readonly StoreKey[]): Promise<readonly (Uint8Array | null)[]>;
  list(prefix: StoreKey, after?: StoreKey | null, limit?: number): Promise<readonly Row[]>;
  /** Starts an operation and resolves with what it calls back with. */
  call<T>(start: (done: (error: StoreError | null, value: T) => void) => void): Promise<Called<T>>;
  /** Closes it and opens the same rows again. */
  reopen(): Promise<void>;
}

/** What an operation called back with. */
export interface Called<T> {
  readonly error: StoreError | null;
  readonly value: T;
}

/** What a kind of store needs for the tests. */
export interface Medium {
  open(): Promise<Store>;
  /** Lets the callbacks of everything asked for come. */
  run(): void;
  end(): void;
}

function kvMedium(): Medium {
  const dir = Deno.makeTempDirSync();
  return {
    open: () => openKvStore(`${dir}/kv.sqlite3`),
    run: () => {},
    end: () => Deno.removeSync(dir, { recursive: true }),
  };
}

/** The same store, used over a socket. */
function servedMedium(): Medium {
  const dir = Deno.makeTempDirSync();
  return {
    open: async () => {
      const fixture = await ServedFixture.open(dir);
      const client = fixture.client();
      const close = client.close.bind(client);
      client.close = (done) => close(() => void fixture.close().then(done));
      return client;
    },
    run: () => {},
    end: () => Deno.removeSync(dir, { recursive: true }),
  };
}

/** The same store with the number of each write, as a store that has standbys. */
function numberedMedium(): Medium {
  const dir = Deno.makeTempDirSync();
  let runs = 0;
  const between = (stored: RowStore) =>
    new Promise<RowStore>((resolve, reject) =>
      NumberedRows.open(
        stored,
        { ringBytesMax: 100_000, newRun: () => `run ${++runs}`, later: queueMicrotask },
        (error, rows) => rows === null ? reject(error) : resolve(rows),
      )
    );
  return {
    open: async () => new FencedStore(await openKvRows(`${dir}/kv.sqlite3`, { between })),
    run: () => {},
    end: () => Deno.removeSync(dir, { recursive: true }),
  };
}

function memoryMedium(): Medium {
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng(1));
  return {
    open: () => Promise.resolve(new FencedStore(disk.open(time.process()))),
    run: () => void time.runUntilIdle(),
    end: () => {},
  };
}

/** Runs a test on an empty store. */
export async function withBench(
  medium: Medium,
  test: (bench: Bench) => Promise<void>,
): Promise<void> {
  let store = await medium.open();
  const ask = <T>(start: (resolve: (value: T) => void, reject: (cause: unknown) => void) => void) =>
    new Promise<T>((resolve, reject) => {
      start(resolve, reject);
      medium.run();
    });
  const close = () => ask<void>((resolve) => store.close(resolve));
  await test({
    get store() {
      return store;
    },
    write: (mutations) => ask((resolve) => store.write(mutations, resolve)),
    read: (keys) =>
      ask((resolve, reject) =>
        store.read(keys, (error, values) => error === null ? resolve(values) : reject(error))
      ),
    list: (prefix, after = null, limit = 500) =>
      ask((resolve, reject) =>
        store.list(
          { prefix, after, limit },
          (error, rows) => error === null ? resolve(rows.filter(isData)) : reject(error),
        )
      ),
    call: (start) => ask((resolve) => start((error, value) => resolve({ error, value }))),
    reopen: async () => {
      await close();
      store = await medium.open();
    },
  });
  await close();
  medium.end();
}

/** Whether a row is none that the store has made for itself. */
function isData({ key }: Row): boolean {
  return key.join() !== CHECKSUMS_KEY.join() && key.join() !== NUMBER_KEY.join();
}

/** Every kind, by the name that its tests begin with. */
export const MEDIA: readonly (readonly [name: string, medium: () => Medium])[] = [
  ["kv_store", kvMedium],
  ["numbered_rows", numberedMedium],
  ["served_store", servedMedium],
  ["memory_store", memoryMedium],
];

/** Sets a row. */
export const set = (key: StoreKey, ...bytes: number[]): Mutation => ({
  kind: "set",
  key,
  value: new Uint8Array(bytes),
});
/** Deletes a row. */
export const del = (key: StoreKey): Mutation => ({ kind: "delete", key });
