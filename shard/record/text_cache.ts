/**
 * Texts that are read again and again, such as the names of fields: the same string is returned, so
 * that it is made once, and hashed once where it is the key of an object.
 */
import type { ByteReader } from "./bytes.ts";

/** Texts that are kept, by a hash of their bytes; a power of two. */
const SLOTS = 256;
/** Bytes of the longest text that is kept. */
const TEXT_BYTES_MAX = 32;

/** See the head of this file. Its memory is bounded: a text takes the place of another one. */
export class TextCache {
  readonly #texts: (string | undefined)[] = new Array(SLOTS).fill(undefined);

  /** Reads a text, as `ByteReader.str`. */
  read(r: ByteReader): string {
    const hash = r.peekHash(TEXT_BYTES_MAX);
    if (hash < 0) return r.str();
    const slot = hash & (SLOTS - 1);
    const known = this.#texts[slot];
    if (known !== undefined && r.takeStr(known)) return known;
    const text = r.str();
    this.#texts[slot] = text;
    return text;
  }
}
