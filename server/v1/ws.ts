/**
 * The WebSocket transport: `/v1/ws` on the HTTP server's `upgrade` event. Refuses before the
 * upgrade what is too much, and hands connections over to the protocol.
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import type { Clock, Random, Timers } from "../node/ports.ts";
import { fail, type Failure } from "../../shard/errors.ts";
import type { Callers } from "../http/callers.ts";
import { RELAY_HEADER } from "../http/relay_proof.ts";
import { refuseRaw } from "../http/refusal.ts";
import type { Turns } from "../http/turns.ts";
import { STATUS_OF } from "../http/response.ts";
import type { WireConnection, WireHandler } from "./wire.ts";
import type { ConnectionHost, ConnectionRules } from "./ws_host.ts";
import { type Fault, faultOf, PENALTY } from "./ws_fault.ts";
import { handshakeResponse } from "./ws_handshake.ts";
import { WsConnection } from "./ws_connection.ts";
import { type WheelLimits, WsWheel } from "./ws_wheel.ts";

/** The only path that can be upgraded. */
export const WS_PATH = "/v1/ws";

/** Bounds of the transport. */
export interface WsLimits extends ConnectionRules, WheelLimits {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Time for the other side to answer a close, ms. */
  readonly closeTimeoutMs: number;
  /** Whether to negotiate permessage-deflate: tens of kilobytes of memory for each connection. */
  readonly compress: boolean;
}

/** What the transport has done; only ever counted up, but for `open`. */
export interface WsCounters {
  open: number;
  opened: number;
  refused: number;
  framesReceived: number;
  bytesReceived: number;
  framesSent: number;
  bytesSent: number;
  /**
   * Connections that the transport ended, by reason. `frame`: broken frames; `late`: cut, for it
   * went on sending after it had been sent away.
   */
  readonly faults: Record<Fault, number>;
}

/** Counters at zero. */
export function newWsCounters(): WsCounters {
  const faults = {
    binary: 0,
    flood: 0,
    silent: 0,
    no_hello: 0,
    unread: 0,
    frame: 0,
    too_large: 0,
    late: 0,
  };
  return {
    open: 0,
    opened: 0,
    refused: 0,
    framesReceived: 0,
    bytesReceived: 0,
    framesSent: 0,
    bytesSent: 0,
    faults,
  };
}

/** What the transport needs. */
export interface WsDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly counters: WsCounters;
  readonly callers: Callers;
  /** In which connections with much to parse wait for each other. */
  readonly turns: Turns;
  /** Whether a connection from this address is taken now; asked after the transport's limits. */
  admit(address: string): Failure | null;
  /** Whether the page that the request comes from, if any, may connect. */
  admitPage(request: IncomingMessage): Failure | null;
  /** Makes the address pay for as much as so many requests. */
  penalize(address: string, requests: number): void;
  /** Addresses of other servers, for clients that are sent away. */
  elsewhere(): readonly string[];
  /** The client's address, after trusted proxies. */
  addressOf(request: IncomingMessage): string;
  /** The protocol of a new connection. */
  onConnection(connection: WireConnection): WireHandler;
}

/** The transport. */
export interface WsTransport {
  /** Takes a request to upgrade, whatever its path. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Live connections. */
  readonly connections: number;
  /** Refuses further connections, sends goaway to those left, and waits until all are gone. */
  close(retryAfterMs: number): Promise<void>;
}

/** How often paused connections are looked at, ms. */
const RESUME_MS = 50;
/** Parts in which a message may come, so that a slow client cannot make it cost more. */
const PARTS_MAX = 1024;
const FULL_RETRY_MS = 5000;

/** Makes the transport. */
export function createWsTransport(deps: WsDeps, limits: WsLimits): WsTransport {
  return new Transport(deps, limits);
}

/** A request that `ws` takes, in the place of one that was answered. */
const ANSWERED = {
  method: "GET",
  headers: {
    "upgrade": "websocket",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "sec-websocket-version": "13",
  },
} as unknown as IncomingMessage;
const NOTHING = Buffer.alloc(0);

/** Where `ws`'s objects find their connection. */
const CONNECTION = Symbol("connection");
type Carrier = WebSocket & { [CONNECTION]?: WsConnection };

// One function for all sockets each, for closures would cost memory.
function onMessage(this: Carrier, data: Buffer, isBinary: boolean): void {
  this[CONNECTION]?.message(data, isBinary);
}
function onPing(this: Carrier, data: Buffer): void {
  this[CONNECTION]?.ping(data);
}
function onPong(this: Carrier): void {
  this[CONNECTION]?.pong();
}

class Transport implements WsTransport, ConnectionHost {
  readonly rules: ConnectionRules;
  readonly #deps: WsDeps;
  readonly #limits: WsLimits;
  readonly #server: WebSocketServer;
  readonly #wheel: WsWheel;
  #paused = new Set<WsConnection>();
  #corked: WsConnection[] = [];
  #closing: { readonly retryAfterMs: number; readonly done: () => void } | null = null;
  readonly #onClose: (this: Carrier) => void;
  readonly #onError: (this: Carrier, error: NodeJS.ErrnoException) => void;

  constructor(deps: WsDeps, limits: WsLimits) {
    this.#deps = deps;
    this.#limits = limits;
    this.rules = limits;
    this.#wheel = new WsWheel(deps, limits);
    const options: ServerOptions & { readonly closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      autoPong: false,
      maxPayload: limits.frameBytesMax,
      maxFragments: PARTS_MAX,
      maxBufferedChunks: PARTS_MAX,
      perMessageDeflate: limits.compress,
      closeTimeout: limits.closeTimeoutMs,
    };
    this.#server = new WebSocketServer(options);
    this.#server.on("wsClientError", (error, socket) => {
      this.#refuse(socket as Socket, 400, fail("bad_request", error.message));
    });
    // deno-lint-ignore no-this-alias
    const transport = this;
    this.#onClose = function () {
      if (this[CONNECTION] !== undefined) transport.closed(this[CONNECTION]);
    };
    this.#onError = function (error) {
      const connection = this[CONNECTION];
      if (connection === undefined) return;
      connection.broken();
      transport.fault(faultOf(error.code), connection);
    };
  }

  get connections(): number {
    return this.#deps.counters.open;
  }

  // ---- the way in

  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const path = request.url?.split("?", 1)[0];
    if (path !== WS_PATH) {
      const message = `Only ${WS_PATH} can be upgraded`;
      return this.#refuse(socket, 404, fail("not_found", message));
    }
    const address = this.#deps.addressOf(request);
    const refusal = this.#refusal(address) ?? this.#deps.admitPage(request);
    if (refusal !== null) return this.#refuse(socket, STATUS_OF[refusal.code], refusal);
    const relayed = RELAY_HEADER in request.headers;
    const response = this.#limits.compress ? null : handshakeResponse(request);
    if (response === null) {
      return this.#server.handleUpgrade(request, socket, head, (ws) => {
        this.#carry(ws, this.#open(ws, socket, address, relayed));
      });
    }
    // The client has gone meanwhile.
    if (!socket.readable || !socket.writable) return void socket.destroy();
    socket.write(response, "latin1");
    socket.setNoDelay();
    if (head.length > 0) socket.unshift(head);
    this.#open(null, socket, address, relayed);
  }

  #refusal(address: string): Failure | null {
    const { connectionsMax, connectionsPerAddressMax } = this.#limits;
    const retryMs = Math.ceil(FULL_RETRY_MS * (0.5 + this.#deps.random.number()));
    if (this.#closing !== null) {
      return fail("busy", "The server is going away for a moment", this.#closing.retryAfterMs);
    }
    if (this.connections >= connectionsMax) {
      return fail("busy", `The server has ${connectionsMax} connections already`, retryMs);
    }
    if (this.#deps.callers.of(address) >= connectionsPerAddressMax) {
      const message = `There are ${connectionsPerAddressMax} connections from this address already`;
      return fail("busy", message, retryMs);
    }
    return this.#deps.admit(address);
  }

  #refuse(socket: Socket, status: number, failure: Failure): void {
    this.#deps.counters.refused++;
    refuseRaw(socket, status, failure);
  }

  #open(
    ws: WebSocket | null,
    socket: Socket,
    address: string,
    relayed: boolean,
  ): WsConnection {
    const { counters } = this.#deps;
    const connection = new WsConnection(this, ws, socket, address);
    connection.relayed = relayed;
    counters.open++;
    counters.opened++;
    this.#deps.callers.add(address);
    this.#wheel.add(connection);
    connection.handle(this.#deps.onConnection(connection));
    return connection;
  }

  /** What `ws` has to say of its WebSocket is the connection's. */
  #carry(carrier: Carrier, connection: WsConnection): void {
    carrier[CONNECTION] = connection;
    carrier.on("message", onMessage);
    carrier.on("ping", onPing);
    carrier.on("pong", onPong);
    carrier.on("close", this.#onClose);
    carrier.on("error", this.#onError);
  }

  adopt(connection: WsConnection, socket: Socket): WebSocket | null {
    let adopted: WebSocket | null = null;
    // The client has the response to its upgrade: another one is not to be sent.
    socket.write = () => true;
    this.#server.handleUpgrade(ANSWERED, socket, NOTHING, (ws) => {
      Reflect.deleteProperty(socket, "write");
      this.#carry(ws, connection);
      adopted = ws;
    });
    return adopted;
  }

  closed(connection: WsConnection): void {
    this.#deps.counters.open--;
    this.#deps.callers.remove(connection.address);
    this.#wheel.remove(connection);
    this.#paused.delete(connection);
    connection.closed();
    if (this.connections === 0) this.#closing?.done();
  }

  // ---- what connections ask for

  elsewhere(): readonly string[] {
    return this.#deps.elsewhere();
  }

  nowMs(): number {
    return this.#deps.clock.monoMs();
  }

  cork(connection: WsConnection): void {
    this.#corked.push(connection);
    if (this.#corked.length === 1) queueMicrotask(() => this.#uncork());
  }

  #uncork(): void {
    const corked = this.#corked;
    this.#corked = [];
    for (const connection of corked) connection.flush();
  }

  greeted(connection: WsConnection): void {
    this.#wheel.greeted(connection);
  }

  sent(bytes: number): void {
    this.#deps.counters.framesSent++;
    this.#deps.counters.bytesSent += bytes;
  }

  received(bytes: number): void {
    this.#deps.counters.framesReceived++;
    this.#deps.counters.bytesReceived += bytes;
  }

  fault(fault: Fault, { address }: WsConnection): void {
    this.#deps.counters.faults[fault]++;
    this.#deps.penalize(address, PENALTY[fault]);
  }

  takeTurn(connection: WsConnection): void {
    this.#deps.turns.run(connection);
  }

  paused(connection: WsConnection): void {
    this.#paused.add(connection);
    if (this.#paused.size === 1) this.#deps.timers.after(RESUME_MS, () => this.#resume());
  }

  #resume(): void {
    const nowMs = this.nowMs();
    for (const connection of this.#paused) {
      if (connection.resume(nowMs)) this.#paused.delete(connection);
    }
    if (this.#paused.size > 0) this.#deps.timers.after(RESUME_MS, () => this.#resume());
  }

  close(retryAfterMs: number): Promise<void> {
    return new Promise((done) => {
      this.#closing = { retryAfterMs, done };
      for (const connection of this.#wheel.all()) connection.close("shutdown", retryAfterMs);
      if (this.connections === 0) done();
    });
  }
}
