/**
 * One WebSocket. Fragments, the closing handshake and whatever is unusual are `ws`'s work, which takes
 * the socket over when it is first needed (see `ws_plain.ts`); frames are sent past it: all of a turn
 * in one write, as one string where it is ASCII, which is cheaper than `ws` by a quarter and lets many
 * small frames share a segment. No timers and no closures of its own: an idle connection is to cost
 * as little as its socket.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { CloseReason, Sink } from "../edge/types.ts";
import { freeChunk } from "../http/chunk.ts";
import { cut } from "../http/refusal.ts";
import type { Worker } from "../http/turns.ts";
import { goawayFrame } from "./encode.ts";
import { CLOSE_CODES, frameBuffer, frameHead, idleFrames, PING, pongFrame } from "./ws_frame.ts";
import { WsSocket } from "./ws_socket.ts";
import type { ConnectionHost } from "./ws_host.ts";
import type { Fault } from "./ws_fault.ts";
import { UnparsedBytes } from "./ws_unparsed.ts";
import type { WireConnection, WireHandler } from "./wire.ts";

/** Bytes that make a frame count as one more. */
const COSTLY_BYTES = 4096;
/** Bytes that are taken apart at once, before the first frame and after it. */
const SLICE_BYTES = { early: 1024, greeted: 8192 } as const;
/** Pings, pongs and empty frames that may come before the first frame with a text. */
const EARLY_CONTROL_MAX = 16;
/** Frames of a client that has been sent away, until the connection is cut. */
const LATE_MAX = 64;
/** Bytes that are read, unparsed, behind a frame that breaks the protocol, until the cut. */
const BROKEN_BYTES_MAX = 262_144;

/** See the head of this file. */
export class WsConnection extends WsSocket implements WireConnection, Sink, Worker {
  readonly address: string;
  relayed = false;
  /** Place in the wheel of pings. */
  slot = 0;
  index = 0;
  readonly #host: ConnectionHost;
  #handler: WireHandler | null = null;
  /** Frames of this turn as the bytes of a Latin-1 string. */
  #batch = "";
  #corked = false;
  #greeted = false;
  #over = false;
  #paused = false;
  /** Rounds of pings without any sign of life. */
  #silentRounds = 0;
  #bytesRead = 0;
  #frames: number;
  #framesAtMs: number;
  /** Since when it sends too much; 0 where it does not. */
  #floodSinceMs = 0;
  #late = 0;
  /** A frame broke the protocol: `ws` parses no more. */
  #broken = false;
  #brokenBytes = 0;
  #earlyControls = 0;
  /** Read, and not yet taken apart. */
  #unparsed: UnparsedBytes | null = null;
  /** Something was taken apart: what comes next need not begin with a frame. */
  #began = false;
  /** It began as a flood, and is cut in its turn. */
  #condemned = false;
  #queued = false;

  /** `ws`: where it has the socket already, for it has responded to the upgrade. */
  constructor(host: ConnectionHost, ws: WebSocket | null, socket: Socket, address: string) {
    super(ws, socket);
    this.#host = host;
    this.address = address;
    this.#frames = host.rules.framesBurst;
    this.#framesAtMs = host.nowMs();
  }

  protected override adopt(): WebSocket | null {
    const ws = this.#host.adopt(this, this.socket);
    if (this.#paused) ws?.pause();
    return ws;
  }

  get sink(): Sink {
    return this;
  }

  /** The connection's protocol, at its beginning. */
  handle(handler: WireHandler): void {
    this.#handler = handler;
  }

  // ---- sending

  send(text: string): void {
    if (this.#over || !this.isOpen) return;
    const bytes = Buffer.byteLength(text);
    this.#host.sent(bytes);
    if (this.ws !== null && this.ws.extensions !== "") this.ws.send(text);
    else if (bytes === text.length) {
      this.#batch += frameHead(bytes) + text;
      this.#cork();
    } else {
      this.flush();
      this.socket.write(frameBuffer(text, bytes));
    }
    if (this.bufferedBytes() > this.#host.rules.unreadBytesMax) this.#fault("unread");
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#host.cork(this);
  }

  /** Writes what has gathered. */
  flush(): void {
    this.#corked = false;
    if (this.#batch === "") return;
    const batch = this.#batch;
    this.#batch = "";
    // Nothing may follow a close frame.
    if (this.isOpen) this.socket.write(batch, "latin1");
  }

  bufferedBytes(): number {
    return this.#batch.length + this.socket.writableLength;
  }

  close(reason: CloseReason, retryAfterMs?: number): void {
    if (this.#over) return;
    this.send(goawayFrame(reason, retryAfterMs, this.#host.elsewhere()));
    this.closeWith(CLOSE_CODES[reason], reason);
  }

  /** Begins the closing handshake. */
  closeWith(code: number, reason: string): void {
    if (this.#over) return;
    this.flush();
    this.#over = true;
    // A reader that is paused would never see the answer.
    if (this.#paused) this.#readOn();
    this.adopted()?.close(code, reason);
  }

  terminate(): void {
    this.#over = true;
    this.#batch = "";
    cut(this.socket);
  }

  // ---- receiving

  /**
   * Bytes have come. One read may hold 10,000 frames: what is more than a slice waits, and so does
   * what the client sends after it.
   */
  receive(chunk: Buffer): void {
    if (this.#condemned) freeChunk(chunk);
    else if (this.#broken) this.#discard(chunk);
    else if (this.#unparsed !== null) this.#hold(this.#unparsed.joined(chunk));
    else if (chunk.length > this.#sliceBytes() || this.#paused) this.#hold(chunk);
    else if (!this.socket.destroyed) {
      this.#began = true;
      this.take(chunk, this.#host.rules.frameBytesMax);
    }
  }

  /** The client has ended its side without a closing handshake. */
  ended(): void {
    // Where it does not read what is left, the rounds of pings end the connection.
    this.socket.end();
  }

  /** The socket is gone, and `ws` has never had it. */
  lost(): void {
    this.#host.closed(this);
  }

  #hold(chunk: Buffer): void {
    if (!this.#began && idleFrames(chunk, EARLY_CONTROL_MAX) > EARLY_CONTROL_MAX) {
      return this.#condemn(chunk);
    }
    this.#unparsed = new UnparsedBytes(chunk);
    this.socket.pause();
    this.#takeTurn();
  }

  /** Parses no more of what was read. */
  #free(): void {
    this.#unparsed?.free();
    this.#unparsed = null;
  }

  /** Nothing of a flood is parsed or kept; to cut the connection takes time, and has its turn. */
  #condemn(chunk: Buffer): void {
    this.#condemned = true;
    this.#over = true;
    this.#free();
    freeChunk(chunk);
    this.#paused = false;
    this.#takeTurn();
  }

  /** A frame breaks the protocol: nothing behind it is parsed or kept. */
  broken(): void {
    this.#over = true;
    this.#broken = true;
    this.#free();
    // The end of the stream would not be seen otherwise.
    if (this.#paused) this.#readOn();
  }

  /** Bytes on their way may be late, as frames may. */
  #discard(chunk: Buffer): void {
    this.#brokenBytes += chunk.length;
    freeChunk(chunk);
    if (this.#brokenBytes <= BROKEN_BYTES_MAX) return;
    this.#brokenBytes = -Infinity;
    this.#host.fault("late", this);
    this.terminate();
  }

  #sliceBytes(): number {
    return this.#greeted ? SLICE_BYTES.greeted : SLICE_BYTES.early;
  }

  #takeTurn(): void {
    if (this.#queued || this.#paused) return;
    this.#queued = true;
    this.#host.takeTurn(this);
  }

  /** Takes a slice apart; returns whether there is another that may be. */
  step(): boolean {
    if (this.#condemned) {
      this.#queued = false;
      this.#host.fault("flood", this);
      this.terminate();
    } else this.#queued = this.#parseSlice();
    return this.#queued;
  }

  #parseSlice(): boolean {
    const unparsed = this.#unparsed;
    if (unparsed === null || this.#paused) return false;
    if (this.socket.destroyed) {
      this.#free();
      return false;
    }
    const slice = unparsed.take(this.#sliceBytes());
    if (unparsed.isEmpty) this.#free();
    this.#began = true;
    this.take(slice, this.#host.rules.frameBytesMax);
    if (this.#paused) return false;
    if (this.#unparsed !== null) return true;
    if (this.ws?.isPaused !== true) this.socket.resume();
    return false;
  }

  /** A whole message has come. */
  message(data: Buffer, isBinary: boolean): void {
    if (this.#over) return this.#tooLate();
    this.#host.received(data.length);
    if (isBinary) return this.#fault("binary");
    if (!this.#greeted) {
      this.#greeted = true;
      this.#host.greeted(this);
    }
    const cost = 1 + Math.floor(data.length / COSTLY_BYTES);
    if (this.#spend(cost)) this.#handler?.frame(data.toString());
  }

  /** A ping has come: it counts as a frame, for it makes work too. */
  ping(data: Buffer): void {
    if (this.#over) this.#tooLate();
    else if (this.#spendControl() && this.isOpen) {
      // Many pongs of a turn leave in one write.
      this.#batch += pongFrame(data);
      this.#cork();
    }
  }

  /** A pong has come, asked for or not. */
  pong(): void {
    if (this.#over) this.#tooLate();
    else this.#spendControl();
  }

  /** Nobody has a reason to send many before the first frame. */
  #spendControl(): boolean {
    if (this.#greeted || ++this.#earlyControls <= EARLY_CONTROL_MAX) return this.#spend();
    this.#fault("flood");
    return false;
  }

  /**
   * Frames that were on their way are welcome to be late. A client that goes on sending would
   * otherwise be read at full speed until the closing handshake times out.
   */
  #tooLate(): void {
    if (++this.#late <= LATE_MAX) return;
    this.#late = -Infinity;
    this.#host.fault("late", this);
    this.terminate();
  }

  /** Pays for a frame; false where it is one too many. Reading stops while there is a debt. */
  #spend(cost = 1): boolean {
    const { framesPerSecond, framesBurst, floodMs } = this.#host.rules;
    const nowMs = this.#host.nowMs();
    const gained = (nowMs - this.#framesAtMs) / 1000 * framesPerSecond;
    this.#silentRounds = 0;
    this.#frames = Math.min(framesBurst, this.#frames + gained) - cost;
    this.#framesAtMs = nowMs;
    if (this.#frames > framesBurst / 2) this.#floodSinceMs = 0;
    if (this.#frames >= 0) return true;
    if (this.#floodSinceMs === 0) this.#floodSinceMs = nowMs;
    // What was read already is still taken, but not without end.
    const flood = this.#frames < -framesBurst || nowMs - this.#floodSinceMs > floodMs;
    if (flood) {
      this.#fault("flood");
      return false;
    }
    if (!this.#paused) {
      this.#paused = true;
      this.reading.pause();
      this.#host.paused(this);
    }
    return true;
  }

  /** Reads on if the debt is paid; false where it is not. */
  resume(nowMs: number): boolean {
    if (this.#over) return true;
    const gained = (nowMs - this.#framesAtMs) / 1000 * this.#host.rules.framesPerSecond;
    if (this.#frames + gained < 1) return false;
    this.#readOn();
    return true;
  }

  #readOn(): void {
    this.#paused = false;
    this.reading.resume();
    if (this.#unparsed === null) return;
    this.socket.pause();
    this.#takeTurn();
  }

  // ---- keepalive and faults

  /** A round of pings. */
  check(): void {
    if (this.#over) return;
    // Part of a large frame on a slow line is a sign of life as well.
    if (this.socket.bytesRead !== this.#bytesRead) this.#silentRounds = 0;
    this.#bytesRead = this.socket.bytesRead;
    if (this.#silentRounds >= 2) return this.#fault("silent");
    // A client whose reads are paused cannot respond.
    if (!this.#paused) this.#silentRounds++;
    this.#batch += PING;
    this.#cork();
  }

  /** The time for the first frame is over. */
  unhelloed(): void {
    if (!this.#over) this.#fault("no_hello");
  }

  #fault(fault: Fault): void {
    this.#host.fault(fault, this);
    if (fault === "silent" || fault === "unread") this.terminate();
    else if (fault === "binary") this.closeWith(1003, "frames are text");
    else this.close("protocol");
  }

  /** The socket is gone. */
  closed(): void {
    this.#over = true;
    this.#batch = "";
    this.#free();
    const handler = this.#handler;
    this.#handler = null;
    handler?.closed();
  }
}
