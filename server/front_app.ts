/** All that a front serves over HTTP: protocol v1, the gateway, health, metrics, pages and documents. */
import type { AddressRate } from "./http/address_rate.ts";
import type { AdmissionControl } from "./http/admission_control.ts";
import type { CellPages } from "./http/cell_pages.ts";
import type { CellRates } from "./http/cell_rates.ts";
import type { Config } from "./config/config.ts";
import type { Edge } from "./edge/edge.ts";
import type { FrontCounting } from "./front_counting.ts";
import type { Hono } from "hono";
import type { OpenNode } from "./open.ts";
import type { ProtocolHost } from "./v1/protocol_host.ts";
import type { Services } from "./services.ts";
import { addAssets, clientLibrary, redirect } from "./web/assets.ts";
import { addChat } from "./web/chat_page.ts";
import { addGateway } from "./gateway/api.ts";
import {
  addressFromEnv,
  forwardedPrefix,
  isLocal,
  type TrustedProxies,
} from "./http/trusted_proxies.ts";
import { addressKey, Throttle, throttleOptions } from "./auth/throttle.ts";
import { createApp } from "./v1/rest.ts";
import { type RateThrottles, rateThrottles } from "./v1/rates.ts";
import { docs } from "./web/docs/docs.ts";
import { addOidcCallback } from "./v1/oidc_routes.ts";
import { makeEvents } from "./v1/events.ts";
import { exchangeLimits, mechanisms, protocolLimits, rates, targetRules } from "./settings.ts";
import { FIXED_UNREAD } from "./config/fixed.ts";
import { prefixOf } from "./text/path_prefix.ts";
import { SessionReach } from "./edge/reach.ts";
import { UnreadResponses } from "./http/unread_responses.ts";
import { whenOver } from "./http/http_server.ts";

/** What it serves. */
export interface Served {
  readonly config: Config;
  readonly open: OpenNode;
  readonly services: Services;
  readonly counting: FrontCounting;
  readonly keeper: AdmissionControl;
  readonly addresses: AddressRate;
  readonly proxies: TrustedProxies;
  readonly pages: CellPages;
  /** As in the configuration of now. */
  allowedOrigins(): readonly string[];
  readonly edge: Edge;
  readonly host: ProtocolHost;
  readonly metrics: () => Promise<Response>;
  /** Lets a rate hold over all nodes of the cell. */
  readonly share: CellRates["share"];
}

/** Makes the app. */
export function frontApp(served: Served): Hono {
  const app = protocolApp(served);
  addHealth(app, served);
  addMetrics(app, served);
  addServiceGateway(app, served);
  addPages(app, served);
  return app;
}

/** The rates of devices over HTTP. */
function deviceRates(config: Config, share: CellRates["share"]): RateThrottles {
  const device = rateThrottles(rates(config));
  for (const [name, throttle] of Object.entries(device)) share(`${name} of devices`, throttle);
  return device;
}

/** The rate of all devices of an account together: it may have more of them than sessions. */
function accountRate(config: Config, share: CellRates["share"]): Throttle {
  const { perSecond, burst } = rates(config).frames;
  const sessions = config.limits.sessionsPerAccountMax;
  const rate = { perSecond: perSecond * sessions, burst: burst * sessions };
  const throttle = new Throttle({ ...throttleOptions(rate), debtMax: rate.burst });
  share("requests of accounts", throttle);
  return throttle;
}

/** What a client needs to subscribe to push messages. */
function pushInfo({ publicKey, services }: NonNullable<Served["services"]["push"]>) {
  return services.length === 0 ? { publicKey } : { publicKey, services };
}

function protocolApp(served: Served): Hono {
  const { config, open, host, addresses, pages, proxies, edge, counting, share } = served;
  const { push } = served.services;
  const { node: { id: node, cell } } = open;
  const calls = cell?.calls ?? null;
  const reach = new SessionReach({ node, session: (id) => edge.session(id), calls });
  if (calls !== null) calls.serveSession = reach.serve;
  return createApp({
    ...host,
    info: {
      registration: config.registration.mode,
      mechanisms: mechanisms(config),
      passwordLengthMin: config.registration.passwordCharsMin,
      ...(host.oidc == null ? {} : { issuers: host.oidc.issuers }),
      ...(config.ldap.url === null ? {} : { directory: true }),
      ...(push === null ? {} : { push: pushInfo(push) }),
    },
    allowedOrigins: () => [...served.allowedOrigins(), ...pages.origins],
    publicUrl: config.server.publicUrl,
    throttles: {
      address: addresses.throttle,
      device: deviceRates(config, share),
      account: accountRate(config, share),
    },
    unread: new UnreadResponses(FIXED_UNREAD, whenOver),
    addressOf: (_request, env) => addressFromEnv(proxies, env),
    reach,
    events: makeEvents({
      ...host,
      streamBytesMax: config.limits.outboxBytesMax,
      streams: counting.own.streams,
    }),
  }, exchangeLimits(config));
}

function addHealth(app: Hono, { keeper, open: { node } }: Served): void {
  const notReady = () => {
    if (keeper.draining) return "draining";
    if (node.mayBeReplaced) return "another place may serve this cell";
    if (node.committer.failingSinceMs !== 0) return "the store takes no writes";
    return node.settled ? null : "reading the log";
  };
  app.get("/healthz", (c) => c.text("ok"));
  app.get("/readyz", (c) => {
    const why = notReady();
    return why === null ? c.text("ready") : c.text(why, 503);
  });
}

/** From this machine only, by default: what a server does is nobody else's business. */
function addMetrics(app: Hono, { config, metrics }: Served): void {
  const { publicMetrics } = config.admin;
  app.get("/metrics", (c) => {
    const seen = publicMetrics === "all" || (publicMetrics === "local" && isLocal(c.env));
    return seen ? metrics() : c.notFound();
  });
}

function addServiceGateway(app: Hono, served: Served): void {
  const { config, open, services, counting, keeper, addresses, proxies } = served;
  const { ports } = open;
  const { gateway, server } = config;
  const throttle = new Throttle(throttleOptions({
    perSecond: gateway.requestsPerSecond,
    burst: gateway.requestsBurst,
  }));
  served.share("requests of services", throttle);
  addGateway(app, {
    gateway: services.gateway,
    domain: server.domain,
    limits: protocolLimits(config),
    throttle,
    targets: targetRules(config),
    publicUrl: server.publicUrl,
    streamsMax: gateway.streamsMax,
    observe: counting.observe,
    limited: counting.limited,
    admit: (kind) => keeper.admit(kind),
    refundAddress: (_request, env) => {
      const key = addressKey(addressFromEnv(proxies, env));
      addresses.throttle.refund(ports.clock.monoMs(), key);
    },
  });
}

function addPages(app: Hono, { config, host, pages, proxies }: Served): void {
  addOidcCallback(app, host.oidc ?? null);
  addAssets(app, clientLibrary());
  addChat(app, (env) => forwardedPrefix(proxies, env), () => pages.sources);
  const prefix = prefixOf(config.server.publicUrl);
  // Below it the page's addresses are relative to its own.
  if (prefix !== "") {
    const toPage = redirect(`${prefix.slice(prefix.lastIndexOf("/") + 1)}/`);
    app.get(prefix, (c) => toPage(c.req.raw));
  }
  for (const [path, serve] of docs()) app.get(path, (c) => serve(c.req.raw));
}
