/**
 * The checksum of a stored row. A row is stored behind eight bytes: a mark of four bytes, whose last
 * one is the version of this layout, and a CRC-32 (ISO-HDLC, as zlib computes it) of the row's key
 * and value, little-endian. The key is part of it, so that a row under the key of another is noticed.
 *
 * Rows of programs before the mark have neither. A store that was made with checksums, or in which
 * every row was given one, has none of them: see `CheckedRows`.
 */
import { crc32 } from "node:zlib";
import type { StoreKey } from "../node/ports.ts";

/** Bytes before the value of a row. */
export const CHECKSUM_BYTES = 8;

/** No row of an earlier program begins with it: their first byte is a version of at most 2, or text. */
const MARK = [0xc7, 0x52, 0x6f, 0x01] as const;

const KEY_TEXT = new TextEncoder();

/** The key as text; two different keys never have the same one. */
function keyText(key: StoreKey): string {
  let text = "";
  for (const part of key) {
    text += typeof part === "string" ? `s${part.length}:${part}` : `n${part};`;
  }
  return text;
}

/** The key as bytes, and the value behind them. */
function joined(key: StoreKey, value: Uint8Array): { both: Uint8Array; at: number } {
  const text = KEY_TEXT.encode(keyText(key));
  const both = new Uint8Array(text.length + value.length);
  both.set(text);
  both.set(value, text.length);
  return { both, at: text.length };
}

/**
 * Of both at once: `crc32` with the sum of the key to begin from has given wrong sums in a process
 * that had run for a while, for about half of the rows.
 */
function checksumOf(key: StoreKey, value: Uint8Array): number {
  return crc32(joined(key, value).both);
}

/** The bytes to store for a row: its mark, its checksum, its value. */
export function addChecksum(key: StoreKey, value: Uint8Array): Uint8Array {
  const stored = new Uint8Array(CHECKSUM_BYTES + value.length);
  stored.set(MARK);
  stored.set(value, CHECKSUM_BYTES);
  const sum = checksumOf(key, value);
  for (let i = 0; i < 4; i++) stored[4 + i] = sum >>> (8 * i);
  return stored;
}

/** What stored bytes are. `plain`: a row of a program before checksums, whose value is all of it. */
export type CheckedRow =
  | { readonly kind: "whole" | "plain"; readonly value: Uint8Array }
  | { readonly kind: "damaged"; readonly reason: string };

/**
 * Checks the stored bytes of the row at `key`; the value is a view of them. A row whose mark alone is
 * damaged is whole: its checksum says so. `plainRows`: whether the store may have rows without one.
 */
export function checkRow(key: StoreKey, stored: Uint8Array, plainRows: boolean): CheckedRow {
  if (stored.length >= CHECKSUM_BYTES) {
    const value = stored.subarray(CHECKSUM_BYTES);
    if (readSum(stored) === checksumOf(key, value)) return { kind: "whole", value };
    if (MARK.every((byte, i) => stored[i] === byte)) {
      return { kind: "damaged", reason: "its checksum is not that of its key and value" };
    }
  }
  if (plainRows) return { kind: "plain", value: stored };
  return { kind: "damaged", reason: "it has no checksum" };
}

function readSum(stored: Uint8Array): number {
  return (stored[4]! | stored[5]! << 8 | stored[6]! << 16 | stored[7]! << 24) >>> 0;
}

/**
 * The value of a damaged row, where flipping one bit back makes its checksum fit; null where none
 * does. Of 64 KiB of other damage one in 8,000 is taken for a flipped bit.
 */
export function restoreRow(key: StoreKey, stored: Uint8Array): Uint8Array | null {
  const { both, at } = joined(key, stored.subarray(CHECKSUM_BYTES));
  const value = both.subarray(at);
  const wanted = stored.length < CHECKSUM_BYTES ? 0 : readSum(stored);
  // A flipped bit of the checksum itself leaves the value as it was.
  if (stored.length >= CHECKSUM_BYTES && isOneBit(wanted ^ crc32(both))) return value;
  for (let bit = 0; bit < value.length * 8; bit++) {
    value[bit >> 3]! ^= 1 << (bit & 7);
    if (crc32(both) === wanted) return value;
    value[bit >> 3]! ^= 1 << (bit & 7);
  }
  return null;
}

function isOneBit(bits: number): boolean {
  return bits !== 0 && (bits & (bits - 1)) === 0;
}
