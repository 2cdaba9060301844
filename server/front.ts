/**
 * Everything between a node's shards and its clients: it wires edge, protocols, admission and HTTP
 * server, opens the door and closes it.
 */
import type { Buffer } from "node:buffer";
import type { Hono } from "hono";
import type { Socket } from "node:net";
import type { Busyness } from "./ops/inspect_api.ts";
import type { Config } from "./config/config.ts";
import type { EdgePacket } from "../shard/edge_packet.ts";
import type { OpenedSession, OpenSession } from "./edge/types.ts";
import type { OpenNode } from "./open.ts";
import type { Result } from "../shard/errors.ts";
import type { Services } from "./services.ts";
import { openProcessFigures } from "./system/process_figures.ts";
import type { Process } from "./system/process.ts";
import { addressOf, TrustedProxies } from "./http/trusted_proxies.ts";
import { type HttpServer, openHttpServer } from "./http/http_server.ts";
import { type AddressRate, createAddressRate } from "./http/address_rate.ts";
import {
  admissionOptions,
  connectionLimits,
  edgeLimits,
  httpOptions,
  protocolLimits,
  wsLimits,
} from "./settings.ts";
import { FIXED_SIGN_IN_QUEUE } from "./config/fixed.ts";
import type { Front, FrontTls } from "./front_types.ts";
import type { TlsTexts } from "./http/node_server.ts";
import { frontApp } from "./front_app.ts";
import { FrontCounting } from "./front_counting.ts";
import type { ProtocolHost } from "./v1/protocol_host.ts";
import { type AdmissionControl, admissionControl } from "./http/admission_control.ts";
import { mindAgreement } from "./gateway/agreement.ts";
import { createEdge, type Edge } from "./edge/edge.ts";
import { Turns } from "./http/turns.ts";
import { within } from "./system/within.ts";
import { CellPages } from "./http/cell_pages.ts";
import { createWebRules, type WebRules } from "./http/web_rules.ts";
import { createWsTransport, type WsTransport } from "./v1/ws.ts";
import { prefixOf, withoutPrefix } from "./text/path_prefix.ts";
import { urlOf } from "./config/acme.ts";
import { frontLive } from "./ops/front_live.ts";
import { frontMetrics } from "./ops/front_metrics.ts";
import { cellEvacuation } from "./ops/moves_series.ts";
import { addCellViews } from "./ops/cell_view.ts";
import type { LiveFeed } from "./ops/live/feed.ts";
import { JSON_CODEC } from "./v1/encode.ts";
import { makeConnector } from "./v1/connection.ts";
import { frontLostHomes, frontRelay } from "./front_abroad.ts";
import { frontSignIn, type SignInFiles } from "./front_sign_in.ts";
import { elsewhere, FrontShared } from "./front_shared.ts";
import { CellServers, wantsClients } from "./v1/servers.ts";
import { ServersNotice } from "./v1/servers_notice.ts";
import { ChangingVerifier } from "./auth/changing_verifier.ts";
import type { ReloadCounters } from "./http/reload_counters.ts";
import type { LostHomes } from "./v1/lost_homes.ts";
import type { Relay } from "./v1/relay.ts";
import { Shedding } from "./edge/shedding.ts";
import { SignInQueue } from "./http/sign_in_queue.ts";
import { makeProtocol } from "./v1/protocol.ts";
import { OWN_METRICS_PATH, workerMetrics } from "./worker_metrics.ts";
import { type ConfigFiles, openConfigFiles } from "./config_files.ts";

/** When clients that are sent away should reconnect (ms), before jitter. */
const COME_BACK_MS = 2000;
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
  ordered: FrontTls | null = null,
): Promise<Front> {
  const { tls, ...files } = await openConfigFiles(config);
  const front = new NodeFront(config, open, process, files, services);
  await front.openDoor(ordered ?? tls);
  return front;
}

class NodeFront implements Front {
  #config: Config;
  readonly #open: OpenNode;
  readonly #services: Services;
  readonly #counting: FrontCounting;
  readonly #keeper: AdmissionControl;
  readonly #edge: Edge;
  readonly #signInQueue: SignInQueue;
  readonly #addresses: AddressRate;
  readonly #shared: FrontShared;
  readonly #servers: CellServers;
  readonly #proxies: TrustedProxies;
  readonly #relay: Relay | null;
  readonly #lostHomes: LostHomes | null;
  readonly #pages = new CellPages(() => this.#publicUrls(), {
    monoMs: () => this.#open.ports.clock.monoMs(),
  });
  #rules: WebRules;
  readonly #verifier: ChangingVerifier | null;
  readonly reloads: ReloadCounters;
  readonly #turns: Turns;
  readonly #app: Hono;
  readonly #ws: WsTransport;
  readonly #ownMetrics: () => Promise<Response>;
  readonly #metrics: () => Promise<Response>;
  readonly #live: LiveFeed;
  readonly #shedding: Shedding;
  #tls: TlsTexts | null = null;
  #door: HttpServer | null = null;
  #notice: ServersNotice | null = null;

  constructor(
    config: Config,
    open: OpenNode,
    process: Process,
    files: SignInFiles,
    services: Services,
  ) {
    this.#config = config;
    this.#services = services;
    this.#open = open;
    const { ports, node, counters } = open;
    const counting = this.#counting = new FrontCounting(open, services, openProcessFigures());
    this.reloads = counting.own.reloads;
    const connections = () => this.#door?.connections() ?? 0;
    this.#keeper = admissionControl(admissionOptions(config), node, ports, counters, connections);
    this.#shared = new FrontShared(open, config.limits.connectionsPerAddressMax);
    this.#edge = this.#makeEdge();
    this.#signInQueue = new SignInQueue(ports, FIXED_SIGN_IN_QUEUE);
    this.#addresses = createAddressRate(config, ports.clock, counters);
    this.#servers = new CellServers(() => node.nodes, ports.clock, () => elsewhere(open));
    this.#proxies = new TrustedProxies(config.server.trustedProxies, open.relays);
    this.#relay = frontRelay(config, open, this.#servers);
    this.#lostHomes = frontLostHomes(config, open);
    this.#rules = this.#makeRules();
    this.#verifier = files.verifier === null ? null : new ChangingVerifier(files.verifier);
    this.#turns = new Turns(ports.clock, ports.timers);
    const sources = this.#sources(process, connections);
    this.#ownMetrics = frontMetrics({ ...sources, ...services });
    this.#metrics = workerMetrics(open, this.#ownMetrics);
    this.#live = frontLive({
      ...sources,
      ports,
      domain: config.server.domain,
      connectionsMax: config.limits.connectionsMax,
      services: () => services.gateway.attached,
    });
    this.#shedding = this.#makeShedding();
    const host = this.#makeHost({ ...files, verifier: this.#verifier });
    this.#app = frontApp({
      config,
      open,
      services,
      counting,
      keeper: this.#keeper,
      addresses: this.#addresses,
      proxies: this.#proxies,
      pages: this.#pages,
      allowedOrigins: () => this.#config.server.allowedOrigins,
      edge: this.#edge,
      host,
      metrics: this.#metrics,
      share: this.#shared.rate,
    });
    this.#ws = this.#makeWs(host);
  }

  #makeEdge(): Edge {
    const { node, ports } = this.#open;
    return createEdge({
      ...ports,
      share: this.#shared.rate,
      node: node.id,
      router: node,
      codec: JSON_CODEC,
      trial: this.#services.trial,
      ...this.#counting.edge,
    }, edgeLimits(this.#config));
  }

  /** What metrics and dashboard are read from. */
  #sources(process: Process, connections: () => number) {
    const { ports, node, cells, counters, telemetry, standby, station } = this.#open;
    return {
      retries: ports.retries,
      telemetry,
      ...this.#counting.sources,
      counters,
      edge: this.#edge,
      signInQueue: this.#signInQueue,
      node,
      cells,
      evacuation: cellEvacuation(this.#open),
      stores: { own: standby?.member ?? null, station },
      relayed: () => this.#relay?.open ?? new Map<string, number>(),
      waiting: () => this.#lostHomes?.waiting ?? new Map<string, number>(),
      keeper: this.#keeper,
      process,
      connections,
      startedAtMs: ports.clock.wallMs(),
    };
  }

  /** Of all servers of the federation, those that are gone included. */
  #publicUrls(): readonly string[] {
    const others = this.#open.cells?.directory.sayings ?? [];
    return [...this.#servers.all(), ...others.flatMap(({ saying }) => saying.publicUrls)];
  }

  readonly #makeRules = () => createWebRules(this.#config, () => this.#pages.origins);

  change(config: Config, { tls, verifier }: Partial<ConfigFiles>): void {
    this.#config = config;
    this.#rules = this.#makeRules();
    if (verifier) this.#verifier?.change(verifier);
    if (tls) this.#tls = this.reloads.certificate = tls;
    this.#door?.change(httpOptions(config, this.#tls, false));
  }

  #makeShedding(): Shedding {
    const { arrivals, node, ports, setBusy } = this.#open;
    arrivals.overloaded = () => this.#keeper.overloaded().signIn;
    return new Shedding({
      ...ports,
      perSecond: this.#config.admission.shedPerSecond,
      overloaded: () => this.#keeper.overloaded().signIn,
      drained: () => node.coordinator.orders.sendsClientsAway,
      sendAllAway: () => this.#sendAllAway(),
      takeBack: () => this.#edge.takeBack(),
      roomElsewhere: () => node.nodes.some((n) => n.state === "linked" && wantsClients(n)),
      sessions: () => this.#edge.gauges().sessions,
      shed: (...options) => this.#edge.shed(...options),
      setBusy,
    });
  }

  #makeHost(files: SignInFiles): ProtocolHost {
    const { ports, node } = this.#open;
    const { observe, signedIn, limited, acked } = this.#counting;
    const origins = () => [...this.#config.server.allowedOrigins, ...this.#pages.origins];
    const shared = { limited, share: this.#shared.rate, origins };
    const { signIn, oidc } = frontSignIn(this.#config, this.#open, files, shared);
    return {
      ...ports,
      protocol: makeProtocol(protocolLimits(this.#config)),
      router: mindAgreement(node, this.#services.gateway.presences),
      signIn,
      oidc,
      domain: this.#config.server.domain,
      servers: this.#servers,
      ...(this.#relay === null ? {} : { relay: this.#relay }),
      ...(this.#lostHomes === null ? {} : { lostHomes: this.#lostHomes }),
      signInQueue: this.#signInQueue,
      admit: (kind) => this.#keeper.admit(kind),
      open: this.#edge.open.bind(this.#edge),
      observe,
      signedIn,
      limited,
      acked,
    };
  }

  #makeWs(host: ProtocolHost): WsTransport {
    const config = this.#config;
    return createWsTransport({
      ...this.#open.ports,
      callers: this.#shared.callers("websockets"),
      counters: this.#counting.own.ws,
      turns: this.#turns,
      admit: (address) => this.#addresses.connect(address) ?? this.#keeper.admit("connection"),
      admitPage: ({ headers }) => this.#rules.originRefusal(headers.origin, headers.host),
      penalize: this.#addresses.penalize,
      elsewhere: () => this.#servers.others(),
      addressOf: (request) => addressOf(this.#proxies, request),
      onConnection: makeConnector({
        ...host,
        share: this.#shared.rate,
        connection: connectionLimits(config),
      }),
    }, wsLimits(config));
  }

  async openDoor(tls: FrontTls | null): Promise<void> {
    this.#tls = tls;
    const expiresAtMs = tls?.expiresAtMs;
    if (expiresAtMs !== undefined) this.reloads.certificate = { expiresAtMs };
    this.#shared.rate("requests of addresses", this.#addresses.throttle);
    const prefix = prefixOf(this.#config.server.publicUrl);
    this.#door = await openHttpServer({
      app: this.#app,
      callers: this.#shared.callers("connections"),
      counters: this.#counting.own.door,
      turns: this.#turns,
      timers: this.#open.ports.timers,
      reopened: () =>
        this.#open.log.error("listener_reopened", {
          reason: "it accepted no more: were there file descriptors left? See ulimit -n",
          connections: this.#door?.connections() ?? 0,
        }),
      admit: () => this.#keeper.admit("connection"),
      admitAddress: this.#addresses.look,
      admitHost: (host) => this.#rules.hostRefusal(host),
      penalize: this.#addresses.penalize,
      relays: this.#open.relays,
      upgrade: (request, socket, head) => {
        request.url = withoutPrefix(prefix, request.url ?? "/");
        this.#ws.upgrade(request, socket as Socket, head as Buffer);
      },
    }, httpOptions(this.#config, tls, this.#open.share !== null));
    // In a cell other nodes can have its clients.
    if (this.#open.node.cell === null) return;
    this.#shedding.start();
    const notify = (event: string) => this.#edge.notify(event);
    this.#notice = new ServersNotice({ ...this.#open.ports, servers: this.#servers, notify });
    this.#notice.start();
  }

  get port(): number {
    return this.#door!.port;
  }

  get tls(): TlsTexts | null {
    return this.#tls;
  }

  get url(): string {
    return urlOf(this.#config, this.port);
  }

  deliver(packet: EdgePacket): void {
    this.#counting.delivered(packet, this.#edge.deliver(packet));
  }

  openSession(options: OpenSession, done: (result: Result<OpenedSession>) => void): void {
    this.#edge.open(options, done);
  }

  busyness(): Busyness {
    return { sessions: this.#edge.gauges().sessions, lagMs: this.#keeper.lagMs() };
  }

  /** The node is drained: its clients are to be at others, until it is not drained any more. */
  #sendAllAway(): void {
    const { sendAwayPerSecond } = this.#config.admission;
    const spreadMs = this.#edge.gauges().sessions / sendAwayPerSecond * 1000;
    this.#open.log.info("drained: clients sent away", { clients: this.#edge.gauges().sessions });
    this.#edge.sendAway({ spreadMs, retryAfterMs: COME_BACK_MS }, () => {});
  }

  async drain(): Promise<void> {
    const { admission: { sendAwayPerSecond }, timeouts: { drainMs } } = this.#config;
    this.#keeper.drain();
    this.#shedding.stop();
    this.#notice?.stop();
    this.#open.setBusy(true);
    const { ports: { timers }, node } = this.#open;
    // Where another node goes on, or begins while clients are sent away, they may return to it.
    const othersGoOn = () => node.nodes.some(({ state }) => state === "linked");
    let left = othersGoOn();
    const leaving = () => left ||= othersGoOn();
    const spreadMs = Math.min(this.#edge.gauges().sessions / sendAwayPerSecond * 1000, drainMs / 2);
    const sentAway = new Promise<void>((done) => {
      this.#edge.drain({ spreadMs, retryAfterMs: COME_BACK_MS, leaving }, done);
    });
    await within(timers, drainMs, sentAway);
    // Sessions of nodes that have stopped before this one, which is the last.
    if (!leaving()) node.cell?.lost.endAll();
    this.#keeper.stop();
    this.#live.stop();
    await within(timers, drainMs, this.#ws.close(COME_BACK_MS));
    await within(timers, DOOR_CLOSES_MS, this.#door!.close());
  }

  addAdminRoutes(admin: Hono): void {
    admin.get(OWN_METRICS_PATH, this.#ownMetrics);
    admin.get("/admin/metrics", this.#metrics);
    admin.get("/metrics", this.#metrics);
    this.#live.start();
    const { node, ports: { clock }, share } = this.#open;
    addCellViews(admin, { node, feed: this.#live, workers: share !== null }, clock);
  }
}
