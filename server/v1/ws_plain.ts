/**
 * Frames that need nothing of `ws`: most clients send no others, and its objects are half of what an
 * idle WebSocket keeps in memory. Pure.
 */
import { Buffer, isUtf8 } from "node:buffer";

export const TEXT = 0x81;
export const PING = 0x89;
export const PONG = 0x8a;
const MASKED = 0x80;
const MASK_BYTES = 4;
/** Lengths that say that the length follows, in two bytes and in eight. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** One of them: its first byte and its payload, unmasked. */
export interface PlainFrame {
  readonly first: typeof TEXT | typeof PING | typeof PONG;
  readonly payload: Buffer;
}

/**
 * Returns the frames of a client (RFC 6455 section 5.2) where the bytes are nothing but whole ones of
 * the usual kinds: masked, final, with texts of at most `bytesMax` bytes of UTF-8, pings and pongs.
 * Null for everything else, right or wrong; the bytes are left as they are.
 */
export function plainFrames(bytes: Buffer, bytesMax: number): readonly PlainFrame[] | null {
  const frames: PlainFrame[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at];
    if (first !== TEXT && first !== PING && first !== PONG) return null;
    let length = (bytes[at + 1] ?? 0) ^ MASKED;
    let begin = at + 2;
    // Not masked, too long for these, or too long for a ping.
    if (length >= LENGTH_64 || length === LENGTH_16 && first !== TEXT) return null;
    if (length === LENGTH_16) {
      if (begin + 2 > bytes.length) return null;
      length = bytes.readUInt16BE(begin);
      begin += 2;
      if (length < LENGTH_16) return null;
    }
    const end = begin + MASK_BYTES + length;
    if (end > bytes.length || length > bytesMax) return null;
    const payload = unmasked(bytes, begin, length, first === TEXT);
    if (payload === null) return null;
    frames.push({ first, payload });
    at = end;
  }
  return frames;
}

/** A copy of the payload whose mask is at `maskAt`; null where it is no UTF-8 and must be. */
function unmasked(bytes: Buffer, maskAt: number, length: number, isText: boolean): Buffer | null {
  const payload = Buffer.allocUnsafe(length);
  const from = maskAt + MASK_BYTES;
  let high = 0;
  for (let i = 0; i < length; i++) {
    high |= payload[i] = bytes[from + i]! ^ bytes[maskAt + (i & 3)]!;
  }
  return isText && high >= 0x80 && !isUtf8(payload) ? null : payload;
}
