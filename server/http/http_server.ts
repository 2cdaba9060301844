/**
 * The one listening socket for clients: node:http (or node:https) with Hono behind its requests
 * and WebSockets behind its upgrades. It bounds what a connection may cost before anybody has
 * signed in.
 */
import {
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { fail, type Failure } from "../../shard/errors.ts";
import type { Cidr } from "../config/address.ts";
import { errorResponse, STATUS_OF } from "./response.ts";
import type { Callers } from "./callers.ts";
import { clientFault, cut, refuse, refuseRaw } from "./refusal.ts";
import type { RelayProofs } from "./relay_proof.ts";
import { plainAddress } from "./plain_address.ts";
import { RequestFeeds } from "./request_feeds.ts";
import type { Turns } from "./turns.ts";
import { changeTls, HEADER_BYTES_MAX, makeServer, type TlsTexts } from "./node_server.ts";
import type { Timers } from "../node/ports.ts";
import type { ListenerWatch } from "./listener_watch.ts";
import { blockAddresses, listen, watchListener } from "./listener.ts";
import { addressOf, TrustedProxies } from "./trusted_proxies.ts";

/** Bounds of a connection, and who it may be. */
export interface HttpOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Whether other processes of this machine listen there too. */
  readonly shared: boolean;
  /** null: plain HTTP. */
  readonly tls: TlsTexts | null;
  /** What `Strict-Transport-Security` says; null: it is not sent. */
  readonly hsts: string | null;
  /** Addresses (CIDR) whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly Cidr[];
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Time for a request's head, and for all of it (ms). */
  readonly requestTimeoutMs: number;
}

/** What the door counts. */
export interface HttpCounters {
  opened: number;
  refusedFull: number;
  refusedAddress: number;
  refusedBusy: number;
  malformed: number;
  /** Connections cut because too many of their requests waited for answers. */
  pipelined: number;
  /** Times that the listener accepted no more and was opened anew. */
  reopened: number;
}

/** What the door needs. */
export interface HttpDeps {
  readonly app: Hono;
  /** In which connections with much to parse wait for each other. */
  readonly turns: Turns;
  readonly timers: Pick<Timers, "after">;
  /** Says that the listener stopped accepting and was opened anew. */
  reopened(): void;
  readonly counters: HttpCounters;
  readonly callers: Callers;
  /** Whether a new connection is taken now. */
  admit(): Failure | null;
  /** Whether clients of this address may ask for anything now. */
  admitAddress(address: string): Failure | null;
  /** Whether requests with this `Host` header are answered. */
  admitHost(host: string | undefined): Failure | null;
  /** Whose clients other cells pass on; absent in a lone cell. */
  readonly relays?: RelayProofs | null;
  /** Makes the address pay for `requests` that it sent in vain. */
  penalize(address: string, requests: number): void;
  /** A request to upgrade; the handler that takes it responds on the socket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array, address: string): void;
}

/** A listening door. */
export interface HttpServer {
  readonly port: number;
  /** Open connections. */
  connections(): number;
  /**
   * What new connections get from now on; those that exist go on. TLS stays on or off. Throws where
   * the platform cannot change it.
   */
  change(to: Pick<HttpOptions, "tls" | "hsts">): void;
  /** Stops listening and ends what is open. */
  close(): Promise<void>;
}

/** What `@hono/node-server` binds to each request. */
interface Bindings {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

/** Where a request carries what the platform has of it. */
const BINDINGS = Symbol("bindings");
type Carrier = Request & { [BINDINGS]?: Bindings };

/** Cuts the connection that a request came by, with all that waits to be sent on it. */
export function abortConnection(request: Request): void {
  const bindings = (request as Carrier)[BINDINGS];
  if (bindings !== undefined) cut(bindings.incoming.socket);
}

/** Where a response is marked that has been sent, or whose connection is over. */
const OVER = Symbol("over");
type Ending = ServerResponse & { [OVER]?: boolean };

function markOver(this: Ending): void {
  this[OVER] = true;
}

/**
 * Calls back once the response to a request has been sent, or its connection is over. A response that
 * waits behind another one does not learn of that end by itself.
 */
export function whenOver(request: Request, done: () => void): void {
  const bindings = (request as Carrier)[BINDINGS];
  if (bindings === undefined) return done();
  const { incoming: { socket }, outgoing } = bindings;
  if ((outgoing as Ending)[OVER] === true || socket.destroyed) return done();
  let isOver = false;
  const over = () => {
    socket.off("close", over);
    if (!isOver) done();
    isOver = true;
  };
  outgoing.once("close", over);
  socket.once("close", over);
}

/** Why a new connection is refused, or null. */
function refusalOf(
  callers: Callers,
  address: string,
  trusted: boolean,
  deps: HttpDeps,
  options: HttpOptions,
): Failure | null {
  if (callers.total >= options.connectionsMax) {
    deps.counters.refusedFull++;
    return fail("busy", "The server has all the connections it can hold", 5000);
  }
  const { connectionsMax, connectionsPerAddressMax } = options;
  const own = trusted ? 0 : callers.of(address);
  if (own >= connectionsPerAddressMax || (!trusted && !callers.hasRoom(address, connectionsMax))) {
    deps.counters.refusedAddress++;
    return fail("rate_limited", "Too many connections from this address", 5000);
  }
  const busy = deps.admit();
  if (busy !== null) deps.counters.refusedBusy++;
  return busy;
}

function ignore(): void {}

/** Where a socket carries its peer's address, which is not known any more when it closes. */
const PEER = Symbol("peer");
type Called = Socket & { [PEER]?: string };

function blockRefused(server: Server, proxies: TrustedProxies, deps: HttpDeps): void {
  blockAddresses(server, (address) => {
    const peer = plainAddress(address);
    if (proxies.forwards(peer) || deps.admitAddress(peer) === null) return false;
    deps.counters.opened++;
    deps.counters.refusedAddress++;
    return true;
  });
}

function watchConnections(
  server: Server,
  proxies: TrustedProxies,
  deps: HttpDeps,
  options: HttpOptions,
  feeds: RequestFeeds,
  isProbe: (socket: Socket) => boolean,
): Callers {
  const { callers } = deps;
  const closed = function (this: Called): void {
    callers.remove(this[PEER] ?? "");
  };
  // Before TLS has begun as well: who never begins it holds a connection all the same.
  server.on("connection", (socket: Called) => {
    if (isProbe(socket)) return void socket.destroy();
    const peer = plainAddress(socket.remoteAddress ?? "");
    // Through a proxy the peer is the proxy: it is not one client.
    const trusted = proxies.forwards(peer);
    const refusal = refusalOf(callers, peer, trusted, deps, options);
    callers.add(peer);
    deps.counters.opened++;
    socket[PEER] = peer;
    socket.on("close", closed);
    // A client that disconnects in the middle of something is not logged.
    socket.on("error", ignore);
    // Even to refuse it politely would be to read it first, which is what a flood wants.
    if (!trusted && deps.admitAddress(peer) !== null) {
      deps.counters.refusedAddress++;
      return void socket.destroy();
    }
    if (refusal === null) return;
    feeds.of(socket)?.refuse();
    if (options.tls === null) refuseRaw(socket, STATUS_OF[refusal.code], refusal);
    else socket.destroy();
  });
  return callers;
}

/** Stands before everything that a request costs but its parsing. */
function gate(
  proxies: TrustedProxies,
  deps: HttpDeps,
  feeds: RequestFeeds,
  hsts: () => string | null,
  listener: (request: IncomingMessage, response: ServerResponse) => unknown,
): RequestListener {
  return (request, response) => {
    const address = addressOf(proxies, request);
    // None where node:http does not read from sockets of node:net (Deno 2.4).
    const feed = feeds.of(request.socket);
    feed?.began(request, address);
    response.once("close", markOver);
    if (feed !== undefined) response.once("close", () => feed.answered());
    const strict = hsts();
    if (strict !== null) response.setHeader("strict-transport-security", strict);
    const refusal = deps.admitAddress(address) ?? hostRefusal(deps, request, address);
    if (refusal === null) return void listener(request, response);
    feed?.refuse();
    refuse(response, refusal);
  };
}

/** What is refused by its name costs as much as what is served. */
function hostRefusal(deps: HttpDeps, request: IncomingMessage, address: string): Failure | null {
  const refusal = hostFault(request) ?? deps.admitHost(request.headers.host);
  if (refusal !== null) deps.penalize(address, 1);
  return refusal;
}

/** HTTP/1.1 names one host (RFC 9112 section 3.2); HTTP/1.0 need not. */
function hostFault({ rawHeaders, httpVersion }: IncomingMessage): Failure | null {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  if (hosts === 1 || (hosts === 0 && httpVersion === "1.0")) return null;
  return fail("bad_request", `The request has ${hosts} Host headers, wants one`);
}

/** Opens the door; rejects where it cannot listen, with a message that says what to change. */
export function openHttpServer(deps: HttpDeps, options: HttpOptions): Promise<HttpServer> {
  const proxies = new TrustedProxies(options.trustedProxies, deps.relays ?? null);
  const listener = getRequestListener((request, env) => {
    (request as Carrier)[BINDINGS] = env as Bindings;
    return deps.app.fetch(request, env as Bindings);
  }, {
    overrideGlobalObjects: false,
    // Of requests that name no host.
    hostname: "localhost",
    errorHandler: () => {
      deps.counters.malformed++;
      return errorResponse(fail("bad_request", "The request's host or address is malformed"));
    },
  });
  const feeds = new RequestFeeds(deps);
  let { hsts } = options;
  const gated = gate(proxies, deps, feeds, () => hsts, listener);
  const server = makeServer(options, gated);
  // What a client expects (RFC 9110 section 10.1.1) and is not known here is ignored.
  server.on("checkExpectation", gated);
  feeds.watch(server, options.tls !== null);
  let watch: ListenerWatch | null = null;
  const isProbe = (socket: Socket) => watch?.hears(socket) === true;
  blockRefused(server, proxies, deps);
  const callers = watchConnections(server, proxies, deps, options, feeds, isProbe);
  handUpgradesOn(server, proxies, deps, feeds);
  // Probes that are about to break off their handshake.
  const probes = { unfinished: 0 };
  answerFaults(server, deps.counters, feeds, probes);
  return listen(server, options).then((port) => {
    watch = watchListener(server, { ...options, port }, {
      timers: deps.timers,
      accepted: () => deps.counters.opened,
      probed(counted) {
        if (counted) deps.counters.opened--;
        if (options.tls !== null) probes.unfinished++;
      },
    }, () => {
      deps.counters.reopened++;
      deps.reopened();
    });
    return {
      port,
      connections: () => callers.total,
      change(to) {
        if (to.tls !== null) changeTls(server, to.tls);
        hsts = to.hsts;
      },
      close() {
        watch?.stop();
        feeds.stop();
        return closeServer(server);
      },
    };
  });
}

function handUpgradesOn(
  server: Server,
  proxies: TrustedProxies,
  deps: HttpDeps,
  feeds: RequestFeeds,
): void {
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, sent: Uint8Array) => {
    const address = addressOf(proxies, request);
    const head = Buffer.concat([sent, feeds.release(socket)]);
    const refusal = hostRefusal(deps, request, address);
    if (refusal === null) return deps.upgrade(request, socket, head, address);
    refuseRaw(socket as Socket, STATUS_OF[refusal.code], refusal);
  });
}

/** Says what is wrong to what is not HTTP, once a connection. */
function answerFaults(
  server: Server,
  counters: HttpCounters,
  feeds: RequestFeeds,
  probes: { unfinished: number },
): void {
  const faulty = new WeakSet<Duplex>();
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    const feed = feeds.of(socket);
    // What comes after the first fault is none of its own.
    if (feed?.refused === true || faulty.has(socket)) return void socket.destroy();
    faulty.add(socket);
    feed?.refuse();
    const fault = clientFault(error.code ?? "", HEADER_BYTES_MAX);
    if (fault === null && probes.unfinished > 0) {
      probes.unfinished--;
      return void socket.destroy();
    }
    counters.malformed++;
    // A client that broke off, or did not finish the TLS handshake, cannot get a response.
    if (fault === null) socket.destroy();
    else refuseRaw(socket as Socket, fault.status, fault.failure);
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
