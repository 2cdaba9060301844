/** Frames that the server sends itself, past `ws` (RFC 6455 section 5.2): final, and not masked. */
import { Buffer } from "node:buffer";

const TEXT_FRAME = 0x81;
const PONG_FRAME = 0x8a;
/** An empty ping. */
export const PING = "\x89\x00";

/** The pong for a ping's data, at most 125 bytes, as the characters of a Latin-1 string. */
export function pongFrame(data: Buffer): string {
  return String.fromCharCode(PONG_FRAME, data.length) + data.toString("latin1");
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
