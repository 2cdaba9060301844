/** The rows of an account's head: in one piece, in chunks, or in pages. */
import type { AccountName } from "../name/ids.ts";
import type { AccountState } from "./account.ts";
import { ByteReader, CorruptBytes } from "../record/bytes.ts";
import { decodeHead } from "./head.ts";
import { decodePagedHead } from "./head_paged.ts";
import { isMovingHead, isPagedHead } from "./head_version.ts";
import type { PageRowId } from "./stored_pages.ts";

/** A store key: table, point, account, … */
export type Key = readonly (string | number)[];

/** A stored row. */
export interface HeadRow {
  readonly key: Key;
  readonly value: Uint8Array;
}

/** Bytes of a head in one row: a first row of this size may have others after it; below a store value's limit. */
export const CHUNK_BYTES = 60_000;

/** Parts of the head of an account that moves here have these numbers in the place of a chunk's, … */
const FIRST_ARRIVING = 90_000;
/** … and parts of pages these. */
const FIRST_PART = 100_000;

/** Key of chunk `chunk` of an account's head. */
export function headKey(point: number, name: AccountName, chunk: number): Key {
  return ["u", point, name, chunk];
}

/** Key of a part of the head of an account that moves here. */
export function arrivingKey(point: number, name: AccountName, part: number): Key {
  return ["u", point, name, FIRST_ARRIVING + part];
}

/** Key of a row of a page of it. */
export function pageKey(point: number, name: AccountName, id: PageRowId): Key {
  return ["u", point, name, FIRST_PART + id.part, id.page, id.place, id.row];
}

/** The row of a page that is under this key; null where the key is that of a chunk. */
function pageRowId(key: Key): PageRowId | null {
  const [, , , part, page, place, row] = key as readonly [string, number, string, ...number[]];
  if (row === undefined) return null;
  return { part: part! - FIRST_PART, page: page!, place: place!, row };
}

/** Whether a first row may have others after it. */
export function hasMoreRows(first: Uint8Array): boolean {
  return first.length >= CHUNK_BYTES || isPagedHead(first) || isMovingHead(first);
}

/** Joins the chunks of a head; null where none exists. */
function joinChunks(chunks: readonly Uint8Array[]): Uint8Array | null {
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

/** The chunks of a head in rows. */
export function chunkRows(point: number, name: AccountName, head: Uint8Array): HeadRow[] {
  const rows: HeadRow[] = [];
  for (let at = 0; at < head.length; at += CHUNK_BYTES) {
    const value = head.slice(at, at + CHUNK_BYTES);
    rows.push({ key: headKey(point, name, rows.length), value });
  }
  return rows;
}

/**
 * Fills an account from all of its stored rows, in the order of their keys; false where none exists.
 * Throws `CorruptBytes`.
 */
export function readHeadRows(account: AccountState, rows: readonly HeadRow[]): boolean {
  const pages = new Map<string, { readonly id: PageRowId; readonly value: Uint8Array }>();
  const chunks: Uint8Array[] = [];
  const parts = new Map<number, Uint8Array>();
  const textOf = (id: PageRowId) => `${id.part} ${id.page} ${id.place} ${id.row}`;
  for (const { key, value } of rows) {
    const id = pageRowId(key);
    const number = key[3] as number;
    if (id !== null) pages.set(textOf(id), { id, value });
    else if (number < FIRST_ARRIVING) chunks.push(value);
    else parts.set(number - FIRST_ARRIVING, value);
  }
  const { runtime } = account;
  runtime.savedChunks = chunks.length;
  const head = joinChunks(chunks);
  if (head === null) return false;
  runtime.wholeBytes = head.length;
  if (!isPagedHead(head)) {
    decodeHead(account, head);
    takeParts(account, parts);
    return true;
  }
  decodePagedHead(account, new ByteReader(head), (id) => {
    const text = textOf(id);
    const row = pages.get(text);
    pages.delete(text);
    return row?.value ?? null;
  });
  for (const { id } of pages.values()) runtime.pages!.noteUnneeded(id);
  runtime.headBytes = head.length + runtime.pages!.bytes;
  takeParts(account, parts);
  return true;
}

/** Takes the parts of the head of an account that moves here. */
function takeParts(account: AccountState, stored: ReadonlyMap<number, Uint8Array>): void {
  account.runtime.savedParts = Math.max(0, ...[...stored.keys()].map((part) => part + 1));
  const { arrival } = account;
  if (arrival === null) return;
  const parts = arrival.parts.map((part, i) => {
    if (part === undefined) return undefined;
    const bytes = stored.get(i);
    if (bytes === undefined) throw new CorruptBytes(`part ${i} of what arrives does not exist`);
    return bytes;
  });
  account.arrival = { ...arrival, parts };
}
