/** A store on embedded Deno KV as parts; its owner has the data directory's lock. */
import type { LogRecord, Mutation, Row, StoreKey } from "../node/ports.ts";
import { CLAIMS_KEY } from "./fenced_store.ts";
import { Fences } from "./fences.ts";
import { openKvRows } from "./kv_store.ts";
import {
  type ImageShard,
  type ImageSource,
  type ImageTarget,
  PART_BYTES,
  PART_ROWS,
  staysBehind,
  type StorePart,
} from "./store_image.ts";
import type { RowError, RowStore } from "./row_store.ts";

const LOG = "log";

/** Opens the store in the file `path`. Rejects with `StoreOpenError`; reads reject where a row is damaged. */
export async function openKvImage(path: string): Promise<ImageSource & ImageTarget> {
  return new KvImage(await openKvRows(path, {}));
}

class KvImage implements ImageSource, ImageTarget {
  readonly #rows: RowStore;

  constructor(rows: RowStore) {
    this.#rows = rows;
  }

  async *parts(): AsyncIterable<StorePart> {
    yield { kind: "shards", shards: await this.#shards() };
    yield* this.#list();
  }

  async #shards(): Promise<readonly ImageShard[]> {
    const [claims] = await asked<readonly (Uint8Array | null)[]>((done) =>
      this.#rows.read([CLAIMS_KEY], done)
    );
    const fences = claims ? Fences.decode(claims) : new Fences();
    const shards: ImageShard[] = [];
    for (const { shard, epoch } of fences.holders()) {
      const last = await asked<StoreKey | null>((done) => this.#rows.lastKey([LOG, shard], done));
      const { start } = fences.get(shard)!;
      shards.push({ shard, epoch, start, head: last === null ? start - 1 : Number(last[2]) });
    }
    return shards;
  }

  /** Pages of the store, cut where a log begins or ends. */
  async *#list(): AsyncIterable<StorePart> {
    let after: StoreKey | null = null;
    while (true) {
      const options: { prefix: StoreKey; after: StoreKey | null; limit: number } = {
        prefix: [],
        after,
        limit: PART_ROWS,
      };
      const page = await asked<readonly Row[]>((done) => this.#rows.list(options, done));
      yield* partsOf(page);
      if (page.length < PART_ROWS) return;
      after = page.at(-1)!.key;
    }
  }

  async write(part: StorePart): Promise<void> {
    const mutations = part.kind === "shards"
      ? [{ kind: "set" as const, key: CLAIMS_KEY, value: fencesOf(part.shards).encode() }]
      : part.kind === "log"
      ? part.records.map(({ lsn, bytes }): Mutation => {
        return { kind: "set", key: [LOG, part.shard, lsn], value: bytes };
      })
      : part.rows.map(({ key, value }): Mutation => ({ kind: "set", key, value }));
    await asked<void>((done) => this.#rows.write(mutations, done));
  }

  close(): Promise<void> {
    return new Promise((done) => this.#rows.close(done));
  }
}

function fencesOf(shards: readonly ImageShard[]): Fences {
  return new Fences(
    shards.map(({ shard, epoch, start }) => [shard, { epoch, start, owner: null, head: null }]),
  );
}

function* partsOf(page: readonly Row[]): Iterable<StorePart> {
  let records: LogRecord[] = [];
  let shard = 0;
  let rows: Row[] = [];
  let bytes = 0;
  const take = (): readonly StorePart[] => {
    const parts: StorePart[] = [];
    if (records.length > 0) parts.push({ kind: "log", shard, records });
    if (rows.length > 0) parts.push({ kind: "rows", rows });
    [records, rows, bytes] = [[], [], 0];
    return parts;
  };
  for (const row of page) {
    const { key, value } = row;
    if (staysBehind(key) || isClaims(key)) continue;
    const log = key[0] === LOG ? Number(key[1]) : null;
    if (bytes >= PART_BYTES || (log !== null && log !== shard)) yield* take();
    if (log === null) rows.push(row);
    else {
      shard = log;
      records.push({ lsn: Number(key[2]), bytes: value });
    }
    bytes += value.length;
  }
  yield* take();
}

function isClaims(key: StoreKey): boolean {
  return key.length === CLAIMS_KEY.length && key.every((part, i) => part === CLAIMS_KEY[i]);
}

function asked<T>(ask: (done: (error: RowError | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) =>
    ask((error, value) => error === null ? resolve(value) : reject(new Error(error.message)))
  );
}
