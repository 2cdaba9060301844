/**
 * Gives node:http's parser what a connection sends one request at a time: the next one is parsed
 * when the one before has been answered. By itself the parser takes all that was read, 64 KiB at
 * once, and makes objects of 2,000 requests before the first of them can be refused.
 *
 * A slice ends behind the first empty line, which is the end of a request's head; a body may be cut
 * anywhere. Where more than `PIPELINED_MAX` requests wait, the connection is cut unparsed.
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { plainAddress } from "./plain_address.ts";
import type { Turns, Worker } from "./turns.ts";

/** Requests of one connection that may wait for their answers, the one being served included. */
export const PIPELINED_MAX = 16;

const EMPTY_LINE = "\r\n\r\n";
/** Least bytes of a body that the parser takes at once, if there are so many. */
const BODY_SLICE_MIN = 64;
/** Most bytes that the parser takes at once. */
const SLICE_MAX = 16_384;
/** Bytes behind a request without an answer that are not even counted: the connection is cut. */
const HELD_BYTES_MAX = 131_072;
/** First letters of GET and HEAD, whose requests have no body. */
const BODILESS: readonly (number | undefined)[] = [0x47, 0x48];

/** The events of the connection's owner. */
export interface FeedEvents {
  /** More requests wait than may: the connection is to be cut. */
  pipelined(feed: RequestFeed): void;
  /** A client that was refused goes on sending. */
  late(feed: RequestFeed): void;
}

/** A socket of node:http: its parser reads from the system by itself until it is paused. */
type Parsed = Socket & { readonly parser?: { unconsume?(): void } | null };

/** See the head of this file. One for each connection. */
export class RequestFeed implements Worker {
  /** Client of the last request. */
  address: string;
  readonly socket: Socket;
  readonly #turns: Turns;
  readonly #events: FeedEvents;
  readonly #parse: (slice: Buffer) => void;
  #unparsed: Buffer | null = null;
  /** The last request whose head was parsed. */
  #last: IncomingMessage | null = null;
  #waiting = 0;
  #queued = false;
  #over = false;
  #refused = false;
  #lateChunks = 0;
  #movedBytes = 0;
  #idleRounds = 0;

  /** Takes over a socket to which node:http has just attached its parser. */
  constructor(socket: Socket, turns: Turns, events: FeedEvents) {
    this.socket = socket;
    this.address = plainAddress(socket.remoteAddress ?? "");
    this.#turns = turns;
    this.#events = events;
    (socket as Parsed).parser?.unconsume?.();
    const parse = socket.listeners("data")[0] as (slice: Buffer) => void;
    socket.removeListener("data", parse);
    this.#parse = parse;
    socket.on("readable", this.#readable);
    socket.on("resume", this.#wake);
  }

  /** Whether the connection's requests are answered no more. */
  get refused(): boolean {
    return this.#refused;
  }

  /** A round of the connection's owner: returns how many in a row nothing has moved before it. */
  idleRounds(): number {
    const movedBytes = this.socket.bytesRead + this.socket.bytesWritten;
    this.#idleRounds = movedBytes === this.#movedBytes ? this.#idleRounds + 1 : 0;
    this.#movedBytes = movedBytes;
    return this.#idleRounds;
  }

  /** From now on nothing that is sent is parsed. */
  refuse(): void {
    this.#refused = true;
    this.#unparsed = null;
  }

  /** The head of a client's request was parsed: the next one waits until `answered`. */
  began(request: IncomingMessage, address: string): void {
    this.address = address;
    this.#waiting++;
    this.#last = request;
  }

  /** A request was answered, or given up. */
  answered(): void {
    this.#waiting--;
    this.#wake();
  }

  /** Ends the feed, for the connection speaks another protocol now. Returns what was not parsed. */
  release(): Buffer {
    const rest = this.#unparsed ?? Buffer.alloc(0);
    this.#over = true;
    this.#unparsed = null;
    this.socket.removeListener("readable", this.#readable);
    this.socket.removeListener("resume", this.#wake);
    return rest;
  }

  readonly #readable = (): void => {
    if (this.#over) return;
    if (this.#refused) return this.#discard();
    // Read even where it has to wait: otherwise the end of the stream would not be seen.
    this.#unparsed ??= this.socket.read() as Buffer | null;
    if (this.socket.readableLength > HELD_BYTES_MAX) this.#events.pipelined(this);
    else this.#wake();
  };

  /** A client that is refused may have been sending before it knows, but not for ever. */
  #discard(): void {
    if (this.socket.read() === null || ++this.#lateChunks < 2) return;
    this.#events.late(this);
  }

  readonly #wake = (): void => {
    if (this.#queued || !this.#ready()) return;
    this.#queued = true;
    this.#turns.run(this);
  };

  /**
   * Whether bytes have arrived that may be parsed: those of a body that is wanted, or a request's.
   */
  #ready(): boolean {
    if (this.#over || this.#refused || this.#unparsed === null || this.socket.destroyed) {
      return false;
    }
    const last = this.#last;
    if (this.#waiting === 0) return true;
    return last !== null && !last.complete && last.readableLength < last.readableHighWaterMark;
  }

  step(): boolean {
    if (this.#ready()) this.#parseSlice(this.#unparsed!);
    const more = this.#ready();
    this.#queued = more;
    return more;
  }

  #parseSlice(unparsed: Buffer): void {
    const inBody = this.#waiting > 0;
    if (!inBody && this.#tooMany(unparsed)) return this.#events.pipelined(this);
    const end = sliceEnd(unparsed, inBody ? BODY_SLICE_MIN : 0);
    this.#unparsed = end === unparsed.length ? null : unparsed.subarray(end);
    this.#parse.call(this.socket, end === unparsed.length ? unparsed : unparsed.subarray(0, end));
    if (this.#over || this.#refused) return;
    this.#unparsed ??= this.socket.read() as Buffer | null;
    const behind = this.#waiting > 0 && this.#last?.complete === true ? this.#unparsed : null;
    if (behind !== null && this.#tooMany(behind)) this.#events.pipelined(this);
  }

  /** Whether bytes that begin with a request hold more requests than may wait. */
  #tooMany(bytes: Buffer): boolean {
    // In a body, empty lines are no requests.
    if (this.#waiting === 0 && !BODILESS.includes(bytes[0])) return false;
    let count = this.#waiting;
    for (let at = bytes.indexOf(EMPTY_LINE); at >= 0; at = bytes.indexOf(EMPTY_LINE, at + 4)) {
      if (++count > PIPELINED_MAX) return true;
    }
    return false;
  }
}

/** Where the first slice of the bytes ends: behind the first empty line from `from` on. */
function sliceEnd(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(EMPTY_LINE, from);
  return Math.min(bytes.length, SLICE_MAX, at < 0 ? Infinity : at + EMPTY_LINE.length);
}
