/** Ranges of a store's rows, as two copies of it compare them. */
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { encodeKey } from "../store/key_bytes.ts";
import { NUMBER_KEY } from "./write_number.ts";
import type { Row, StoreKey } from "../node/ports.ts";

/** Key of the row that says how far an unfinished copy was compared; a whole one has none. */
export const FILLING_KEY: StoreKey = ["meta", "unfinished standby"];

/** Bytes of a range's digest. */
export const DIGEST_BYTES = 32;

/** Whether a row is about the copy and not part of what is copied. */
export function isOfCopy(key: StoreKey): boolean {
  return key.length === 2 && key[0] === "meta" &&
    (key[1] === NUMBER_KEY[1] || key[1] === FILLING_KEY[1]);
}

/** A key as text: two different keys never have the same one. */
export function keyName(key: StoreKey): string {
  return Buffer.from(encodeKey(key)).toString("latin1");
}

/** Negative, 0 or positive: the order of keys in the store. */
export function compareKeys(a: StoreKey, b: StoreKey): number {
  return Buffer.compare(encodeKey(a), encodeKey(b));
}

/** Whether a key is in the range that ends at `upTo` (inclusive; null: no end). */
export function isUpTo(key: StoreKey, upTo: StoreKey | null): boolean {
  return upTo === null || compareKeys(key, upTo) <= 0;
}

/** A digest of rows with the bytes that are stored (SHA-256). */
export function digestOf(rows: readonly Row[]): Uint8Array {
  const hash = createHash("sha256");
  const lengths = Buffer.alloc(8);
  for (const { key, value } of rows) {
    const bytes = encodeKey(key);
    lengths.writeUInt32BE(bytes.length, 0);
    lengths.writeUInt32BE(value.length, 4);
    hash.update(lengths).update(bytes).update(value);
  }
  return new Uint8Array(hash.digest());
}

/** The first rows of a list up to `bytesMax` bytes of values, at least one; null: `rows` has the end. */
export function cutPage(
  rows: readonly Row[],
  bytesMax: number,
  ends: boolean,
): { readonly rows: readonly Row[]; readonly upTo: StoreKey | null } {
  let bytes = 0;
  let count = 0;
  while (count < rows.length && (count === 0 || bytes < bytesMax)) {
    bytes += rows[count]!.value.length;
    count++;
  }
  if (count === rows.length && ends) return { rows, upTo: null };
  return { rows: rows.slice(0, count), upTo: rows[count - 1]!.key };
}
