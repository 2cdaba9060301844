/**
 * Frames of one turn as one message: a byte that says whether it is compressed, then the frames, each
 * behind its length. Each message is compressed by itself (DEFLATE, RFC 1951, the fastest level), so
 * that one can be lost. `deno task bench micro` measures what that saves and costs.
 */
import { Buffer } from "node:buffer";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { CorruptBytes } from "../../../shard/record/bytes.ts";

/** Fewest bytes that are worth compressing. */
const COMPRESSED_BYTES_MIN = 512;
/** Most bytes of the frames of one message, for both sides. */
export const BATCH_BYTES_MAX = 16 * 1024 * 1024;

const PLAIN = 0;
const DEFLATED = 1;
const LENGTH_BYTES = 4;

/** Makes a message of frames. */
export function packBatch(frames: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const frame of frames) {
    const length = new Uint8Array(LENGTH_BYTES);
    new DataView(length.buffer).setUint32(0, frame.length);
    parts.push(length, frame);
  }
  const plain = Buffer.concat([Uint8Array.of(PLAIN), ...parts]);
  if (plain.length < COMPRESSED_BYTES_MIN) return plain;
  const packed = deflateRawSync(plain.subarray(1), { level: constants.Z_BEST_SPEED });
  return packed.length + 1 < plain.length
    ? Buffer.concat([Uint8Array.of(DEFLATED), packed])
    : plain;
}

/** The frames of a message. Throws `CorruptBytes` where it is none, or is too long. */
export function unpackBatch(message: Uint8Array): readonly Uint8Array[] {
  const bytes = plainOf(message);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const from = at + LENGTH_BYTES;
    if (from > bytes.length) throw new CorruptBytes("a batch ends within a length");
    at = from + view.getUint32(at);
    if (at > bytes.length) throw new CorruptBytes("a batch ends within a frame");
    frames.push(bytes.subarray(from, at));
  }
  return frames;
}

function plainOf(message: Uint8Array): Uint8Array {
  const body = message.subarray(1);
  if (message[0] === PLAIN) return body;
  if (message[0] !== DEFLATED) throw new CorruptBytes("a batch is of an unknown kind");
  try {
    return inflateRawSync(body, { maxOutputLength: BATCH_BYTES_MAX });
  } catch (error) {
    throw new CorruptBytes(
      `a batch cannot be read: ${error instanceof Error ? error.message : error}`,
    );
  }
}
