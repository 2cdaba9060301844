/**
 * The socket of one WebSocket, which `ws` takes over when it is first needed: for fragments, for the
 * closing handshake and for whatever is unusual. Until then plain frames are read here.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { freeChunk } from "../http/chunk.ts";
import { plainFrames, PONG, TEXT } from "./ws_plain.ts";

/** `WebSocket.OPEN`. */
const OPEN = 1;

/** Where a socket finds its WebSocket. */
const OWNER = Symbol("websocket");
type Carrier = Socket & { [OWNER]?: WsSocket };

// One function for all sockets each, for closures would cost memory.
function onData(this: Carrier, chunk: Buffer): void {
  this[OWNER]?.receive(chunk);
}
function onEnd(this: Carrier): void {
  this[OWNER]?.ended();
}
function onError(this: Carrier): void {
  this.destroy();
}
function onClose(this: Carrier): void {
  this[OWNER]?.lost();
}

/** See the head of this file. */
export abstract class WsSocket {
  protected readonly socket: Socket;
  /** null while nothing of it was needed. */
  protected ws: WebSocket | null = null;
  /** `ws`'s own listener: it takes all frames of what it is given at once. */
  #parse: ((chunk: Buffer) => void) | null = null;

  /** `ws`: where it has the socket already, for it has responded to the upgrade. */
  constructor(ws: WebSocket | null, socket: Socket) {
    this.socket = socket;
    (socket as Carrier)[OWNER] = this;
    if (ws !== null) this.#use(ws);
    else {
      socket.on("close", onClose);
      socket.on("end", onEnd);
      socket.on("error", onError);
      socket.on("data", onData);
    }
  }

  /** `ws` has the socket; what the client sends still comes by way of `receive`. */
  #use(ws: WebSocket): WebSocket {
    const { socket } = this;
    this.ws = ws;
    this.#parse = socket.listeners("data")[0] as (chunk: Buffer) => void;
    socket.removeListener("data", this.#parse);
    socket.on("data", onData);
    return ws;
  }

  /** Has `ws` take the socket over, once; null where the socket has ended. */
  protected adopted(): WebSocket | null {
    if (this.ws !== null) return this.ws;
    const { socket } = this;
    socket.removeListener("data", onData);
    const ws = this.adopt();
    if (ws === null) return null;
    socket.removeListener("close", onClose);
    socket.removeListener("end", onEnd);
    socket.removeListener("error", onError);
    return this.#use(ws);
  }

  /** Takes bytes apart; `bytesMax`: of a text. */
  protected take(chunk: Buffer, bytesMax: number): void {
    const frames = this.ws === null ? plainFrames(chunk, bytesMax) : null;
    if (frames === null) {
      if (this.adopted() !== null) this.#parse?.call(this.socket, chunk);
      return;
    }
    freeChunk(chunk);
    for (const { first, payload } of frames) {
      if (first === TEXT) this.message(payload, false);
      else if (first === PONG) this.pong();
      else this.ping(payload);
    }
  }

  protected get isOpen(): boolean {
    return this.ws === null ? this.socket.writable : this.ws.readyState === OPEN;
  }

  /** Pauses and resumes what is read of the socket. */
  protected get reading(): { pause(): void; resume(): void } {
    return this.ws ?? this.socket;
  }

  /** Asks `ws` to take the socket over. */
  protected abstract adopt(): WebSocket | null;
  /** Bytes have come. */
  abstract receive(chunk: Buffer): void;
  /** A whole message has come. */
  abstract message(data: Buffer, isBinary: boolean): void;
  abstract ping(data: Buffer): void;
  abstract pong(): void;
  /** The client has ended its side without a closing handshake; not called once `ws` has the socket. */
  abstract ended(): void;
  /** The socket is gone, and `ws` has never had it. */
  abstract lost(): void;
}
