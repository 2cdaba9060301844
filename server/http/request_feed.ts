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
import { freeChunk } from "./chunk.ts";
import { EMPTY_LINE_BYTES, emptyLine } from "./empty_line.ts";
import { plainAddress } from "./plain_address.ts";
import type { Turns, Worker } from "./turns.ts";

/** Requests of one connection that may wait for their answers, the one being served included. */
export const PIPELINED_MAX = 16;

/** Least bytes of a body that the parser takes at once, if there are so many. */
const BODY_SLICE_MIN = 64;
/** Most bytes that the parser takes at once. */
const SLICE_MAX = 16_384;
/** Bytes that wait for the parser, from which on no more are read. */
const HELD_BYTES = 65_536;
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
  /** The chunk that `#unparsed` is the rest of; null where something may refer to it. */
  #chunk: Buffer | null = null;
  /** Reading was stopped, for too many bytes wait. */
  #held = false;
  /** More requests wait than may: the connection is cut in its turn. */
  #condemned = false;
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
    socket.on("data", this.#received);
    socket.on("resume", this.#wake);
  }

  /** Whether the connection's requests are answered no more. */
  get refused(): boolean {
    return this.#refused;
  }

  /** Whether the connection has brought no request so far, and its client did not pay for that. */
  get unused(): boolean {
    return this.#last === null && !this.#over && !this.#condemned;
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
    this.#resume();
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
    this.#chunk = null;
    this.#resume();
    this.socket.removeListener("data", this.#received);
    this.socket.removeListener("resume", this.#wake);
    return rest;
  }

  /** Bytes are read even where they have to wait: otherwise the stream's end would not be seen. */
  readonly #received = (chunk: Buffer): void => {
    if (this.#over) return;
    if (this.#refused) return this.#discard(chunk);
    if (this.#unparsed === null) this.#unparsed = this.#chunk = chunk;
    else {
      const both = Buffer.concat([this.#unparsed, chunk]);
      freeChunk(chunk);
      this.#free();
      this.#unparsed = this.#chunk = both;
    }
    if (this.#startsRequest() && this.#tooMany(this.#unparsed)) return this.#condemn();
    this.#wake();
    if (this.#held || this.#unparsed === null || this.#unparsed.length < HELD_BYTES) return;
    this.#held = true;
    this.socket.pause();
  };

  /** Whether the unparsed bytes begin with a request, and not with the rest of a body. */
  #startsRequest(): boolean {
    return this.#last === null || this.#last.complete;
  }

  #resume(): void {
    if (!this.#held) return;
    this.#held = false;
    this.socket.resume();
  }

  /** A client that is refused may have been sending before it knows, but not for ever. */
  #discard(chunk: Buffer): void {
    freeChunk(chunk);
    if (this.#condemned || ++this.#lateChunks < 2) return;
    this.#events.late(this);
  }

  /** To cut a connection takes time: it has to wait for its turn, but keeps no memory. */
  #condemn(): void {
    this.#condemned = true;
    this.#free();
    this.refuse();
    this.#wake();
  }

  #free(): void {
    this.#unparsed = null;
    if (this.#chunk !== null) freeChunk(this.#chunk);
    this.#chunk = null;
  }

  readonly #wake = (): void => {
    if (this.#queued || !this.#ready()) return;
    this.#queued = true;
    this.#turns.run(this);
  };

  /** Whether there is a step to do. */
  #ready(): boolean {
    if (this.socket.destroyed) return false;
    if (this.#condemned) return true;
    if (this.#over || this.#refused || this.#unparsed === null) return false;
    const last = this.#last;
    if (this.#waiting === 0) return true;
    return last !== null && !last.complete && last.readableLength < last.readableHighWaterMark;
  }

  step(): boolean {
    if (this.#ready()) {
      if (this.#condemned) this.#events.pipelined(this);
      else this.#parseSlice(this.#unparsed!);
    }
    const more = this.#ready();
    this.#queued = more;
    return more;
  }

  #parseSlice(unparsed: Buffer): void {
    const inBody = !this.#startsRequest();
    const end = sliceEnd(unparsed, inBody ? BODY_SLICE_MIN : 0);
    const rest = end < unparsed.length ? unparsed.subarray(end) : null;
    this.#unparsed = rest;
    this.#parse.call(this.socket, rest === null ? unparsed : unparsed.subarray(0, end));
    // The parser makes no copy of a body.
    if (inBody || !this.#startsRequest()) this.#chunk = null;
    if (this.#over) return;
    if (rest === null || this.#refused) this.#free();
    if (rest === null) this.#resume();
    else if (!this.#refused && this.#startsRequest() && this.#tooMany(rest)) this.#condemn();
  }

  /** Whether bytes that begin with a request hold more requests than may wait. */
  #tooMany(bytes: Buffer): boolean {
    // In the body of the first, empty lines are no requests.
    if (this.#waiting === 0 && !BODILESS.includes(bytes[0])) return false;
    let count = this.#waiting;
    for (let from = 0; count <= PIPELINED_MAX; count++) {
      const at = emptyLine(bytes, from);
      if (at < 0) return false;
      from = at + EMPTY_LINE_BYTES;
    }
    return true;
  }
}

/** Where the first slice of the bytes ends: behind the first empty line from `from` on. */
function sliceEnd(bytes: Buffer, from: number): number {
  const at = emptyLine(bytes.subarray(0, SLICE_MAX), from);
  return at < 0 ? Math.min(bytes.length, SLICE_MAX) : at + EMPTY_LINE_BYTES;
}
