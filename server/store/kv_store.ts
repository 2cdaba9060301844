/**
 * The store on embedded Deno KV: one SQLite file (WAL, one fsync a commit) behind one thread.
 *
 * What was seen when the disk fails (Deno 2.9.6 and 2.4.2, tests/process/kv_full_disk_test.ts):
 * - Disk full: the commit fails within a millisecond with "database or disk is full" and has not
 *   happened. Reads and lists go on. A smaller commit may still fit into the log file, and a delete
 *   may not: deleting rows does not lead out of a full disk. The first commit after space has come
 *   back works; nothing needs to be opened again.
 * - Opening needs some 32 KiB: on a full disk it fails with "database or disk is full" or
 *   "disk I/O error" and leaves the file as it was.
 * - "disk I/O error" from a failed fsync: the rows are not visible afterwards, but they are in the
 *   log file. After kill -9 they DO exist, unless another commit has succeeded in between (it
 *   takes their place). Hence `unknown`: it is decided by the next successful commit, or by the
 * restart.
 * - Reads wait for the commit under way: one thread does both.
 * - `Deno.Kv.close` returns before SQLite has closed the file; opening it again is safe at once.
 */
import type { ListOptions, Mutation, Row, Store, StoreKey } from "../node/ports.ts";
import type { RowError, RowStore } from "./row_store.ts";
import { addChecksum } from "./row_checksum.ts";
import { WriteMark } from "./write_mark.ts";
import { FencedStore } from "./fenced_store.ts";
import { runCallback } from "../system/callback.ts";
import { checkKey, checkList } from "./store_limits.ts";
import { CheckedRows, CHECKSUMS_KEY, type ObserveDamage } from "./checked_rows.ts";
import { StoreOpenError } from "./store_open_error.ts";

/** Keys that Deno KV takes in one read. */
const GROUP_KEYS_MAX = 10;

/** Reads and lists under way at once; four already keep KV's thread busy. */
const READS_MAX = 32;

const CLOSED: RowError = { kind: "failed", message: "The store is closed." };

/** Messages of SQLite after which the commit certainly has not happened, nor ever will. */
const DEFINITE_RE = /database is locked|readonly database|unable to open database/;

/** What a rejected commit says about its outcome; what is not certain is `unknown`. */
export function commitError(cause: unknown): RowError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (/database or disk is full/.test(message)) return { kind: "full", message };
  return { kind: DEFINITE_RE.test(message) ? "failed" : "unknown", message };
}

/** What else a store may be opened with. */
export interface KvOptions {
  /** Called with every damaged row that is read. */
  readonly observe?: ObserveDamage;
  /** The file of the head mark; without it none is kept. */
  readonly markPath?: string;
  /** What stands between the rows as they are stored and their checksums; nothing unless given. */
  readonly between?: ((stored: RowStore) => Promise<RowStore>) | undefined;
}

/**
 * Opens (or makes) the store in the file `path`. The caller makes sure that no other process has
 * it open. Rejects with `StoreOpenError`; the file is then unchanged and may be tried again.
 */
export async function openKvStore(
  path: string,
  options: KvOptions = {},
): Promise<Store> {
  return new FencedStore(await openKvRows(path, options));
}

/** The rows of the store in the file `path`; otherwise as `openKvStore`. */
export async function openKvRows(path: string, options: KvOptions): Promise<RowStore> {
  const { observe = () => {}, markPath, between } = options;
  return await opened(path, async (kv) => {
    const plainRows = await hasPlainRows(kv);
    const stored = storedRows(kv, markPath);
    const rows = between === undefined ? stored : await between(stored);
    return new CheckedRows(rows, plainRows, observe);
  });
}

/**
 * The rows of the file `path` as they are stored, checksums and all, for a copy of another store:
 * nothing of its own is written to an empty file. Otherwise as `openKvStore`.
 */
export async function openStoredRows(path: string, markPath: string): Promise<RowStore> {
  return await opened(path, (kv) => Promise.resolve(storedRows(kv, markPath)));
}

function storedRows(kv: Deno.Kv, markPath: string | undefined): RowStore {
  return new KvRows(kv, markPath === undefined ? null : new WriteMark(markPath));
}

async function opened(
  path: string,
  rowsOf: (kv: Deno.Kv) => Promise<RowStore>,
): Promise<RowStore> {
  try {
    const kv = await Deno.openKv(path);
    try {
      return await rowsOf(kv);
    } catch (cause) {
      kv.close();
      throw cause;
    }
  } catch (cause) {
    const actual = cause instanceof Error ? cause.message : String(cause);
    throw new StoreOpenError(
      `Cannot open the store ${path}: ${actual}. Check that the disk works and has space.`,
      { cause },
    );
  }
}

/** Whether a row may be without a checksum. In an empty store none will be, which is noted. */
async function hasPlainRows(kv: Deno.Kv): Promise<boolean> {
  for await (const _ of kv.list({ prefix: [] }, { limit: 1 })) {
    // The row itself may be damaged: that it exists says it.
    return (await kv.get(CHECKSUMS_KEY)).versionstamp === null;
  }
  await kv.set(CHECKSUMS_KEY, addChecksum(CHECKSUMS_KEY, new Uint8Array()));
  return false;
}

class KvRows implements RowStore {
  readonly #kv: Deno.Kv;
  readonly #mark: WriteMark | null;
  #writes = 0;
  #reads = 0;
  /** Reads that wait for one of `READS_MAX` places, oldest first from `#head` on. */
  #waiting: (() => void)[] = [];
  #head = 0;
  #closing: (() => void)[] | null = null;
  #closed = false;

  constructor(kv: Deno.Kv, mark: WriteMark | null) {
    this.#kv = kv;
    this.#mark = mark;
  }

  write(mutations: readonly Mutation[], done: (error: RowError | null) => void): void {
    if (this.#closing !== null) return queueMicrotask(() => done(CLOSED));
    if (mutations.length === 0) return queueMicrotask(() => done(null));
    this.#writes += 1;
    const settle = (error: RowError | null) => {
      this.#writes -= 1;
      runCallback(() => done(error));
      this.#closeWhenIdle();
    };
    const atomic = this.#kv.atomic();
    for (const mutation of mutations) {
      if (mutation.kind === "set") atomic.set(mutation.key, mutation.value);
      else atomic.delete(mutation.key);
    }
    // Copies the values before it returns. Without checks it is never "not ok".
    atomic.commit().then(
      (result) => {
        if (result.ok) this.#mark?.note(numberOf(result.versionstamp));
        settle(result.ok ? null : { kind: "failed", message: "The commit was refused." });
      },
      (cause) => settle(commitError(cause)),
    );
  }

  read(
    keys: readonly StoreKey[],
    done: (error: RowError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void {
    for (const key of keys) checkKey("read", key);
    if (this.#closing !== null) return queueMicrotask(() => done(CLOSED, []));
    if (keys.length === 0) return queueMicrotask(() => done(null, []));
    const values: (Uint8Array | null)[] = new Array(keys.length).fill(null);
    let groups = Math.ceil(keys.length / GROUP_KEYS_MAX);
    let failure: RowError | null = null;
    for (let from = 0; from < keys.length; from += GROUP_KEYS_MAX) {
      const group = keys.slice(from, from + GROUP_KEYS_MAX);
      this.#read(() => readGroup(this.#kv, group), (error, found) => {
        failure ??= error;
        found?.forEach((value, i) => values[from + i] = value);
        groups -= 1;
        if (groups === 0) done(failure, failure === null ? values : []);
      });
    }
  }

  list(options: ListOptions, done: (error: RowError | null, rows: readonly Row[]) => void): void {
    checkList(options);
    if (this.#closing !== null) return queueMicrotask(() => done(CLOSED, []));
    this.#read(() => listRows(this.#kv, options), (error, rows) => done(error, rows ?? []));
  }

  lastKey(prefix: StoreKey, done: (error: RowError | null, key: StoreKey | null) => void): void {
    if (this.#closing !== null) return queueMicrotask(() => done(CLOSED, null));
    this.#read<StoreKey | null>(() => lastKey(this.#kv, prefix), done);
  }

  close(done: () => void): void {
    if (this.#closed) return queueMicrotask(done);
    this.#closing = [...this.#closing ?? [], done];
    queueMicrotask(() => this.#closeWhenIdle());
  }

  /** Runs a read when there is a place for it. A read that fails has no effect: always `failed`. */
  #read<T>(start: () => Promise<T>, done: (error: RowError | null, value: T | null) => void) {
    const settle = (error: RowError | null, value: T | null) => {
      this.#reads -= 1;
      this.#startReads();
      runCallback(() => done(error, value));
      this.#closeWhenIdle();
    };
    this.#waiting.push(() => {
      start().then(
        (value) => settle(null, value),
        (cause) => settle({ kind: "failed", message: String(cause?.message ?? cause) }, null),
      );
    });
    this.#startReads();
  }

  #startReads(): void {
    while (this.#reads < READS_MAX && this.#head < this.#waiting.length) {
      const start = this.#waiting[this.#head]!;
      this.#head += 1;
      this.#reads += 1;
      start();
    }
    // Shifting one by one would copy the rest each time.
    if (this.#head * 2 < this.#waiting.length) return;
    this.#waiting.splice(0, this.#head);
    this.#head = 0;
  }

  #closeWhenIdle(): void {
    if (this.#closing === null || this.#closed || this.#writes > 0 || this.#reads > 0) return;
    this.#closed = true;
    this.#mark?.close();
    this.#kv.close();
    for (const done of this.#closing) runCallback(done);
  }
}

/** The number of a write: the first eight bytes of its versionstamp. */
function numberOf(versionstamp: string): number {
  return parseInt(versionstamp.slice(0, 16), 16);
}

/** The bytes of an entry; none where it is anything else, which this store has not written. */
function bytesOf(entry: Deno.KvEntryMaybe<unknown>): Uint8Array | null {
  if (entry.versionstamp === null) return null;
  if (entry.value instanceof Uint8Array) return entry.value;
  // Taken for damaged, for it has no checksum.
  return new Uint8Array();
}

async function readGroup(
  kv: Deno.Kv,
  keys: readonly StoreKey[],
): Promise<readonly (Uint8Array | null)[]> {
  return (await kv.getMany<unknown[]>(keys)).map(bytesOf);
}

async function lastKey(kv: Deno.Kv, prefix: StoreKey): Promise<StoreKey | null> {
  for await (const entry of kv.list<unknown>({ prefix }, { limit: 1, reverse: true })) {
    return entry.key as StoreKey;
  }
  return null;
}

async function listRows(kv: Deno.Kv, options: ListOptions): Promise<readonly Row[]> {
  const { prefix, after, limit } = options;
  // Empty bytes are the least part there is: the first key that can follow `after`.
  const selector = after === null ? { prefix } : { prefix, start: [...after, new Uint8Array()] };
  const rows: Row[] = [];
  for await (const entry of kv.list<unknown>(selector, { limit, batchSize: limit })) {
    rows.push({ key: entry.key as StoreKey, value: bytesOf(entry)! });
  }
  return rows;
}
