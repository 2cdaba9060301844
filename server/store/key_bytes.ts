/**
 * Keys as bytes whose order is Deno KV's order of keys (FoundationDB's tuple encoding): text is
 * 0x02, its UTF-8 where each NUL is followed by 0xff, and 0x00; a number is 0x21 and eight bytes.
 * Keys under a prefix begin with the prefix's own bytes.
 */
import { CorruptBytes } from "../../shard/record/bytes.ts";
import { keyBytes } from "./store_limits.ts";
import type { StoreKey } from "../node/ports.ts";

const TEXT = 0x02;
const NUMBER = 0x21;
const NUL_FOLLOWS = 0xff;
const NUMBER_BYTES = 8;
/** Greater than the first byte of every part. */
const AFTER_ALL = 0xff;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes of a key. */
export function encodeKey(key: StoreKey): Uint8Array {
  const out = new Uint8Array(keyBytes(key));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of key) {
    if (typeof part === "number") {
      out[at] = NUMBER;
      writeNumber(view, at + 1, part);
      at += 1 + NUMBER_BYTES;
    } else {
      out[at] = TEXT;
      at = writeText(out, at + 1, part);
    }
  }
  return out;
}

function writeText(out: Uint8Array, from: number, text: string): number {
  let at = from;
  for (const byte of utf8.encode(text)) {
    out[at++] = byte;
    if (byte === 0) out[at++] = NUL_FOLLOWS;
  }
  out[at++] = 0;
  return at;
}

/** Negative: all bits flipped; others: the sign bit. Unsigned order is then numeric order. */
function writeNumber(view: DataView, at: number, value: number): void {
  view.setFloat64(at, value);
  const high = view.getUint32(at);
  const negative = (high & 0x8000_0000) !== 0;
  view.setUint32(at, negative ? ~high : high | 0x8000_0000);
  if (negative) view.setUint32(at + 4, ~view.getUint32(at + 4));
}

/** Where the keys strictly under a prefix are: between the two, both exclusive. */
export function keyRange(
  prefix: StoreKey,
): { readonly above: Uint8Array; readonly below: Uint8Array } {
  const above = encodeKey(prefix);
  const below = new Uint8Array(above.length + 1);
  below.set(above);
  below[above.length] = AFTER_ALL;
  return { above, below };
}

/** Reads what `encodeKey` wrote; throws `CorruptBytes` where that is something else. */
export function decodeKey(bytes: Uint8Array): StoreKey {
  const parts: (string | number)[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at];
    if (tag === NUMBER && at + 1 + NUMBER_BYTES <= bytes.length) {
      parts.push(readNumber(bytes, at + 1));
      at += 1 + NUMBER_BYTES;
    } else if (tag === TEXT) {
      const end = endOfText(bytes, at + 1);
      parts.push(readText(bytes.subarray(at + 1, end)));
      at = end + 1;
    } else throw new CorruptBytes(`key: unknown part ${tag}`);
  }
  return parts;
}

function endOfText(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    if (bytes[at] !== 0) continue;
    if (bytes[at + 1] !== NUL_FOLLOWS) return at;
    at++;
  }
  throw new CorruptBytes("key: text without an end");
}

function readText(escaped: Uint8Array): string {
  const plain = new Uint8Array(escaped.length);
  let length = 0;
  for (let at = 0; at < escaped.length; at++) {
    plain[length++] = escaped[at]!;
    if (escaped[at] === 0) at++;
  }
  try {
    return fromUtf8.decode(plain.subarray(0, length));
  } catch (cause) {
    throw new CorruptBytes("key: text is not UTF-8", { cause });
  }
}

function readNumber(bytes: Uint8Array, at: number): number {
  const view = new DataView(new ArrayBuffer(NUMBER_BYTES));
  for (let i = 0; i < NUMBER_BYTES; i++) view.setUint8(i, bytes[at + i]!);
  const high = view.getUint32(0);
  const negative = (high & 0x8000_0000) === 0;
  view.setUint32(0, negative ? ~high : high & 0x7fff_ffff);
  if (negative) view.setUint32(4, ~view.getUint32(4));
  return view.getFloat64(0);
}
