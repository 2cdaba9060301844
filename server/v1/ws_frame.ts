/** Frames that the server sends itself, past `ws` (RFC 6455 section 5.2): final, and not masked. */
import { Buffer } from "node:buffer";
import type { CloseReason } from "../edge/types.ts";

const TEXT_FRAME = 0x81;
const PONG_FRAME = 0x8a;
/** An empty ping. */
export const PING = "\x89\x00";

/** RFC 6455 section 7.4.1: what the close frame says. */
export const CLOSE_CODES: Readonly<Record<CloseReason, number>> = {
  signed_out: 1000,
  replaced: 1000,
  shutdown: 1001,
  revoked: 1008,
  expired: 1008,
  slow: 1008,
  idle: 1008,
  protocol: 1008,
};

/** The pong for a ping's data, at most 125 bytes, as the characters of a Latin-1 string. */
export function pongFrame(data: Buffer): string {
  return String.fromCharCode(PONG_FRAME, data.length) + data.toString("latin1");
}

/** Bytes of a client's frame besides its payload, where that has less than 126 bytes. */
const SHORT_HEAD_BYTES = 6;
/** The bit of an opcode that control frames have. */
const CONTROL = 0x08;

/**
 * How many frames that ask for nothing a client's bytes begin with: control frames and empty texts.
 * Looks at heads alone, and counts to `max` + 1.
 */
export function idleFrames(bytes: Buffer, max: number): number {
  let count = 0;
  for (let at = 0; at + SHORT_HEAD_BYTES <= bytes.length && count <= max; count++) {
    const length = bytes[at + 1]! & 0x7f;
    const isControl = (bytes[at]! & CONTROL) !== 0 && length < 126;
    const isIdle = isControl || (bytes[at] === TEXT_FRAME && length === 0);
    if (!isIdle) break;
    at += SHORT_HEAD_BYTES + length;
  }
  return count;
}

/** A text frame of so many UTF-8 bytes. */
export function frameBuffer(text: string, bytes: number): Buffer {
  const head = frameHead(bytes);
  const frame = Buffer.allocUnsafe(head.length + bytes);
  for (let i = 0; i < head.length; i++) frame[i] = head.charCodeAt(i);
  frame.write(text, head.length);
  return frame;
}

/** Head of a text frame (RFC 6455 section 5.2), as the characters of a Latin-1 string. */
export function frameHead(bytes: number): string {
  if (bytes < 126) return String.fromCharCode(TEXT_FRAME, bytes);
  if (bytes < 65_536) return String.fromCharCode(TEXT_FRAME, 126, bytes >> 8, bytes & 255);
  const high = [bytes >>> 24, (bytes >>> 16) & 255, (bytes >>> 8) & 255, bytes & 255];
  return String.fromCharCode(TEXT_FRAME, 127, 0, 0, 0, 0, ...high);
}
