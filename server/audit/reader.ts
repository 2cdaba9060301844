/** Reading of both audit logs in the order of time, page by page, and the check of their chains. */
import type { Store, StoreError, StoreKey } from "../node/ports.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import {
  AUDIT_STREAMS,
  type AuditEntry,
  type AuditRow,
  type AuditStream,
  decodeRow,
  rowKey,
  streamKey,
} from "./entry.ts";
import { baseValue, type ChainHead, headName, NO_HEAD, parseHead, type Removed } from "./heads.ts";

/** Rows that are read at once. */
const PAGE = 100;
/** Rows that one question may read: where few entries fit, it returns with less than a page. */
const ROWS_MAX = 2000;
/** How long after an entry its row may be written (ms), where the store took no writes. */
export const LATE_MS = 3_600_000;

/** The part of a store that is read. */
export type AuditStore = Pick<Store, "list" | "register" | "cas" | "watch">;

/** Which entries are wanted. */
export interface AuditQuery {
  /** From when on, and until when (exclusive): ms since 1970. */
  readonly from: number;
  readonly to: number;
  /** Of this actor, such as `operator:eve` or `eve`; null: of all. */
  readonly actor: string | null;
  /** Of this account, as user or as target; null: of all. */
  readonly user: string | null;
  /** Of this action; null: of all. */
  readonly action: string | null;
  readonly stream: AuditStream | null;
}

/** A place between two entries; `at` is that of the row. */
export type AuditCursor = Pick<AuditEntry, "stream" | "node" | "n"> & {
  readonly at: number;
  /** Entries of the row that were taken. */
  readonly taken: number;
};

/** A page of entries. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** Where the next page begins; null at the end. */
  readonly next: AuditCursor | null;
}

function asked<T>(run: (done: (error: StoreError | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) =>
    run((error, value) => error === null ? resolve(value) : reject(new AuditUnread(error)))
  );
}

/** The store could not be read. */
export class AuditUnread extends Error {
  override readonly name = "AuditUnread";

  constructor(readonly error: StoreError) {
    super(`Cannot read the audit log: ${error.message}`);
  }
}

/** The cursor as a text, and back; null where it is none. */
export function formatCursor({ at, stream, node, n, taken }: AuditCursor): string {
  return `${at}.${stream}.${n}.${taken}.${node}`;
}

/** See `formatCursor`. */
export function parseCursor(text: string): AuditCursor | null {
  const parts = /^(\d{1,15})\.(\w+)\.(\d{1,15})\.(\d{1,6})\.([\x21-\x7e]{1,200})$/.exec(text);
  const [, at, stream, n, taken, node] = parts ?? [];
  if (!(AUDIT_STREAMS as readonly unknown[]).includes(stream)) return null;
  return {
    at: Number(at),
    stream: stream as AuditStream,
    n: Number(n),
    taken: Number(taken),
    node: node as NodeId,
  };
}

/** Rows of one log after a key; those that this version cannot read are left out. */
async function* rowsAfter(store: AuditStore, stream: AuditStream, from: StoreKey | null) {
  for (let after = from;;) {
    const options = { prefix: streamKey(stream), after, limit: PAGE };
    const rows = await asked<Parameters<Parameters<Store["list"]>[1]>[1]>((done) =>
      store.list(options, done)
    );
    for (const row of rows) yield { key: row.key, row: decodeRow(row) };
    if (rows.length < PAGE) return;
    after = rows.at(-1)!.key;
  }
}

/** Which row, or place of a cursor, is earlier: negative, 0 (nobody says) or positive. */
export function order(
  a: Pick<AuditRow, "at" | "stream">,
  b: Pick<AuditRow, "at" | "stream">,
): number {
  return a.at - b.at || AUDIT_STREAMS.indexOf(a.stream) - AUDIT_STREAMS.indexOf(b.stream);
}

/** The key after which rows of a log are behind a cursor; its own row is among them. */
function startOf(stream: AuditStream, from: number, cursor: AuditCursor | null): StoreKey {
  if (cursor === null) return [...streamKey(stream), from];
  if (stream === cursor.stream) return rowKey({ ...cursor, n: cursor.n - 1 });
  const later = AUDIT_STREAMS.indexOf(stream) < AUDIT_STREAMS.indexOf(cursor.stream);
  return [...streamKey(stream), cursor.at + (later ? 1 : 0)];
}

/** Rows of the wanted logs from `query.from` or the cursor's row on, in the order of time. */
export async function* rowsInOrder(
  store: AuditStore,
  query: Pick<AuditQuery, "from" | "stream">,
  cursor: AuditCursor | null,
): AsyncGenerator<AuditRow, void> {
  const streams = AUDIT_STREAMS.filter((s) => query.stream === null || s === query.stream);
  const sources = streams.map((stream) =>
    rowsAfter(store, stream, startOf(stream, query.from, cursor))
  );
  const heads = await Promise.all(sources.map((source) => next(source)));
  for (;;) {
    let least = -1;
    heads.forEach((row, i) => {
      if (row !== null && (least < 0 || order(row, heads[least]!) < 0)) least = i;
    });
    if (least < 0) return;
    yield heads[least]!;
    heads[least] = await next(sources[least]!);
  }
}

async function next(source: ReturnType<typeof rowsAfter>): Promise<AuditRow | null> {
  for (;;) {
    const { done, value } = await source.next();
    if (done === true) return null;
    if (value.row !== null) return value.row;
  }
}

function isActor(actor: string, wanted: string): boolean {
  return actor === wanted || actor.slice(actor.indexOf(":") + 1) === wanted;
}

/** Whether an entry is wanted; of its log is for the reader of rows to see to. */
export function fits(
  { action, actor, from, to, user }: AuditQuery,
  entry: AuditRow["entries"][number],
): boolean {
  return entry.at >= from && entry.at < to && (actor === null || isActor(entry.actor, actor)) &&
    (user === null || entry.user === user || entry.target?.split(" ").includes(user) === true) &&
    (action === null || entry.action === action);
}

/** At most `limit` entries after `cursor`. Rejects with `AuditUnread`. */
export async function readAudit(
  store: AuditStore,
  query: AuditQuery,
  cursor: AuditCursor | null,
  limit: number,
): Promise<AuditPage> {
  const entries: AuditEntry[] = [];
  let rows = 0;
  for await (const row of rowsInOrder(store, query, cursor)) {
    if (row.at > query.to + LATE_MS) break;
    const { stream, node, n, at } = row;
    const own = cursor?.stream === stream && cursor.node === node && cursor.n === n;
    const taken = own ? cursor.taken : 0;
    for (const [i, entry] of row.entries.entries()) {
      if (i < taken) continue;
      if (entries.length === limit) return { entries, next: { stream, node, n, at, taken: i } };
      if (fits(query, entry)) entries.push({ ...entry, stream, node, n, i });
    }
    const end = { stream, node, n, at, taken: row.entries.length };
    if (++rows === ROWS_MAX) return { entries, next: end };
  }
  return { entries, next: null };
}

/** What a check found. */
export interface AuditCheck {
  readonly rows: number;
  readonly entries: number;
  /** Where each chain ends; to compare with later. */
  readonly chains: readonly (ChainHead & { readonly stream: AuditStream; readonly node: NodeId })[];
  /** Rows that retention has removed, of all chains. */
  readonly removed: number;
  /** A sentence without its end each. */
  readonly faults: readonly string[];
}

/** Checks that no row was changed, and none removed but by retention. Rejects with `AuditUnread`. */
export async function verifyAudit(store: AuditStore): Promise<AuditCheck> {
  const found = await Promise.all(AUDIT_STREAMS.map((stream) => verifyTwice(store, stream)));
  const sum = (of: (check: AuditCheck) => number) =>
    found.reduce((all, check) => all + of(check), 0);
  return {
    rows: sum(({ rows }) => rows),
    entries: sum(({ entries }) => entries),
    removed: sum(({ removed }) => removed),
    chains: found.flatMap(({ chains }) => chains),
    faults: found.flatMap(({ faults }) => faults),
  };
}

/** Retention may remove rows meanwhile: what looks wrong is a fault where it does a second time. */
async function verifyTwice(store: AuditStore, stream: AuditStream): Promise<AuditCheck> {
  const first = await verifyStream(store, stream);
  return first.faults.length === 0 ? first : await verifyStream(store, stream);
}

async function verifyStream(store: AuditStore, stream: AuditStream): Promise<AuditCheck> {
  const removed = await asked<Removed>((done) => baseValue(store, stream).load(done));
  const ends = new Map<NodeId, ChainHead | null>();
  for (const node of Object.keys(removed) as NodeId[]) {
    const head = await asked<{ value: Uint8Array } | null>((done) =>
      store.register(headName(stream, node), done)
    );
    ends.set(node, head === null ? null : parseHead(head.value));
  }
  const chains = new Chains(stream, removed, ends);
  for await (const { key, row } of rowsAfter(store, stream, null)) {
    if (row === null) chains.faults.push(`${stream}: row ${key.join(" ")} cannot be read`);
    else chains.take(row);
  }
  return chains.end();
}

/** The chains of a log, as their rows come. */
class Chains {
  readonly faults: string[] = [];
  readonly #stream: AuditStream;
  readonly #removed: Removed;
  readonly #ends: ReadonlyMap<NodeId, ChainHead | null>;
  readonly #last = new Map<NodeId, ChainHead>();
  #rows = 0;
  #entries = 0;

  constructor(
    stream: AuditStream,
    removed: Removed,
    ends: ReadonlyMap<NodeId, ChainHead | null>,
  ) {
    this.#stream = stream;
    this.#removed = removed;
    this.#ends = ends;
    for (const [node, head] of Object.entries(removed)) this.#last.set(node as NodeId, head);
  }

  take(row: AuditRow): void {
    const { at, n, node, hash, prev, bytes } = row;
    this.#rows++;
    this.#entries += row.entries.length;
    const last = this.#last.get(node) ?? NO_HEAD;
    this.#last.set(node, { at, n, hash, bytes: last.bytes + bytes });
    if (n !== last.n + 1) {
      const what = n > last.n + 1
        ? `rows ${last.n + 1} to ${n - 1} are missing`
        : `row ${n} is twice`;
      this.#fault(node, `${what}, before ${new Date(at).toISOString()}`);
    } else if (prev !== last.hash) {
      this.#fault(node, `row ${last.n} was changed, before ${new Date(at).toISOString()}`);
    }
    const end = this.#ends.get(node);
    if (end?.n === n && end.hash !== hash) this.#fault(node, `row ${n}, the last one, was changed`);
  }

  #fault(node: NodeId, what: string): void {
    this.faults.push(`${this.#stream} of ${node}: ${what}`);
  }

  end(): AuditCheck {
    const stream = this.#stream;
    for (const [node, end] of this.#ends) {
      const last = this.#last.get(node)!;
      if (end === null && last.n > 0) this.#fault(node, "the note of its last row is missing");
      if (end !== null && end.n > last.n) {
        this.#fault(node, `rows ${last.n + 1} to ${end.n} are missing at the end`);
      }
    }
    return {
      rows: this.#rows,
      entries: this.#entries,
      removed: Object.values(this.#removed).reduce((sum, { n }) => sum + n, 0),
      chains: [...this.#last].map(([node, head]) => ({ stream, node, ...head })),
      faults: this.faults,
    };
  }
}
