/** Removal of the oldest rows of an audit log, by age and size. It is itself recorded. */
import type { NodeId } from "../../shard/name/ids.ts";
import type { Mutation, Store, StoreError } from "../node/ports.ts";
import { type AuditInput, type AuditStream, decodeRow, streamKey } from "./entry.ts";
import { baseName, baseValue, type ChainHead, headName, parseHead, type Removed } from "./heads.ts";
import type { AuditStore } from "./reader.ts";

/** Rows that are removed in one write. */
const ROWS_MAX = 100;
const utf8 = new TextEncoder();

/** How much of a log is kept. */
export interface Keep {
  /** How long (ms). */
  readonly ms: number;
  /** How many bytes of rows. */
  readonly bytes: number;
}

type Answer<T> = (error: StoreError | null, value: T) => void;

function asked<T>(run: (done: Answer<T>) => void): Promise<T> {
  return new Promise((resolve, reject) =>
    run((error, value) => error === null ? resolve(value) : reject(new Error(error.message)))
  );
}

/** How many bytes the log has; by what its nodes have written, less what was removed. */
async function sizeOf(store: AuditStore, stream: AuditStream, removed: Removed): Promise<number> {
  let bytes = 0;
  for (const [node, base] of Object.entries(removed)) {
    const head = await asked<{ value: Uint8Array } | null>((done) =>
      store.register(headName(stream, node as NodeId), done)
    );
    if (head !== null) bytes += parseHead(head.value).bytes - base.bytes;
  }
  return bytes;
}

/**
 * Removes the oldest rows that are not to be kept, after `record` has made an entry of it durable;
 * returns how many. Stops where another node removes some at the same time. Rejects where the store
 * cannot be used.
 */
export async function removeOld(
  store: AuditStore,
  stream: AuditStream,
  keep: Keep,
  nowMs: number,
  record: (input: AuditInput) => Promise<void>,
): Promise<number> {
  let count = 0;
  for (;;) {
    const register = await asked<Awaited<{ version: number } | null>>((done) =>
      store.register(baseName(stream), done)
    );
    const removed = await asked<Removed>((done) => baseValue(store, stream).load(done));
    const over = await sizeOf(store, stream, removed) - keep.bytes;
    const batch = await oldest(store, stream, removed, { before: nowMs - keep.ms, over });
    if (batch.rows.length === 0) return count;
    if (count === 0) {
      const detail = batch.bySize
        ? "the log is larger than is kept"
        : "entries are older than is kept";
      const until = new Date(batch.until).toISOString();
      await record({
        actor: "server",
        action: "auditRemoved",
        target: `${stream} until ${until}`,
        outcome: "ok",
        detail,
      });
    }
    const value = utf8.encode(JSON.stringify(batch.removed));
    const version = register?.version ?? 0;
    const set = await asked<boolean>((done) =>
      store.cas(baseName(stream), version, value, batch.rows, done)
    );
    if (!set) return count;
    count += batch.rows.length;
  }
}

/** The next rows to remove. */
async function oldest(
  store: AuditStore,
  stream: AuditStream,
  from: Removed,
  { before, over }: { readonly before: number; readonly over: number },
) {
  const page = await asked<Parameters<Parameters<Store["list"]>[1]>[1]>((done) =>
    store.list({ prefix: streamKey(stream), after: null, limit: ROWS_MAX }, done)
  );
  const removed: Record<string, ChainHead> = { ...from };
  const rows: Mutation[] = [];
  let left = over;
  let until = 0;
  let bySize = false;
  for (const { key, value } of page) {
    const row = decodeRow({ key, value });
    const at = row?.at ?? Number(key[2]);
    if (at >= before && left <= 0) break;
    if (row === null) {
      // The check of the chains says that it is missing.
      rows.push({ kind: "delete", key });
      continue;
    }
    const { n, node, hash, bytes } = row;
    bySize ||= at >= before;
    left -= bytes;
    until = at;
    rows.push({ kind: "delete", key });
    removed[node] = { at, n, hash, bytes: (removed[node]?.bytes ?? 0) + bytes };
  }
  return { rows, removed, until, bySize };
}
