/** HTTP/1.1 responses out of what a socket reads, without a socket. */

const HEAD_BYTES_MAX = 65_536;
const BODY_BYTES_MAX = 16 * 1024 * 1024;

/** A whole response. */
export interface HttpResponse {
  readonly status: number;
  readonly body: Uint8Array;
  /** Whether the server closes the connection after it. */
  readonly last: boolean;
}

interface Head {
  readonly status: number;
  readonly last: boolean;
  /** Bytes of the body; null where it is chunked. */
  readonly length: number | null;
}

const latin1 = new TextDecoder("latin1");

/** Holds what is not complete yet. Responses to HEAD and those that only end with the connection
 * are not understood: this tool asks for neither. */
export class ResponseParser {
  #bytes: Uint8Array = new Uint8Array();
  #head: Head | null = null;

  /**
   * Takes the next bytes; returns what is wrong with them, after which nothing more can be read.
   */
  feed(chunk: Uint8Array, found: (response: HttpResponse) => void): string | null {
    this.#bytes = this.#bytes.length === 0 ? chunk.slice() : joined([this.#bytes, chunk]);
    try {
      while (this.#step(found));
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #step(found: (response: HttpResponse) => void): boolean {
    if (this.#head === null) {
      const end = indexOfBlankLine(this.#bytes);
      if (end < 0) {
        if (this.#bytes.length > HEAD_BYTES_MAX) throw new Error("the response has no end of head");
        return false;
      }
      this.#head = parseHead(latin1.decode(this.#bytes.subarray(0, end)));
      this.#bytes = this.#bytes.subarray(end + 4);
      if (this.#head.status === 100) this.#head = null;
      return true;
    }
    const { status, last, length } = this.#head;
    const read = length === null ? unchunk(this.#bytes) : plain(this.#bytes, length);
    if (read === null) {
      if (this.#bytes.length > BODY_BYTES_MAX) throw new Error("the response is too long");
      return false;
    }
    this.#bytes = this.#bytes.subarray(read.bytes);
    this.#head = null;
    found({ status, last, body: read.body });
    return this.#bytes.length > 0;
  }
}

interface Body {
  readonly body: Uint8Array;
  /** How much it takes on the wire. */
  readonly bytes: number;
}

function plain(bytes: Uint8Array, length: number): Body | null {
  return bytes.length < length ? null : { body: bytes.subarray(0, length), bytes: length };
}

/** The chunks of RFC 9112 section 7.1, null until the last one is there. */
function unchunk(bytes: Uint8Array): Body | null {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf(0x0d, at);
    if (end < 0 || end + 1 >= bytes.length) return null;
    const text = latin1.decode(bytes.subarray(at, end)).split(";")[0]!.trim();
    if (!/^[0-9a-fA-F]{1,8}$/.test(text)) throw new Error("the response has a chunk of no size");
    const size = parseInt(text, 16);
    const from = end + 2;
    if (bytes.length < from + size + 2) return null;
    if (size === 0) return { body: joined(parts), bytes: from + 2 };
    parts.push(bytes.subarray(from, from + size));
    at = from + size + 2;
  }
}

function parseHead(text: string): Head {
  const [first = "", ...lines] = text.split("\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? "0");
  if (status === 0) throw new Error("the response does not begin as HTTP/1.1 does");
  const headers = new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  }));
  const chunked = /\bchunked$/i.test(headers.get("transfer-encoding") ?? "");
  const bodiless = status === 204 || status === 304 || status < 200;
  const length = chunked ? null : bodiless ? 0 : Number(headers.get("content-length") ?? "NaN");
  if (Number.isNaN(length)) throw new Error("the response does not tell its length");
  return { status, length, last: /\bclose\b/i.test(headers.get("connection") ?? "") };
}

function indexOfBlankLine(bytes: Uint8Array): number {
  for (let i = bytes.indexOf(0x0d); i >= 0; i = bytes.indexOf(0x0d, i + 1)) {
    if (bytes[i + 1] === 0x0a && bytes[i + 2] === 0x0d && bytes[i + 3] === 0x0a) return i;
  }
  return -1;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
