/**
 * The packed byte format that records, checkpoints and peer frames are written in: little varints
 * and length-prefixed UTF-8. It has no schema of its own; every user of it writes a version first.
 */

const encoder = new TextEncoder();
// Without `ignoreBOM` a text that begins with U+FEFF would return without it.
/** Characters up to which a text is first taken for ASCII; below 2¹⁴, a length of two bytes. */
const ASCII_LOOP_MAX = 512;
/** Every array of bytes costs some hundred of its own. */
const NOTHING = new Uint8Array(0);
/** Bytes that are copied one by one. */
const COPY_LOOP_MAX = 256;
/** Above it, integers are no 32-bit integers. */
const INT32_MAX = 0x7fff_ffff;
/** Bytes up to which a text is first taken for ASCII when it is read. */
const ASCII_ARRAY_MAX = 96;
/** Bytes of a text that `strOf` keeps; its length then takes one. */
const KNOWN_BYTES_MAX = 32;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes that cannot be what they should be. */
export class CorruptBytes extends Error {
  override readonly name = "CorruptBytes";
}

/** Appends values to a buffer that grows. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = capacity === 0 ? NOTHING : new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  #reserve(count: number): void {
    const need = this.#length + count;
    if (need <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(need, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  /** An integer in 0 … 2⁵³ − 1, in 1 to 8 bytes. */
  uint(value: number): this {
    this.#reserve(8);
    const bytes = this.#bytes;
    let at = this.#length;
    let v = value;
    if (v > INT32_MAX) {
      // Divided once, not once for each byte: times are this long.
      const high = Math.floor(v / 2 ** 28);
      const low = v - high * 2 ** 28;
      bytes[at++] = (low & 0x7f) | 0x80;
      bytes[at++] = (low >>> 7 & 0x7f) | 0x80;
      bytes[at++] = (low >>> 14 & 0x7f) | 0x80;
      bytes[at++] = (low >>> 21) | 0x80;
      v = high;
    }
    while (v >= 0x80) {
      bytes[at++] = (v & 0x7f) | 0x80;
      v >>>= 7;
    }
    bytes[at++] = v;
    this.#length = at;
    return this;
  }

  /** A signed integer, zigzag. */
  int(value: number): this {
    return this.uint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  /** UTF-8 with its length; lone surrogates become U+FFFD. */
  str(text: string): this {
    const n = text.length;
    // A loop over ASCII is quicker than a call of the encoder until the text gets long.
    if (n >= ASCII_LOOP_MAX) return this.bytes(encoder.encode(text));
    this.#reserve(n + 8);
    const start = this.#length;
    const bytes = this.#bytes;
    let at = start;
    if (n < 0x80) {
      bytes[at++] = n;
    } else {
      bytes[at++] = (n & 0x7f) | 0x80;
      bytes[at++] = n >>> 7;
    }
    for (let i = 0; i < n; i++) {
      const c = text.charCodeAt(i);
      if (c >= 0x80) return this.bytes(encoder.encode(text));
      bytes[at++] = c;
    }
    this.#length = at;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.uint(value.length);
    return this.raw(value);
  }

  /** Bytes without a length. */
  raw(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** Leaves room for the length of what is written up to `endSized`, which takes the answer. */
  beginSized(): number {
    this.#reserve(2);
    this.#length += 2;
    return this.#length;
  }

  /** Puts the length before what was written since: two bytes where they hold it. */
  endSized(start: number): this {
    const n = this.#length - start;
    if (n >= 0x4000) {
      const large = this.#bytes.slice(start, this.#length);
      this.#length = start - 2;
      return this.bytes(large);
    }
    this.#bytes[start - 2] = (n & 0x7f) | 0x80;
    this.#bytes[start - 1] = n >>> 7;
    return this;
  }

  /** Leaves room for a length of four bytes, and returns where: `setSize` puts it there. */
  leaveSize(): number {
    this.#reserve(4);
    this.#length += 4;
    return this.#length - 4;
  }

  /** Puts the length of what was written behind the room at `at` there, its highest byte first. */
  setSize(at: number): void {
    const size = this.#length - at - 4;
    this.#bytes[at] = size >>> 24;
    this.#bytes[at + 1] = size >>> 16;
    this.#bytes[at + 2] = size >>> 8;
    this.#bytes[at + 3] = size;
  }

  /** Takes back what was written from `length` on: a copy. */
  cutFrom(length: number): Uint8Array {
    const rest = this.#bytes.slice(length, this.#length);
    this.#length = length;
    return rest;
  }

  /** What another writer holds, without a length. */
  copy(from: ByteWriter): this {
    const n = from.#length;
    this.#reserve(n);
    const bytes = this.#bytes;
    const source = from.#bytes;
    const at = this.#length;
    // A view costs more than the copying, until there is much of it.
    if (n > COPY_LOOP_MAX) bytes.set(source.subarray(0, n), at);
    else for (let i = 0; i < n; i++) bytes[at + i] = source[i]!;
    this.#length = at + n;
    return this;
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** What was written, valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets everything, keeps the buffer. */
  clear(): void {
    this.#length = 0;
  }
}

/** The same bytes, without the methods of Node's `Buffer`: its `slice` does not copy. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Reads back what a `ByteWriter` wrote; throws `CorruptBytes` rather than reading past the end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  /** By its length, an array that characters are put into: texts of one length share it. */
  #codes: number[][] | null = null;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.#bytes = plainBytes(bytes);
    this.#at = at;
    this.#end = end;
  }

  get at(): number {
    return this.#at;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  u8(): number {
    if (this.#at >= this.#end) throw new CorruptBytes(`read past the end at ${this.#at}`);
    return this.#bytes[this.#at++]!;
  }

  /** Skips a byte 0, such as the count of an empty list; false where another comes next. */
  takeZero(): boolean {
    if (this.#at >= this.#end || this.#bytes[this.#at] !== 0) return false;
    this.#at++;
    return true;
  }

  uint(): number {
    const first = this.u8();
    return first < 0x80 ? first : this.#longUint(first & 0x7f);
  }

  /** The rest of an integer whose lowest seven bits are `low`. */
  #longUint(low: number): number {
    let value = low;
    let scale = 0x80;
    for (let i = 1; i < 8; i++) {
      const b = this.u8();
      value += (b & 0x7f) * scale;
      if (b < 0x80) {
        if (!Number.isSafeInteger(value)) throw new CorruptBytes("integer over 2^53");
        return value;
      }
      scale *= 0x80;
    }
    throw new CorruptBytes(`integer of more than 8 bytes at ${this.#at}`);
  }

  int(): number {
    const v = this.uint();
    return v % 2 === 0 ? v / 2 : -(v + 1) / 2;
  }

  bool(): boolean {
    return this.u8() !== 0;
  }

  str(): string {
    const n = this.uint();
    const start = this.#at;
    if (start + n > this.#end) throw new CorruptBytes(`string of ${n} bytes past the end`);
    this.#at = start + n;
    if (n === 0) return "";
    if (n <= ASCII_ARRAY_MAX) {
      // Quicker than adding up characters, and than a call of the decoder.
      const codes = (this.#codes ??= [])[n] ??= new Array<number>(n);
      let high = 0;
      for (let i = 0; i < n; i++) high |= codes[i] = this.#bytes[start + i]!;
      if (high < 0x80) return String.fromCharCode.apply(null, codes);
    }
    try {
      return decoder.decode(this.#bytes.subarray(start, this.#at));
    } catch {
      throw new CorruptBytes(`invalid UTF-8 at ${start}`);
    }
  }

  /** As `str`; `known` (a power of two of places) keeps a short text for the next one like it. */
  strOf(known: (string | undefined)[]): string {
    const bytes = this.#bytes;
    const n = this.#at < this.#end ? bytes[this.#at]! : 0;
    const start = this.#at + 1;
    if (n > KNOWN_BYTES_MAX || start + n > this.#end) return this.str();
    let [hash, high] = [n, 0];
    for (let i = start; i < start + n; i++) {
      high |= bytes[i]!;
      hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    }
    if (high >= 0x80) return this.str();
    const place = (hash ^ hash >>> 15) & (known.length - 1);
    const text = known[place];
    let left = text?.length === n ? n : -1;
    while (left > 0 && text!.charCodeAt(left - 1) === bytes[start + left - 1]) left--;
    if (left !== 0) return known[place] = this.str();
    this.#at = start + n;
    return text!;
  }

  /** A copy. */
  bytes(): Uint8Array {
    const n = this.uint();
    if (this.#at + n > this.#end) throw new CorruptBytes(`${n} bytes past the end`);
    const out = this.#bytes.slice(this.#at, this.#at + n);
    this.#at += n;
    return out;
  }

  /** The same bytes, not a copy. */
  view(): Uint8Array {
    const n = this.uint();
    if (this.#at + n > this.#end) throw new CorruptBytes(`${n} bytes past the end`);
    this.#at += n;
    return this.#bytes.subarray(this.#at - n, this.#at);
  }

  /** Skips a string that `str` could read. */
  skipStr(): void {
    const before = this.#at;
    const n = this.uint();
    const start = this.#at;
    const end = start + n;
    if (end > this.#end) throw new CorruptBytes(`string of ${n} bytes past the end`);
    const bytes = this.#bytes;
    let high = 0;
    for (let i = start; i < end; i++) high |= bytes[i]!;
    this.#at = end;
    if (high < 0x80) return;
    this.#at = before;
    this.str();
  }

  /** Goes back to an earlier place. */
  back(at: number): void {
    this.#at = at;
  }

  /** The string at an earlier place. */
  strAt(at: number): string {
    return new ByteReader(this.#bytes, at, this.#end).str();
  }

  /** Skips integers that `uint` could read. */
  skipUints(count: number): void {
    const bytes = this.#bytes;
    for (let i = 0; i < count; i++) {
      // Most take one byte.
      if (this.#at < this.#end && bytes[this.#at]! < 0x80) this.#at++;
      else this.uint();
    }
  }

  /** What was read since `at`, not a copy. */
  since(at: number): Uint8Array {
    return this.#bytes.subarray(at, this.#at);
  }

  /** Skips `count` bytes. */
  skip(count: number): void {
    if (this.#at + count > this.#end) throw new CorruptBytes(`${count} bytes past the end`);
    this.#at += count;
  }

  /** A count of items of at least `bytesMin` bytes (1 at least), which the rest can hold. */
  count(bytesMin = 1): number {
    const count = this.uint();
    // A count that the bytes cannot hold must not cost its memory.
    if (count * bytesMin > this.#end - this.#at) {
      throw new CorruptBytes(`${count} items past the end`);
    }
    return count;
  }

  /** A count and as many items; `read` takes at least one byte for each. */
  list<T>(read: () => T): T[] {
    const count = this.count();
    if (count === 0) return [];
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  /** A reader over the next `count` bytes, which this one skips. */
  sub(count: number): ByteReader {
    if (this.#at + count > this.#end) throw new CorruptBytes(`${count} bytes past the end`);
    const inner = new ByteReader(this.#bytes, this.#at, this.#at + count);
    this.#at += count;
    return inner;
  }
}
