/**
 * What was read from a WebSocket and is not taken apart yet: one read may hold 10,000 frames. It
 * exists only while something waits, so that an idle connection costs nothing for it.
 */
import { Buffer } from "node:buffer";
import { freeChunk } from "../http/chunk.ts";

/** The unparsed bytes of one connection; none once `isEmpty`. */
export class UnparsedBytes {
  #rest: Buffer;
  /** What `#rest` is the end of; null once it is free. */
  #chunk: Buffer | null;

  constructor(chunk: Buffer) {
    this.#rest = this.#chunk = chunk;
  }

  get isEmpty(): boolean {
    return this.#rest.length === 0;
  }

  /** Returns the bytes that wait with `chunk` behind them, and frees what they were part of. */
  joined(chunk: Buffer): Buffer {
    const both = Buffer.concat([this.#rest, chunk]);
    freeChunk(chunk);
    this.free();
    return both;
  }

  /** Takes the next bytes, at most `bytes`. A copy, for `ws` may keep it. */
  take(bytes: number): Buffer {
    const slice = Buffer.from(this.#rest.subarray(0, bytes));
    this.#rest = this.#rest.subarray(bytes);
    return slice;
  }

  /** Gives the memory of the read back, once. */
  free(): void {
    if (this.#chunk !== null) freeChunk(this.#chunk);
    this.#chunk = null;
  }
}
