/**
 * Where a node listens for other nodes, and how it connects to them: TLS where it is needed, bounds
 * of what strangers cost, and one line in the log for each address and cause of a refusal.
 */
import { createServer, type Server, type Socket } from "node:net";
import { acceptChannel, type Channel, dialTls, plainChannel } from "./channel.ts";
import { addressKey } from "../auth/throttle.ts";
import type { CellCert } from "./cell_cert.ts";
import { connectTo, formatPlace, isNobody, listenAt, type Place } from "./place.ts";
import type { LinkRefusal } from "./handshake.ts";
import type { Runtime } from "../node/ports.ts";
import { runCallback } from "../system/callback.ts";

/**
 * Connections that are not known to be of nodes yet, in all and from one address (of IPv6: from one
 * /64). One more of an address is closed at once; one more in all takes the place of the oldest one
 * of the address that has most, so that strangers at many addresses keep out no node.
 */
const STRANGERS_MAX = 256;
const STRANGERS_PER_ADDRESS_MAX = 16;
/** Refusals that are remembered, by address and cause, and for how long (ms): each is logged once. */
const LOGGED_MAX = 1000;
const LOGGED_MS = 3_600_000;

/** What an endpoint is made with. */
export interface EndpointOptions extends Runtime {
  /** Where it listens. */
  readonly bind: Place;
  readonly cert: CellCert;
  /** Whether connections to and from an IP address are encrypted. */
  encrypts(address: string): boolean;
  /** How long the other side may take to accept a connection, and for a handshake (ms). */
  readonly dialMs: number;
  readonly handshakeMs: number;
  /** Event of the log for refusals. */
  readonly refused: string;
}

/** Takes a channel of an accepted connection; `from`: the IP address of the other side. */
export type Accept = (channel: Channel, from: string) => void;

/** Called once: with a channel, or with why there is none; `nobody`: nobody listens there. */
export type Dialled = (opened: Channel | LinkRefusal, from: string, nobody: boolean) => void;

/** Listens. Rejects where it cannot, with a message that says what to change. */
export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const server = createServer();
  return new Endpoint(server, await listenAt(server, options.bind), options);
}

/** See the head of this file. */
export class Endpoint {
  /** Where it listens; the system has chosen the port where none was given. */
  readonly address: string;
  readonly #server: Server;
  readonly #options: EndpointOptions;
  #accept: Accept | null = null;
  /** Connections whose first byte is still to come. */
  readonly #entering = new Set<Socket>();
  /** Accepted connections that are not known to be of nodes yet, by address; the oldest first. */
  readonly #strangers = new Map<string, Set<Socket>>();
  #strangersCount = 0;
  /** When refusals were logged (monotonic, ms), the oldest first. */
  readonly #logged = new Map<string, number>();
  #stopped = false;

  constructor(server: Server, place: Place, options: EndpointOptions) {
    this.#server = server;
    this.address = formatPlace(place);
    this.#options = options;
    server.on("connection", (socket) => this.#enter(socket));
  }

  /** Begins to accept connections. */
  start(accept: Accept): void {
    this.#accept = accept;
  }

  /** Accepts and connects no more; `done` once all accepted connections are closed. */
  stop(done: () => void): void {
    this.#stopped = true;
    for (const socket of this.#entering) socket.destroy();
    this.#server.close(() => runCallback(done));
  }

  /**
   * A handshake begins on an accepted connection; call what it returns once, when its outcome is
   * known. Until then the connection may be closed for another one.
   */
  stranger(from: string, socket: Socket): () => void {
    // Sockets in the file system have no address, and are for the owner of the files alone.
    if (from === "") return () => {};
    const key = addressKey(from);
    const own = this.#strangers.get(key) ?? new Set();
    this.#strangers.set(key, own.add(socket));
    this.#strangersCount++;
    return () => this.#forget(key, socket);
  }

  #forget(key: string, socket: Socket): void {
    const own = this.#strangers.get(key);
    if (own?.delete(socket) !== true) return;
    this.#strangersCount--;
    if (own.size === 0) this.#strangers.delete(key);
  }

  /** Makes room for a connection from an address; false where there is none, which is logged. */
  #makeRoom(from: string): boolean {
    if (from === "") return true;
    const count = this.#strangers.get(addressKey(from))?.size ?? 0;
    if (count >= STRANGERS_PER_ADDRESS_MAX) {
      const why =
        `${count} other connections of this address have not proved yet that they are nodes`;
      this.refused(from, { cause: "stranger", why });
      return false;
    }
    if (this.#strangersCount < STRANGERS_MAX) return true;
    let [key, most]: [string, ReadonlySet<Socket>] = ["", new Set()];
    for (const [each, own] of this.#strangers) if (own.size > most.size) [key, most] = [each, own];
    const [oldest] = most;
    if (oldest === undefined || most.size <= count) return false;
    this.#forget(key, oldest);
    oldest.destroy();
    return true;
  }

  #enter(socket: Socket): void {
    const accept = this.#accept;
    const from = socket.remoteAddress ?? "";
    if (accept === null || this.#stopped || !this.#makeRoom(from)) {
      return void socket.destroy();
    }
    const { bind, cert, encrypts, handshakeMs, timers } = this.#options;
    if ("path" in bind) return accept(plainChannel(socket), from);
    const known = this.stranger(from, socket);
    this.#entering.add(socket);
    const cancel = timers.after(handshakeMs, () => void socket.destroy());
    acceptChannel(socket, cert, encrypts(from), (opened) => {
      cancel();
      known();
      this.#entering.delete(socket);
      runCallback(() => {
        if ("socket" in opened) accept(opened, from);
        else this.refused(from, opened);
      });
      if (!("socket" in opened)) socket.destroy();
    });
  }

  /** Connects, with TLS where it is needed. */
  dial(place: Place, done: Dialled): void {
    this.connect(place, (socket, why, nobody) => {
      if (socket === null) {
        const refusal = { cause: "unreached", why } as const;
        if (!nobody) this.refused(formatPlace(place), refusal);
        return done(refusal, "", nobody);
      }
      const from = socket.remoteAddress ?? "";
      const { cert, encrypts, handshakeMs, timers } = this.#options;
      if ("path" in place || !encrypts(from)) return done(plainChannel(socket), from, false);
      this.#entering.add(socket);
      const cancel = timers.after(handshakeMs, () => void socket.destroy());
      dialTls(socket, cert, (opened) => {
        cancel();
        this.#entering.delete(socket);
        runCallback(() => {
          if ("why" in opened) this.refused(from, opened);
          done(opened, from, false);
        });
      });
    });
  }

  /** Connects without TLS, or says why not; `nobody`: nobody listens there. */
  connect(
    place: Place,
    done: (socket: Socket | null, why: string, nobody: boolean) => void,
  ): void {
    const { dialMs, timers } = this.#options;
    const socket = connectTo(place);
    let settled = false;
    const settle = (connected: boolean, why = "", nobody = false) => {
      if (settled) return;
      settled = true;
      cancel();
      socket.removeAllListeners();
      if (!connected) socket.on("error", () => {});
      if (!connected) socket.destroy();
      runCallback(() => done(connected ? socket : null, why, nobody));
    };
    const late = `no connection within ${dialMs} ms`;
    const cancel = timers.after(dialMs, () => settle(false, late));
    socket.once("connect", () => settle(true));
    socket.once("error", (error: Error & { readonly code?: string }) => {
      settle(false, error.message, isNobody(place, error));
    });
  }

  /** Logs why the other side of a connection is refused, once for each address and cause. */
  refused(from: string, { cause, why }: LinkRefusal): void {
    if (this.#stopped) return;
    const { clock, log, refused } = this.#options;
    const [key, nowMs] = [`${from} ${cause}`, clock.monoMs()];
    for (const [oldest, atMs] of this.#logged) {
      if (nowMs - atMs < LOGGED_MS) break;
      this.#logged.delete(oldest);
    }
    if (this.#logged.has(key) || this.#logged.size >= LOGGED_MAX) return;
    this.#logged.set(key, nowMs);
    log.warn(refused, { from, cause, why });
  }
}
