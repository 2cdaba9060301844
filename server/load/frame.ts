/** The client's side of WebSocket framing (RFC 6455 section 5), on bytes, without a socket. */

const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;

const OPCODE = { continuation: 0, text: 1, close: 8, ping: 9, pong: 10 } as const;

/** Longest payload that is taken; a server of this protocol sends far less. */
export const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;

/** What comes out of a parser. Bytes are only valid during the call. */
export interface FrameHandler {
  /** One whole text message, in `bytes[from … to)`. */
  text(bytes: Uint8Array, from: number, to: number): void;
  /** A ping; to be answered by a pong with the same payload. */
  ping(payload: Uint8Array): void;
  /** The server closes; nothing follows. */
  close(code: number): void;
}

/**
 * Takes what a socket reads and finds the messages in it, in place where they are whole. Holds at
 * most one unfinished message.
 */
export class FrameParser {
  /** What was read of a message that is not whole yet; the rest of the buffer is free. */
  #rest: Uint8Array | null = null;
  #restBytes = 0;
  /** Payloads of a fragmented message so far. */
  #fragments: Uint8Array[] | null = null;

  /** Takes the next bytes; returns what is wrong with them, after which the stream is unusable. */
  feed(chunk: Uint8Array, handler: FrameHandler): string | null {
    if (this.#rest === null) return this.#parse(chunk, chunk.length, false, handler);
    this.#append(chunk);
    const bytes = this.#rest;
    this.#rest = null;
    return this.#parse(bytes, this.#restBytes, true, handler);
  }

  /** Adds to what is kept; doubles the buffer, so that a long message is not copied every time. */
  #append(chunk: Uint8Array): void {
    const rest = this.#rest!;
    const wanted = this.#restBytes + chunk.length;
    if (wanted > rest.length) {
      const grown = new Uint8Array(Math.max(wanted, rest.length * 2));
      grown.set(rest.subarray(0, this.#restBytes));
      this.#rest = grown;
    }
    this.#rest!.set(chunk, this.#restBytes);
    this.#restBytes = wanted;
  }

  #parse(bytes: Uint8Array, end: number, own: boolean, handler: FrameHandler): string | null {
    let at = 0;
    while (end - at >= 2) {
      const first = bytes[at]!;
      const second = bytes[at + 1]!;
      if ((first & RESERVED) !== 0) return "a frame has reserved bits set";
      if ((second & MASKED) !== 0) return "a frame of the server is masked";
      let header = 2;
      let length = second & 0x7f;
      if (length === 126) {
        if (end - at < 4) break;
        length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
        header = 4;
      } else if (length === 127) {
        if (end - at < 10) break;
        length = lengthOf64(bytes, at + 2);
        header = 10;
      }
      if (length > PAYLOAD_BYTES_MAX) return `a frame has ${length} bytes`;
      if (end - at < header + length) break;
      const from = at + header;
      at = from + length;
      const fault = this.#frame(first, bytes, from, at, handler);
      if (fault !== null) return fault;
    }
    if (at === end) return null;
    // A chunk may be a view of the socket's buffer and has to be copied; our own has not.
    this.#rest = at === 0 && own ? bytes : bytes.slice(at, end);
    this.#restBytes = end - at;
    return null;
  }

  #frame(
    first: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    handler: FrameHandler,
  ): string | null {
    switch (first & 0x0f) {
      case OPCODE.text:
        if (this.#fragments !== null) return "a message begins inside another one";
        if ((first & FIN) !== 0) handler.text(bytes, from, to);
        else this.#fragments = [bytes.slice(from, to)];
        return null;
      case OPCODE.continuation:
        return this.#continuation((first & FIN) !== 0, bytes.slice(from, to), handler);
      case OPCODE.ping:
        handler.ping(bytes.slice(from, to));
        return null;
      case OPCODE.pong:
        return null;
      case OPCODE.close:
        handler.close(to - from < 2 ? 1005 : (bytes[from]! << 8) | bytes[from + 1]!);
        return null;
      default:
        return `a frame has the opcode ${first & 0x0f}`;
    }
  }

  #continuation(last: boolean, payload: Uint8Array, handler: FrameHandler): string | null {
    if (this.#fragments === null) return "a continuation continues nothing";
    this.#fragments.push(payload);
    const bytes = this.#fragments.reduce((sum, part) => sum + part.length, 0);
    if (bytes > PAYLOAD_BYTES_MAX) return `a message has more than ${PAYLOAD_BYTES_MAX} bytes`;
    if (!last) return null;
    const whole = new Uint8Array(bytes);
    let at = 0;
    for (const part of this.#fragments) {
      whole.set(part, at);
      at += part.length;
    }
    this.#fragments = null;
    handler.text(whole, 0, bytes);
    return null;
  }
}

function lengthOf64(bytes: Uint8Array, at: number): number {
  let length = 0;
  for (let i = 0; i < 8; i++) length = length * 256 + bytes[at + i]!;
  return length;
}

/** Characters that do not survive as they are in a string written byte for byte. */
const NOT_ASCII = /[\u0080-\uffff]/g;

/**
 * A text frame with JSON as a string of bytes (to be written as latin1). Characters beyond ASCII
 * become escapes. The mask key is zero, which RFC 6455 leaves to the client: it protects proxies
 * from scripts in browsers, and this is neither.
 */
export function textFrame(json: string): string {
  const ascii = json.replace(
    NOT_ASCII,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return header(FIN | OPCODE.text, ascii.length) + ascii;
}

/** A pong, as `textFrame`; `payload` at most 125 bytes. */
export function pongFrame(payload: Uint8Array): string {
  return header(FIN | OPCODE.pong, payload.length) + String.fromCharCode(...payload);
}

/** A close frame with the code 1000, as `textFrame`. */
export function closeFrame(): string {
  return header(FIN | OPCODE.close, 2) + "\x03\xe8";
}

function header(first: number, length: number): string {
  const start = String.fromCharCode(first);
  if (length < 126) return `${start}${String.fromCharCode(MASKED | length)}\0\0\0\0`;
  if (length < 65_536) {
    const bytes = String.fromCharCode(MASKED | 126, length >> 8, length & 0xff);
    return `${start}${bytes}\0\0\0\0`;
  }
  let bytes = "";
  for (let rest = length, i = 0; i < 8; i++, rest = Math.floor(rest / 256)) {
    bytes = String.fromCharCode(rest % 256) + bytes;
  }
  return `${start}${String.fromCharCode(MASKED | 127)}${bytes}\0\0\0\0`;
}
