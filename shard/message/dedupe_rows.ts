/**
 * The stored form of the dedupe window. A block holds whole entries; a row holds the hashes of the
 * blocks of one group of block numbers. Both are written once and begin with a version.
 */
import type { Hash64 } from "./dedupe_hash.ts";
import { HASH_BYTES } from "./dedupe_hash.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../record/bytes.ts";

/** The result that a repetition of a message gets. */
export interface SentBefore {
  readonly seq: number;
  /** Time of the event (ms). */
  readonly at: number;
  readonly num: number;
}

/** A message of the window. */
export interface DedupeEntry extends SentBefore {
  /** The idempotency key. */
  readonly key: string;
  /** Of recipient, body and `ext`; null where a former version wrote the entry. */
  readonly digest: Hash64 | null;
}

/** A block of a row. */
export interface RowBlock {
  readonly number: number;
  /** Time of its last entry (ms). */
  readonly lastAt: number;
  readonly hashes: readonly Hash64[];
}

/** A block that a former version has written: its hashes are in no row. */
export interface FormerBlock {
  readonly number: number;
  /** Times of its first and last entry (ms). */
  readonly firstAt: number;
  readonly lastAt: number;
  readonly count: number;
}

/** Table of the store: blocks, or rows of hashes. */
export type DedupeTable = "d" | "h";

/** A block or a row of hashes to write. */
export interface DedupeRow {
  readonly table: DedupeTable;
  readonly number: number;
  readonly value: Uint8Array;
}

/** Blocks or rows of hashes from number `from` up to `to`, exclusive, to delete. */
export interface DroppedRows {
  readonly table: DedupeTable;
  readonly from: number;
  readonly to: number;
}

/** Blocks of this version have no digests. */
const BLOCK_WITHOUT_DIGEST = 1;
const BLOCK_VERSION = 2;
const ROW_VERSION = 1;

/** Appends a hash: 8 bytes, little-endian. */
export function writeHash(w: ByteWriter, { first, second }: Hash64): void {
  for (const word of [first, second]) {
    w.u8(word & 0xff).u8((word >>> 8) & 0xff).u8((word >>> 16) & 0xff).u8(word >>> 24);
  }
}

function readWord(r: ByteReader): number {
  return (r.u8() | (r.u8() << 8) | (r.u8() << 16) | (r.u8() << 24)) >>> 0;
}

/** Reads what `writeHash` wrote. */
export function readHash(r: ByteReader): Hash64 {
  return { first: readWord(r), second: readWord(r) };
}

/** Appends an entry, which has a digest. */
export function writeDedupeEntry(w: ByteWriter, e: DedupeEntry & { digest: Hash64 }): void {
  writeHash(w.str(e.key).uint(e.seq).uint(e.at).uint(e.num), e.digest);
}

function readEntry(r: ByteReader, version: number): DedupeEntry {
  return {
    key: r.str(),
    seq: r.uint(),
    at: r.uint(),
    num: r.uint(),
    digest: version === BLOCK_WITHOUT_DIGEST ? null : readHash(r),
  };
}

/** A block of `count` entries, which `writeDedupeEntry` has written. */
export function encodeDedupeBlock(count: number, entries: Uint8Array): Uint8Array {
  return new ByteWriter(entries.length + 4).u8(BLOCK_VERSION).uint(count).raw(entries).take();
}

/** Entries of a block of any version. Throws `CorruptBytes`. */
export function decodeDedupeBlock(bytes: Uint8Array): DedupeEntry[] {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version !== BLOCK_VERSION && version !== BLOCK_WITHOUT_DIGEST) {
    throw new CorruptBytes(`dedupe block of version ${version}, this program reads 1 and 2`);
  }
  return r.list(() => readEntry(r, version));
}

/** A row of hashes; `hashes` has those of all blocks, in order. */
export function encodeDedupeRow(
  blocks: readonly { readonly number: number; readonly lastAt: number; readonly count: number }[],
  hashes: Uint8Array,
): Uint8Array {
  const w = new ByteWriter(hashes.length + blocks.length * 12 + 8);
  w.u8(ROW_VERSION).uint(blocks.length);
  for (const b of blocks) w.uint(b.number).uint(b.lastAt).uint(b.count);
  return w.raw(hashes).take();
}

/** The inverse of `encodeDedupeRow`. Throws `CorruptBytes`. */
export function decodeDedupeRow(bytes: Uint8Array): RowBlock[] {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version !== ROW_VERSION) {
    throw new CorruptBytes(`row of dedupe hashes of version ${version}, this program reads 1`);
  }
  const blocks = r.list(() => ({ number: r.uint(), lastAt: r.uint(), count: r.uint() }));
  return blocks.map(({ number, lastAt, count }) => {
    const hashes: Hash64[] = [];
    // Reads past the end throw: a count that the bytes cannot hold costs nothing.
    for (let i = 0; i < count; i++) hashes.push(readHash(r));
    return { number, lastAt, hashes };
  });
}

/** Bytes of so many hashes. */
export function hashBytes(count: number): number {
  return count * HASH_BYTES;
}

/** The row of hashes of blocks that former versions have stored. Throws `CorruptBytes`. */
export function hashFormer(
  blocks: readonly FormerBlock[],
  stored: ReadonlyMap<number, Uint8Array>,
  hash: (key: string) => Hash64,
): Uint8Array {
  const hashes = new ByteWriter();
  const hashed = blocks.map(({ number, lastAt }) => {
    const bytes = stored.get(number);
    if (bytes === undefined) throw new CorruptBytes(`dedupe block ${number} is missing`);
    const entries = decodeDedupeBlock(bytes);
    for (const { key } of entries) writeHash(hashes, hash(key));
    return { number, lastAt, count: entries.length };
  });
  return encodeDedupeRow(hashed, hashes.view());
}
