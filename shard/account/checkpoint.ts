/**
 * The stored form of an account behind the log: a head of one or more rows, sealed mailbox blocks,
 * and the blocks and rows of hashes of the dedupe window. All keys begin with a table and the
 * account's point, so that a shard is a contiguous key range whatever the number of shards.
 */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { Account, AccountState } from "./account.ts";
import type { DedupeTable } from "../message/dedupe_rows.ts";
import { arrivingKey, chunkRows, headKey, type Key, pageKey } from "./head_rows.ts";
import { encodeHead } from "./head.ts";
import { encodePagedHead } from "./head_paged.ts";
import { HeadPages } from "./head_pages.ts";
import { owesPush } from "./push_targets.ts";

/** A row to write (`value`) or to delete (null). */
export interface RowChange {
  readonly key: Key;
  readonly value: Uint8Array | null;
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

/** Bytes of blocks in one checkpoint of an account; the rest, and its head, wait for the next. */
const BLOCKS_BYTES_MAX = 48 * 1024;
/** Rows that one checkpoint of an account deletes at most; the rest wait for its next ones. */
const DELETES_MAX = 256;

/** Whether rows are left to be deleted. */
export function owesDeletes(a: Account): boolean {
  return a.purge.length + a.purgedRanges.length > 0 || a.runtime.pages?.hasUnneeded === true;
}

/**
 * Whether it owes packets, receipts or its name's home to others, or push messages, or moves, or has
 * rows left that are to be deleted: a start looks at it.
 */
export function owesAnything(a: Account): boolean {
  const { arrival, leaving, outbox, register, runtime } = a;
  return outbox.size > 0 || runtime.owed.size > 0 || (register?.telling.length ?? 0) > 0 ||
    leaving !== null || arrival !== null || owesDeletes(a) || owesPush(a);
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
  for (const id of a.runtime.pages?.takeUnneeded(DELETES_MAX - rows.length) ?? []) {
    rows.push({ key: pageKey(a.point, a.name, id), value: null });
  }
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
  if (a.mailbox.unsaved.size > 0 || a.dedupe.unsaved || a.arriving.size > 0) {
    return { rows: blocks, complete: false };
  }
  divideLarge(a, lsn);
  const pages = takePages(a);
  if (!pages.complete) return { rows: [...blocks, ...pages.rows], complete: false };
  const rows = [...takePurged(a), ...blocks, ...pages.rows];
  const owes = owesAnything(a);
  if (owes !== a.runtime.savedOwes) {
    rows.push({ key: owesKey(a.point, a.name), value: owes ? new Uint8Array([1]) : null });
    a.runtime.savedOwes = owes;
  }
  return { rows: [...rows, ...takeHead(a, lsn)], complete: true };
}

function headOf(a: AccountState, lsn: number): Uint8Array {
  const { pages } = a.runtime;
  return pages === null ? encodeHead(a, lsn) : encodePagedHead(a, lsn, pages);
}

/** Divides the head of an account that has become large. */
function divideLarge(a: AccountState, lsn: number): void {
  if (a.runtime.pages !== null || a.state === "absent") return;
  const { wholeBytesMax } = a.headShape;
  // Events in the tail of a mailbox are no part of what is counted.
  const about = a.runtime.headBytes + a.mailbox.tailBytes + a.outboxBytes;
  if ((about > wholeBytesMax || !a.runtime.measured) && headOf(a, lsn).length > wholeBytesMax) {
    a.runtime.pages = HeadPages.divide(a);
  }
}

/** Takes rows of changed pages: the head follows once none is left. */
function takePages(a: AccountState): { readonly rows: RowChange[]; readonly complete: boolean } {
  const { pages, wholeBytes } = a.runtime;
  if (pages === null) return { rows: [], complete: true };
  const keyBytes = a.name.length + 64;
  const { rows, complete } = pages.takeRows(a.mailbox.blocks, wholeBytes, keyBytes);
  return {
    rows: rows.map((row) => ({ key: pageKey(a.point, a.name, row), value: row.value })),
    complete,
  };
}

/** The head, in one row or several. */
function takeHead(a: AccountState, lsn: number): RowChange[] {
  const { runtime } = a;
  const moves = a.arrival !== null;
  const nothing = a.state === "absent" && a.register === null && !owesDeletes(a) && !moves;
  const head = nothing ? new Uint8Array() : headOf(a, lsn);
  const rows: RowChange[] = chunkRows(a.point, a.name, head);
  const chunks = rows.length;
  for (let i = chunks; i < runtime.savedChunks; i++) {
    rows.push({ key: headKey(a.point, a.name, i), value: null });
  }
  const parts = a.arrival?.parts.length ?? 0;
  for (let i = parts; i < runtime.savedParts; i++) {
    rows.push({ key: arrivingKey(a.point, a.name, i), value: null });
  }
  runtime.savedParts = parts;
  runtime.savedChunks = chunks;
  runtime.savedLsn = lsn;
  runtime.measured = true;
  runtime.wholeBytes = head.length;
  runtime.headBytes = head.length + (runtime.pages?.bytes ?? 0);
  return rows;
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
    a.mailbox.saving.set(first, value);
  }
  for (const { table, number, value } of a.dedupe.takeUnsaved(BLOCKS_BYTES_MAX - bytes)) {
    rows.push({ key: dedupeKey(table, a.point, a.id, number), value });
    bytes += value.length;
  }
  takeArriving(a, rows, bytes);
  return rows;
}

/** Takes rows of an account that moves here, for a write that has `bytes` so far. */
function takeArriving(a: AccountState, rows: RowChange[], bytes: number): void {
  const id = a.arrival?.id ?? "";
  for (const [text, { table, number, bytes: value }] of a.arriving) {
    if (bytes >= BLOCKS_BYTES_MAX) return;
    bytes += value.length;
    a.arriving.delete(text);
    if (table === "u") {
      a.runtime.savedParts = Math.max(a.runtime.savedParts, number + 1);
      rows.push({ key: arrivingKey(a.point, a.name, number), value });
    } else if (table === "m") rows.push({ key: blockKey(a.point, id, number), value });
    else rows.push({ key: dedupeKey(table, a.point, id, number), value });
  }
}
