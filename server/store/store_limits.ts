/**
 * What one store operation may hold. Breaking a limit is a bug of the caller, so each check throws;
 * the real store and the simulated one share them.
 */
import { type Mutation, STORE_LIMITS, type StoreKey } from "../node/ports.ts";
import { CHECKSUM_BYTES } from "./row_checksum.ts";

/**
 * Longest encoded key: Deno KV writes 2,048 bytes and reads 2,049, and a list that starts after a
 * key needs two more than the key.
 */
export const KEY_BYTES_MAX = 2047;

/** Most rows of one list. */
export const LIST_ROWS_MAX = 500;

/** UTF-8 bytes of a key's text, where each NUL takes two (it is escaped). */
function textBytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0) bytes += 2;
    else if (c < 0x80) bytes += 1;
    else if (c < 0x800) bytes += 2;
    // A surrogate pair is four bytes.
    else if (c >= 0xd800 && c < 0xe000) bytes += 2;
    else bytes += 3;
  }
  return bytes;
}

/** Bytes of a key as Deno KV encodes it: text with two more, numbers in nine. */
export function keyBytes(key: StoreKey): number {
  let bytes = 0;
  for (const part of key) bytes += typeof part === "string" ? textBytes(part) + 2 : 9;
  return bytes;
}

/**
 * Throws where `key` is empty, over `KEY_BYTES_MAX`, has a number that is not finite, or text with
 * half a surrogate pair (Deno KV would store U+FFFD for it, and so mix keys up).
 */
export function checkKey(action: string, key: StoreKey): void {
  if (key.length === 0) throw new Error(`${action}: the key is empty`);
  const bytes = keyBytes(key);
  if (bytes > KEY_BYTES_MAX) {
    throw new Error(`${action}: key is ${bytes} bytes, limit is ${KEY_BYTES_MAX}`);
  }
  checkParts(action, key);
}

function checkParts(action: string, key: StoreKey): void {
  for (const part of key) {
    if (typeof part === "string" ? !part.isWellFormed() : !Number.isFinite(part)) {
      throw new Error(`${action}: ${JSON.stringify(part)} cannot be part of a key`);
    }
  }
}

/**
 * What a mutation adds to `STORE_LIMITS.writeBytesMax`: a set its key twice, its value, and what is
 * stored before that.
 */
export function mutationBytes(mutation: Mutation): number {
  const bytes = keyBytes(mutation.key);
  return mutation.kind === "delete" ? bytes : 2 * bytes + CHECKSUM_BYTES + mutation.value.length;
}

/** Throws where one atomic write is over `STORE_LIMITS` or has a bad key. */
export function checkWrite(mutations: readonly Mutation[]): void {
  const { mutationsMax, valueBytesMax, writeBytesMax } = STORE_LIMITS;
  if (mutations.length > mutationsMax) {
    throw new Error(`write: ${mutations.length} mutations, limit is ${mutationsMax}`);
  }
  let bytes = 0;
  for (const mutation of mutations) {
    checkKey("write", mutation.key);
    if (mutation.kind === "set" && mutation.value.length > valueBytesMax) {
      throw new Error(
        `write: a value is ${mutation.value.length} bytes, limit is ${valueBytesMax}`,
      );
    }
    bytes += mutationBytes(mutation);
  }
  if (bytes > writeBytesMax) {
    throw new Error(`write: keys and values are ${bytes} bytes, limit is ${writeBytesMax}`);
  }
}

/** Throws where a list has a bad limit or prefix, or starts after a key outside its prefix. */
export function checkList(
  options: { readonly prefix: StoreKey; readonly after: StoreKey | null; readonly limit: number },
): void {
  const { prefix, after, limit } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > LIST_ROWS_MAX) {
    throw new Error(`list: limit is ${limit}, wants 1 to ${LIST_ROWS_MAX}`);
  }
  checkParts("list", prefix);
  if (after === null) return;
  checkKey("list", after);
  if (after.length < prefix.length || prefix.some((part, i) => part !== after[i])) {
    throw new Error("list: the key to start after is not under the prefix");
  }
}
