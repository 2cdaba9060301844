/** The memory of what was read from sockets. */
import type { Buffer } from "node:buffer";

/**
 * Frees the memory of bytes read from a socket at once, and leaves them empty. Otherwise it stays
 * until the next collection of garbage, which is late: the platform reads into 64 KiB however few
 * bytes come, and V8 knows nothing of the difference, so that a flood held hundreds of megabytes.
 *
 * Only for bytes that nothing refers to any more. Does nothing where they are part of a larger
 * buffer.
 */
export function freeChunk({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
