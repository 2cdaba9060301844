/**
 * The stored form of an account behind the log: a head of one or more rows, sealed mailbox blocks,
 * and the blocks and rows of hashes of the dedupe window. All keys begin with a table and the
 * account's point, so that a shard is a contiguous key range whatever the number of shards.
 */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { Account, AccountState } from "./account.ts";
import type { DedupeTable } from "../message/dedupe_rows.ts";
import { encodeHead } from "./head.ts";

/** A store key: table, point, account, … */
export type Key = readonly (string | number)[];

/** A row to write (`value`) or to delete (null). */
export interface RowChange {
  readonly key: Key;
  readonly value: Uint8Array | null;
}

/** Bytes of a head in one row: a first row of this size may have others after it; below a store value's limit. */
export const CHUNK_BYTES = 60_000;
/** Key of chunk `chunk` of an account's head. */
export function headKey(point: number, name: AccountName, chunk: number): Key {
  return ["u", point, name, chunk];
}

/** Key of the sealed mailbox block that begins at `first`. */
export function blockKey(point: number, id: AccountId | "", first: number): Key {
  return ["m", point, id, first];
}

/** Key of the mark that an account owes packets or receipts, so that a start finds it. */
export function owesKey(point: number, name: AccountName): Key {
  return ["o", point, name];
}

/** Key of a dedupe block (table `d`) or of a row of dedupe hashes (`h`). */
export function dedupeKey(
  table: DedupeTable,
  point: number,
  id: AccountId | "",
  number: number,
): Key {
  return [table, point, id, number];
}

/** Joins the chunks of a head; null where there is none. */
export function joinChunks(chunks: readonly Uint8Array[]): Uint8Array | null {
  if (chunks.length === 0) return null;
  if (chunks.length === 1) return chunks[0]!;
  const out = new Uint8Array(chunks.reduce((sum, c) => sum + c.length, 0));
  let at = 0;
  for (const c of chunks) {
    out.set(c, at);
    at += c.length;
  }
  return out;
}

/** Bytes of blocks in one checkpoint of an account; the rest, and its head, wait for the next. */
const BLOCKS_BYTES_MAX = 48 * 1024;
/** Rows that one checkpoint of an account deletes at most; the rest wait for its next ones. */
const DELETES_MAX = 256;

/** Whether rows are left to be deleted. */
export function owesDeletes(a: Account): boolean {
  return a.purge.length + a.purgedRanges.length > 0;
}

/** Takes rows to delete, at most `DELETES_MAX`; what is left stays in the account's head. */
function takePurged(a: AccountState): RowChange[] {
  const id = a.id as AccountId;
  if (a.mailbox.dropped.length > 0) {
    a.purge.push({ id, blocks: a.mailbox.dropped, dedupe: [] });
    a.mailbox.dropped = [];
  }
  a.purgedRanges.push(...a.dedupe.takeDropped().map((range) => ({ id, ...range })));
  const rows: RowChange[] = [];
  while (a.purge.length > 0 && rows.length < DELETES_MAX) {
    const p = a.purge.shift()!;
    const blocks = p.blocks.slice(0, DELETES_MAX - rows.length);
    for (const b of blocks) rows.push({ key: blockKey(a.point, p.id, b), value: null });
    const dedupe = p.dedupe.slice(0, DELETES_MAX - rows.length);
    for (const n of dedupe) rows.push({ key: dedupeKey("d", a.point, p.id, n), value: null });
    const rest = {
      id: p.id,
      blocks: p.blocks.slice(blocks.length),
      dedupe: p.dedupe.slice(dedupe.length),
    };
    if (rest.blocks.length + rest.dedupe.length > 0) a.purge.unshift(rest);
  }
  takeRanges(a, rows);
  return rows;
}

function takeRanges(a: AccountState, rows: RowChange[]): void {
  while (a.purgedRanges.length > 0 && rows.length < DELETES_MAX) {
    const { id, table, from, to } = a.purgedRanges.shift()!;
    const end = Math.min(to, from + DELETES_MAX - rows.length);
    for (let n = from; n < end; n++) {
      rows.push({ key: dedupeKey(table, a.point, id, n), value: null });
    }
    if (end < to) a.purgedRanges.unshift({ id, table, from: end, to });
  }
}

/**
 * The rows that bring the store up to the account's state at `lsn`, and marks them as on their way:
 * the caller either gets them durable or forgets the account.
 */
export function checkpointRows(
  of: Account,
  lsn: number,
): { readonly rows: RowChange[]; readonly complete: boolean } {
  // Rows to be written and deleted leave the account with the checkpoint that has them.
  const a = of as AccountState;
  const blocks = takeBlocks(a);
  // Blocks may be ahead of their head: a replay seals the same ones again.
  if (a.mailbox.unsaved.size > 0 || a.dedupe.unsaved) return { rows: blocks, complete: false };
  const rows = [...takePurged(a), ...blocks];
  const owes = a.outbox.size > 0 || a.runtime.owed.size > 0;
  if (owes !== a.runtime.savedOwes) {
    rows.push({ key: owesKey(a.point, a.name), value: owes ? new Uint8Array([1]) : null });
    a.runtime.savedOwes = owes;
  }
  const nothing = a.state === "absent" && !owesDeletes(a);
  const head = nothing ? new Uint8Array() : encodeHead(a, lsn);
  const chunks = Math.ceil(head.length / CHUNK_BYTES);
  for (let i = 0; i < chunks; i++) {
    const value = head.slice(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
    rows.push({ key: headKey(a.point, a.name, i), value });
  }
  for (let i = chunks; i < a.runtime.savedChunks; i++) {
    rows.push({ key: headKey(a.point, a.name, i), value: null });
  }
  a.runtime.savedChunks = chunks;
  a.runtime.savedLsn = lsn;
  a.runtime.headBytes = head.length;
  return { rows, complete: true };
}

/** Takes unsaved blocks, at most about `BLOCKS_BYTES_MAX`. */
function takeBlocks(a: AccountState): RowChange[] {
  const rows: RowChange[] = [];
  let bytes = 0;
  for (const [first, value] of a.mailbox.unsaved) {
    if (bytes >= BLOCKS_BYTES_MAX) return rows;
    rows.push({ key: blockKey(a.point, a.id, first), value });
    bytes += value.length;
    a.mailbox.unsaved.delete(first);
  }
  for (const { table, number, value } of a.dedupe.takeUnsaved(BLOCKS_BYTES_MAX - bytes)) {
    rows.push({ key: dedupeKey(table, a.point, a.id, number), value });
  }
  return rows;
}
