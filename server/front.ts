/** Everything between a node's shards and its clients: edge, protocols, admission, front door. */
import type { Buffer } from "node:buffer";
import type { Hono } from "hono";
import type { Socket } from "node:net";
import type { Config } from "./config.ts";
import type { EdgePacket } from "../shard/ops.ts";
import type { ErrorCode, Failure } from "../shard/errors.ts";
import type { OpenNode } from "./open.ts";
import type { Process } from "./system/process.ts";
import { admissionOptions } from "./settings.ts";
import { type Admission, type AdmissionKind, admit, nextAdmission } from "./admission.ts";
import { connectionLimits, issuers, mechanisms, protocolLimits } from "./settings.ts";
import { createApp } from "./json/rest.ts";
import { createEdge, type Edge } from "./edge/edge.ts";
import { createMetrics } from "./admin/metrics.ts";
import { createSignIn } from "./auth/sign_in.ts";
import { fail } from "../shard/errors.ts";
import { JSON_CODEC } from "./json/encode.ts";
import { makeConnector } from "./json/connection.ts";
import { makeProtocol } from "./json/protocol.ts";
import { newEdgeCounters } from "./edge/types.ts";
import { openJwtVerifier } from "./auth/jwt.ts";
import { rates, throttleOptions } from "./settings.ts";
import { readConfigFile, readTlsFiles } from "./system/config_files.ts";
import { sampleLoopLag } from "./system/loop_lag.ts";
import { addressKey, Throttle } from "./auth/throttle.ts";
import { addressFromEnv, addressOf, isLocal, openFrontDoor } from "./system/front_door.ts";
import { TrustedProxies } from "./system/front_door.ts";
import { createWsTransport, DEFAULT_WS_LIMITS, newWsCounters } from "./json/ws.ts";
import { makeEvents } from "./json/events.ts";

/** The serving side of a node. */
export interface Front {
  readonly url: string;
  deliver(packet: EdgePacket): void;
  /** Sends sessions away and closes the door; accepted work is finished by the node itself. */
  drain(): Promise<void>;
  /** Adds what operators see of the running node. */
  addAdminRoutes(app: Hono): void;
}

const LAG_PERIOD_MS = 20;
const LAG_TAU_MS = 500;

/** Makes the edge and opens the front door. */
export async function createFront(
  config: Config,
  open: OpenNode,
  process: Process,
): Promise<Front> {
  const { ports, node, counters, log } = open;
  const edgeCounters = newEdgeCounters();
  const doorCounters = {
    opened: 0,
    refusedFull: 0,
    refusedAddress: 0,
    refusedBusy: 0,
    malformed: 0,
    pipelined: 0,
  };
  let draining = false;
  let admission: Admission | null = null;
  let connections = () => 0;
  const options = admissionOptions(config);
  const lag = sampleLoopLag(ports, {
    periodMs: LAG_PERIOD_MS,
    tauMs: LAG_TAU_MS,
    observe(lagMs) {
      counters.loopLagMs.observe(lagMs);
      const { committer } = node;
      const writingMs = committer.writingSinceMs === 0
        ? 0
        : ports.clock.monoMs() - committer.writingSinceMs;
      admission = nextAdmission(admission, {
        loopLagMs: lag.lagMs(),
        commitQueue: node.pending,
        commitLatencyMs: Math.max(committer.stats.lastCommitMs, writingMs),
        connections: connections(),
        connectionsMax: config.limits.connectionsMax,
        draining,
        storeFailing: committer.failingSinceMs !== 0,
      }, options);
    },
  });
  const admitKind = (kind: AdmissionKind): Failure | null => {
    if (admission === null) return null;
    const verdict = admit(admission, kind, ports.random.number(), options);
    if (verdict.admit) return null;
    counters.admissionRefused[kind][verdict.reason]++;
    return fail("busy", `Refused for now: ${verdict.reason}`, verdict.retryAfterMs);
  };
  const edge: Edge = createEdge({
    router: node,
    clock: ports.clock,
    timers: ports.timers,
    random: ports.random,
    log,
    counters: edgeCounters,
    codec: JSON_CODEC,
    flushed: (waitedMs) => counters.presence.latencyMs.observe(waitedMs),
  }, {
    sessionsMax: config.limits.connectionsMax * 2,
    sessionsPerAccountMax: config.limits.sessionsPerAccountMax,
    graceMs: config.presence.graceMs,
    outboxBytesMax: config.limits.outboxBytesMax,
    stalledMs: config.timeouts.stalledMs,
    flushIntervalMaxMs: config.presence.flushIntervalMaxMs,
  });
  const verifier = await openJwtVerifier(
    await issuers(config, (file) => readConfigFile("the key file", open.path(file))),
  );
  const signIn = createSignIn({
    router: node,
    clock: ports.clock,
    random: ports.random,
    kdf: ports.kdf,
    log,
    issuers: config.jwt.issuer === null ? null : verifier,
  }, open.signIn);
  const protocol = makeProtocol(protocolLimits(config));
  const refusedByProtocol = { malformed: 0, timeout: 0 };
  const observe = (name: string, outcome: "ok" | ErrorCode) => {
    counters.outcomes.add(name, outcome);
    if (name === "malformed" || name === "timeout") refusedByProtocol[name]++;
    if (name !== "send") return;
    if (outcome === "ok") counters.messages.accepted++;
    else counters.messages.refused[outcome]++;
  };
  const shared = {
    router: node,
    signIn,
    random: ports.random,
    domain: config.server.domain,
    admit: admitKind,
    clock: ports.clock,
    timers: ports.timers,
    log,
    protocol,
    open: edge.open.bind(edge),
    observe,
  };
  const rate = rates(config);
  const streams = { open: 0 };
  const addresses = new Throttle(throttleOptions({
    perSecond: config.limits.requestsPerAddressPerSecond,
    burst: config.limits.requestsPerAddressBurst,
  }));
  /** Whether an address may ask for more: `cost` 0 only looks. */
  const admitAddress = (address: string, cost: 0 | 1): Failure | null => {
    const key = addressKey(address);
    const nowMs = ports.clock.monoMs();
    const waitMs = cost === 0 ? addresses.waitMs(nowMs, key) : addresses.take(nowMs, key, cost);
    if (waitMs === 0) return null;
    counters.rateLimited[cost === 0 ? "address_requests" : "address_connections"]++;
    return fail("rate_limited", "Too many requests from this address", waitMs);
  };
  const proxies = new TrustedProxies(config.server.trustedProxies);
  const app = createApp({
    ...shared,
    info: { registration: config.registration.mode, mechanisms: mechanisms(config) },
    allowedOrigins: [],
    throttles: {
      address: addresses,
      device: {
        frames: new Throttle(throttleOptions(rate.frames)),
        sends: new Throttle(throttleOptions(rate.sends)),
        presence: new Throttle(throttleOptions(rate.presence)),
        signals: new Throttle(throttleOptions(rate.signals)),
      },
    },
    addressOf: (_request, env) => addressFromEnv(proxies, env),
    session: (id) => edge.session(id),
    events: makeEvents({
      clock: ports.clock,
      timers: ports.timers,
      protocol,
      domain: config.server.domain,
      streamBytesMax: config.limits.outboxBytesMax,
      streams,
      open: shared.open,
    }),
  });
  const startedAtMs = ports.clock.wallMs();
  const metrics = createMetrics(counters, {
    watchedUsers: () => edge.gauges().watched,
    watchers: () => edge.gauges().watches,
    interests: () => node.shards.reduce((n, s) => n + s.presence.size, 0),
    connections: () => connections(),
    outboxBytes: () => edge.gauges().outboxBytes,
    cachedUsers: () => node.accountsInMemory,
    commitQueue: () => node.pending,
    loopLagMs: () => lag.lagMs(),
    storeFailing: () => node.committer.failingSinceMs !== 0,
    ready: () => node.ready,
    rssBytes: () => process.rssBytes(),
  }, startedAtMs);
  const metricsText = async () => {
    counters.presence.deliveries = edgeCounters.presenceDeliveries;
    counters.presence.coalesced = edgeCounters.presenceCoalesced;
    counters.messages.delivered = edgeCounters.durableEvents;
    counters.signals.delivered = edgeCounters.signals;
    const { sessions, lost, polling } = edge.gauges();
    counters.sessions.live.poll = polling;
    counters.sessions.live.sse = streams.open;
    counters.sessions.live.websocket = sessions - lost - polling - streams.open;
    counters.sessions.live.none = lost;
    counters.sessions.opened = edgeCounters.opened;
    counters.sessions.resumed = edgeCounters.resumed;
    counters.sessions.fellBehind = edgeCounters.behind;
    counters.frames.sent = edgeCounters.frames;
    counters.frames.received = wsCounters.framesReceived;
    counters.frames.receivedBytes = wsCounters.bytesReceived;
    counters.connections.opened = doorCounters.opened;
    counters.connections.bad.http = doorCounters.malformed;
    const { faults } = wsCounters;
    counters.connections.bad.hello_timeout = faults.no_hello + refusedByProtocol.timeout;
    counters.connections.bad.malformed = faults.frame + faults.binary + refusedByProtocol.malformed;
    counters.connections.bad.too_large = faults.too_large;
    counters.connections.bad.flood = faults.flood + faults.late + doorCounters.pipelined;
    counters.connections.bad.silent = faults.silent;
    counters.connections.bad.unread = faults.unread + edgeCounters.stalled;
    return new Response(await metrics.text(), {
      headers: { "content-type": metrics.contentType },
    });
  };
  app.get("/healthz", (c) => c.text("ok"));
  app.get("/readyz", (c) => {
    const why = draining
      ? "draining"
      : node.committer.failingSinceMs !== 0
      ? "the store takes no writes"
      : node.ready
      ? null
      : "reading the log";
    return why === null ? c.text("ready") : c.text(why, 503);
  });
  // From this machine only: what a server does is nobody else's business.
  app.get("/metrics", (c) => isLocal(c.env) ? metricsText() : c.notFound());
  app.get("/", (c) => c.text("Roost serves here. The protocol is described at /openapi.json\n"));
  const connect = makeConnector({ ...shared, connection: connectionLimits(config) });
  const wsCounters = newWsCounters();
  const ws = createWsTransport({
    clock: ports.clock,
    timers: ports.timers,
    random: ports.random,
    counters: wsCounters,
    admit: (address) => admitAddress(address, 1) ?? admitKind("connection"),
    addressOf: (request) => addressOf(proxies, request),
    onConnection: connect,
  }, {
    ...DEFAULT_WS_LIMITS,
    frameBytesMax: config.limits.frameBytesMax,
    connectionsMax: config.limits.connectionsMax,
    connectionsPerAddressMax: config.limits.connectionsPerAddressMax,
    helloTimeoutMs: config.timeouts.helloTimeoutMs + 2000,
    pingIntervalMs: config.timeouts.pingIntervalMs,
    framesPerSecond: config.limits.framesPerSecond * 2,
    framesBurst: config.limits.framesBurst * 2,
  });
  const { tlsCert, tlsKey } = config.server;
  const door = await openFrontDoor({
    app,
    counters: doorCounters,
    admit: () => admitKind("connection"),
    admitAddress: (address) => admitAddress(address, 0),
    upgrade: (request, socket, head) => ws.upgrade(request, socket as Socket, head as Buffer),
  }, {
    host: config.server.bind.host,
    port: config.server.bind.port,
    tls: tlsCert === null || tlsKey === null
      ? null
      : await readTlsFiles(open.path(tlsCert), open.path(tlsKey)),
    trustedProxies: config.server.trustedProxies,
    connectionsMax: config.limits.connectionsMax,
    connectionsPerAddressMax: config.limits.connectionsPerAddressMax,
    requestTimeoutMs: config.timeouts.requestTimeoutMs,
  });
  connections = door.connections;
  const host = config.server.bind.host;
  const at = host.includes(":") ? `[${host}]` : host;
  return {
    url: config.server.publicUrl ?? `http${tlsCert === null ? "" : "s"}://${at}:${door.port}`,
    deliver(packet) {
      if (packet.kind === "presence") {
        counters.presence.changes++;
        const before = edgeCounters.presenceDeliveries;
        edge.deliver(packet);
        counters.presence.fanOut.observe(edgeCounters.presenceDeliveries - before);
        return;
      }
      if (packet.kind === "events" && packet.sinceMs > 0) {
        counters.messages.latencyMs.observe(ports.clock.monoMs() - packet.sinceMs);
      }
      edge.deliver(packet);
    },
    async drain() {
      draining = true;
      await new Promise<void>((done) => {
        ports.timers.after(config.timeouts.drainMs, done);
        edge.drain({
          spreadMs: Math.min(2000, config.timeouts.drainMs / 4),
          retryAfterMs: 2000,
        }, done);
      });
      lag.stop();
      await ws.close(2000);
      await door.close();
    },
    addAdminRoutes(admin) {
      admin.get("/admin/metrics", metricsText);
    },
  };
}
