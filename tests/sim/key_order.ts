import type { StoreKey } from "../../server/node/ports.ts";

const scratch = new DataView(new ArrayBuffer(8));
const encoder = new TextEncoder();

/** Text as one character a byte, so that comparing strings compares bytes. */
function latin1(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) out += String.fromCharCode(byte);
  return out;
}

function encodeText(text: string): string {
  // deno-lint-ignore no-control-regex -- exactly the characters that stand for themselves
  if (/^[\x01-\x7f]*$/.test(text)) return `\x02${text}\x00`;
  return `\x02${latin1(encoder.encode(text)).replaceAll("\x00", "\x00\xff")}\x00`;
}

function encodeNumber(value: number): string {
  scratch.setFloat64(0, value);
  const high = scratch.getUint32(0);
  // Negative: all bits flipped; others: the sign bit. Unsigned order is then numeric order.
  scratch.setUint32(0, high & 0x8000_0000 ? ~high : high | 0x8000_0000);
  if (high & 0x8000_0000) scratch.setUint32(4, ~scratch.getUint32(4));
  let out = "!";
  for (let i = 0; i < 8; i += 2) {
    const pair = scratch.getUint16(i);
    out += String.fromCharCode(pair >>> 8, pair & 0xff);
  }
  return out;
}

/**
 * A key as a string whose order by code units is Deno KV's order of keys (FoundationDB's tuple
 * encoding: text 0x02 … 0x00, numbers 0x21 and eight bytes). Keys under a prefix start with the
 * prefix's own encoding.
 */
export function encodeKey(key: StoreKey): string {
  let out = "";
  for (const part of key) out += typeof part === "string" ? encodeText(part) : encodeNumber(part);
  return out;
}
