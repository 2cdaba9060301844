/** Everything between a node's shards and its clients: edge, protocols, admission, HTTP server. */
import type { Buffer } from "node:buffer";
import type { Hono } from "hono";
import type { Socket } from "node:net";
import type { Busyness } from "./ops/inspect_api.ts";
import type { Config } from "./config/config.ts";
import type { EdgePacket } from "../shard/ops.ts";
import type { ErrorCode } from "../shard/errors.ts";
import type { OpenedSession, OpenSession } from "./edge/types.ts";
import type { OpenNode } from "./open.ts";
import type { Result } from "../shard/errors.ts";
import type { Services } from "./services.ts";
import type { Process } from "./system/process.ts";
import {
  addressFromEnv,
  addressOf,
  type HttpServer,
  isLocal,
  openHttpServer,
  TrustedProxies,
} from "./http/http_server.ts";
import { type AddressRate, createAddressRate } from "./http/address_rate.ts";
import { addressKey, Throttle, throttleOptions } from "./auth/throttle.ts";
import {
  admissionOptions,
  connectionLimits,
  edgeLimits,
  mechanisms,
  protocolLimits,
  rates,
  wsLimits,
} from "./settings.ts";
import { addAssets, addChat, clientLibrary, redirect } from "./web/assets.ts";
import { docs } from "./web/docs/docs.ts";
import { createApp } from "./v1/rest.ts";
import { DEFAULT_EXCHANGE_LIMITS } from "./v1/sign_in_routes.ts";
import { type AdmissionControl, admissionControl } from "./http/admission_control.ts";
import { addGateway } from "./gateway/api.ts";
import { mindAgreement } from "./gateway/agreement.ts";
import { createEdge, type Edge } from "./edge/edge.ts";
import { createSignIn } from "./auth/sign_in.ts";
import { Turns } from "./http/turns.ts";
import { within } from "./system/within.ts";
import { createWebRules, type WebRules } from "./http/web_rules.ts";
import { createWsTransport, type WsTransport } from "./v1/ws.ts";
import { forwardedPrefix } from "./http/forwarded_prefix.ts";
import { prefixOf, withoutPrefix } from "./text/path_prefix.ts";
import { formatBind } from "./config/address.ts";
import { frontLive } from "./ops/front_live.ts";
import type { Round } from "./edge/flusher.ts";
import { frontMetrics, newFrontCounters } from "./ops/front_metrics.ts";
import { addLiveRoute, type LiveFeed } from "./ops/live/feed.ts";
import { type Counters, type RateLimit, type SignInKind, signInResult } from "./http/counters.ts";
import { JSON_CODEC } from "./v1/encode.ts";
import { type ConnectionDeps, makeConnector } from "./v1/connection.ts";
import { SignInQueue } from "./http/sign_in_queue.ts";
import { makeEvents } from "./v1/events.ts";
import { makeProtocol } from "./v1/protocol.ts";
import type { JwtVerifier } from "./auth/jwt.ts";
import { type ConfigFiles, openConfigFiles } from "./config_files.ts";

/** The serving side of a node. */
export interface Front {
  readonly url: string;
  deliver(packet: EdgePacket): void;
  /** Opens a session for who needs no transport. */
  openSession(options: OpenSession, done: (result: Result<OpenedSession>) => void): void;
  /** What a pause of the server would be felt by. */
  busyness(): Busyness;
  /** Sends sessions away and closes the door; accepted work is finished by the node itself. */
  drain(): Promise<void>;
  /** Adds what operators see of the running node. */
  addAdminRoutes(app: Hono): void;
}

/** When clients that are sent away should reconnect (ms), before jitter. */
const COME_BACK_MS = 2000;
/** Over how long at most they are sent away (ms). */
const SPREAD_MS_MAX = 2000;
/**
 * How long a drain waits for the door to close once nobody is served any more: a connection that
 * is kept open without a request does not hold up the end on platforms that do not cut it off.
 */
const DOOR_CLOSES_MS = 1000;

/** Makes the edge and opens the HTTP server. */
export async function createFront(
  config: Config,
  open: OpenNode,
  process: Process,
  services: Services,
): Promise<Front> {
  const { tls, verifier } = await openConfigFiles(config);
  const front = new NodeFront(config, open, process, verifier, services);
  await front.openDoor(tls);
  return front;
}

/** What WebSocket connections and HTTP requests both need. */
type Shared = Omit<ConnectionDeps, "connection">;

/** Latencies as of the moment at which the last frame of a round was with its connection. */
function observeRound({ presence, messages }: Counters, round: Round): void {
  if (round.presenceMs !== null) presence.latencyMs.observe(round.presenceMs);
  for (const ms of round.messagesMs) messages.latencyMs.observe(ms);
}

class NodeFront implements Front {
  readonly #config: Config;
  readonly #open: OpenNode;
  readonly #services: Services;
  readonly #counts = newFrontCounters();
  readonly #keeper: AdmissionControl;
  readonly #edge: Edge;
  readonly #signInQueue: SignInQueue;
  readonly #addresses: AddressRate;
  readonly #proxies: TrustedProxies;
  readonly #rules: WebRules;
  readonly #turns: Turns;
  readonly #app: Hono;
  readonly #ws: WsTransport;
  readonly #metrics: () => Promise<Response>;
  readonly #live: LiveFeed;
  #door: HttpServer | null = null;

  constructor(
    config: Config,
    open: OpenNode,
    process: Process,
    issuer: JwtVerifier | null,
    services: Services,
  ) {
    this.#config = config;
    this.#services = services;
    this.#open = open;
    const { ports, node, counters } = open;
    const connections = () => this.#door?.connections() ?? 0;
    this.#keeper = admissionControl(admissionOptions(config), node, ports, counters, connections);
    this.#edge = createEdge({
      ...ports,
      node: node.id,
      router: node,
      counters: this.#counts.edge,
      codec: JSON_CODEC,
      trial: services.trial,
      flushed: (round) => observeRound(counters, round),
    }, edgeLimits(config));
    this.#signInQueue = new SignInQueue(ports);
    this.#addresses = createAddressRate(config, ports.clock, counters);
    this.#proxies = new TrustedProxies(config.server.trustedProxies);
    this.#rules = createWebRules(config);
    this.#turns = new Turns(ports.clock, ports.timers);
    const shared = this.#shared(issuer);
    this.#app = this.#makeApp(shared);
    this.#ws = createWsTransport({
      ...ports,
      counters: this.#counts.ws,
      turns: this.#turns,
      admit: (address) => this.#addresses.connect(address) ?? this.#keeper.admit("connection"),
      admitPage: ({ headers }) => this.#rules.originRefusal(headers.origin, headers.host),
      penalize: this.#addresses.penalize,
      addressOf: (request) => addressOf(this.#proxies, request),
      onConnection: makeConnector({ ...shared, connection: connectionLimits(config) }),
    }, wsLimits(config));
    const sources = {
      counts: this.#counts,
      counters,
      edge: this.#edge,
      signInQueue: this.#signInQueue,
      node,
      keeper: this.#keeper,
      process,
      connections,
      startedAtMs: ports.clock.wallMs(),
    };
    this.#metrics = frontMetrics({ ...sources, ...services });
    this.#live = frontLive({
      ...sources,
      ports,
      domain: config.server.domain,
      connectionsMax: config.limits.connectionsMax,
      services: () => services.gateway.attached,
    });
    this.#addRoutes();
  }

  /** What WebSocket connections and HTTP requests both need. */
  #shared(issuer: JwtVerifier | null): Shared {
    const { ports, node } = this.#open;
    const limited = this.#limited;
    const deps = { ...ports, router: node, issuers: issuer, limited };
    const signIn = createSignIn(deps, this.#open.signIn);
    return {
      ...ports,
      router: mindAgreement(node, this.#services.gateway.presences),
      signIn,
      domain: this.#config.server.domain,
      admit: (kind: "signIn" | "write") => this.#keeper.admit(kind),
      protocol: makeProtocol(protocolLimits(this.#config)),
      signInQueue: this.#signInQueue,
      open: this.#edge.open.bind(this.#edge),
      observe: (name: string, outcome: "ok" | ErrorCode) => this.#observe(name, outcome),
      signedIn: (kind: SignInKind, outcome: "ok" | ErrorCode) => this.#signedIn(kind, outcome),
      limited,
      acked: (tookMs: number) => this.#open.counters.messages.ackMs.observe(tookMs),
    };
  }

  readonly #limited = (limit: RateLimit): void => {
    this.#open.counters.rateLimited[limit]++;
  };

  #signedIn(kind: SignInKind, outcome: "ok" | ErrorCode): void {
    const result = signInResult(outcome);
    if (result !== null) this.#open.counters.signIns[kind][result]++;
  }

  #observe(name: string, outcome: "ok" | ErrorCode): void {
    const { counters } = this.#open;
    counters.outcomes.add(name, outcome);
    if (name === "malformed" || name === "timeout") this.#counts.protocol[name]++;
    if (name === "signal" && outcome === "ok") counters.signals.accepted++;
    if (name !== "send") return;
    if (outcome === "ok") counters.messages.accepted++;
    else counters.messages.refused[outcome]++;
  }

  #makeApp(shared: Shared): Hono {
    const config = this.#config;
    const rate = rates(config);
    return createApp({
      ...shared,
      info: {
        registration: config.registration.mode,
        mechanisms: mechanisms(config),
        passwordLengthMin: config.registration.passwordCharsMin,
      },
      allowedOrigins: config.server.allowedOrigins,
      publicUrl: config.server.publicUrl,
      throttles: {
        address: this.#addresses.throttle,
        device: {
          frames: new Throttle(throttleOptions(rate.frames)),
          sends: new Throttle(throttleOptions(rate.sends)),
          presence: new Throttle(throttleOptions(rate.presence)),
          signals: new Throttle(throttleOptions(rate.signals)),
        },
      },
      addressOf: (_request, env) => addressFromEnv(this.#proxies, env),
      node: this.#open.node.id,
      session: (id) => this.#edge.session(id),
      events: makeEvents({
        ...shared,
        streamBytesMax: config.limits.outboxBytesMax,
        streams: this.#counts.streams,
      }),
    }, { ...DEFAULT_EXCHANGE_LIMITS, exchangesMax: config.auth.exchangesMax });
  }

  #addRoutes(): void {
    const app = this.#app;
    app.get("/healthz", (c) => c.text("ok"));
    app.get("/readyz", (c) => {
      const why = this.#notReady();
      return why === null ? c.text("ready") : c.text(why, 503);
    });
    // From this machine only: what a server does is nobody else's business.
    const { publicMetrics } = this.#config.admin;
    app.get("/metrics", (c) => {
      const seen = publicMetrics === "all" || (publicMetrics === "local" && isLocal(c.env));
      return seen ? this.#metrics() : c.notFound();
    });
    this.#addGateway();
    addAssets(app, clientLibrary());
    addChat(app, (env) => forwardedPrefix(this.#proxies, env));
    const prefix = prefixOf(this.#config.server.publicUrl);
    // Below it the page's addresses are relative to its own.
    if (prefix !== "") {
      const toPage = redirect(`${prefix.slice(prefix.lastIndexOf("/") + 1)}/`);
      app.get(prefix, (c) => toPage(c.req.raw));
    }
    for (const [path, serve] of docs()) app.get(path, (c) => serve(c.req.raw));
  }

  #addGateway(): void {
    const { ports, node } = this.#open;
    const { gateway, server } = this.#config;
    addGateway(this.#app, {
      ...ports,
      gateway: this.#services.gateway,
      router: node,
      domain: server.domain,
      limits: protocolLimits(this.#config),
      throttle: new Throttle(throttleOptions({
        perSecond: gateway.requestsPerSecond,
        burst: gateway.requestsBurst,
      })),
      privateTargets: gateway.privateTargets,
      publicUrl: server.publicUrl,
      streamsMax: gateway.streamsMax,
      observe: (name, outcome) => this.#observe(name, outcome),
      limited: this.#limited,
      admit: (kind) => this.#keeper.admit(kind),
      refundAddress: (_request, env) => {
        const key = addressKey(addressFromEnv(this.#proxies, env));
        this.#addresses.throttle.refund(ports.clock.monoMs(), key);
      },
    });
  }

  #notReady(): string | null {
    const { node } = this.#open;
    if (this.#keeper.draining) return "draining";
    if (node.committer.failingSinceMs !== 0) return "the store takes no writes";
    return node.settled ? null : "reading the log";
  }

  async openDoor(tls: ConfigFiles["tls"]): Promise<void> {
    const { server, limits, timeouts } = this.#config;
    const prefix = prefixOf(server.publicUrl);
    this.#door = await openHttpServer({
      app: this.#app,
      counters: this.#counts.door,
      turns: this.#turns,
      timers: this.#open.ports.timers,
      reopened: () =>
        this.#open.log.error("listener_reopened", {
          reason: "it accepted no more: were there file descriptors left? See ulimit -n",
          connections: this.#door?.connections() ?? 0,
        }),
      admit: () => this.#keeper.admit("connection"),
      admitAddress: this.#addresses.look,
      admitHost: this.#rules.hostRefusal,
      penalize: this.#addresses.penalize,
      upgrade: (request, socket, head) => {
        request.url = withoutPrefix(prefix, request.url ?? "/");
        this.#ws.upgrade(request, socket as Socket, head as Buffer);
      },
    }, {
      ...server.bind,
      tls,
      trustedProxies: server.trustedProxies,
      connectionsMax: limits.connectionsMax,
      connectionsPerAddressMax: limits.connectionsPerAddressMax,
      requestTimeoutMs: timeouts.requestTimeoutMs,
    });
  }

  get url(): string {
    const { publicUrl, tlsCert, bind } = this.#config.server;
    const scheme = tlsCert === null ? "http" : "https";
    return publicUrl ?? `${scheme}://${formatBind({ ...bind, port: this.#door!.port })}`;
  }

  deliver(packet: EdgePacket): void {
    const { counters } = this.#open;
    const told = this.#edge.deliver(packet);
    if (packet.kind === "presence") {
      counters.presence.changes++;
      counters.presence.fanOut.observe(told);
      const { experiments } = this.#services;
      experiments.count("offline-grace", packet.watchedId, "presence_changes");
    }
  }

  openSession(options: OpenSession, done: (result: Result<OpenedSession>) => void): void {
    this.#edge.open(options, done);
  }

  busyness(): Busyness {
    return { sessions: this.#edge.gauges().sessions, lagMs: this.#keeper.lagMs() };
  }

  async drain(): Promise<void> {
    const { drainMs } = this.#config.timeouts;
    this.#keeper.drain();
    const { timers } = this.#open.ports;
    const spreadMs = Math.min(SPREAD_MS_MAX, drainMs / 4);
    const sentAway = new Promise<void>((done) => {
      this.#edge.drain({ spreadMs, retryAfterMs: COME_BACK_MS }, done);
    });
    await within(timers, drainMs, sentAway);
    this.#keeper.stop();
    this.#live.stop();
    await within(timers, drainMs, this.#ws.close(COME_BACK_MS));
    await within(timers, DOOR_CLOSES_MS, this.#door!.close());
  }

  addAdminRoutes(admin: Hono): void {
    admin.get("/admin/metrics", this.#metrics);
    admin.get("/metrics", this.#metrics);
    this.#live.start();
    addLiveRoute(admin, this.#live);
  }
}
