/** The HTTP server on a loopback port, over an app that tells how it sees requests. */
import { Hono } from "hono";
import { fail, type Failure } from "../../shard/errors.ts";
import {
  abortConnection,
  type HttpCounters,
  type HttpOptions,
  type HttpServer,
  openHttpServer,
  whenOver,
} from "../../server/http/http_server.ts";
import { addressFromEnv, TrustedProxies } from "../../server/http/trusted_proxies.ts";
import { systemClock } from "../../server/system/clock.ts";
import { systemTimers } from "../../server/system/timers.ts";
import { Turns } from "../../server/http/turns.ts";
import { Callers } from "../../server/http/callers.ts";

/** A server, and what is seen of it. */
export interface Fixture {
  readonly door: HttpServer;
  readonly counters: HttpCounters;
  readonly upgrades: string[];
  /** Paths of the requests that reached the app. */
  readonly served: string[];
  refusal: Failure | null;
  addressRefusal: Failure | null;
  /** Requests that addresses had to pay for. */
  penalized: number;
  /** Responses of `/large/BYTES` that are not over. */
  unsent: number;
  /** Called with each request for one; the response is made when it resolves. */
  large: () => Promise<void>;
}
type Shared = "refusal" | "addressRefusal" | "penalized" | "unsent" | "large";

/** Where fixtures listen. */
export const PLAIN_DOOR = {
  host: "127.0.0.1",
  port: 0,
  shared: false,
  tls: null,
  hsts: null,
} as const;

/** An app that tells how it sees requests. */
function appOf(proxies: TrustedProxies, served: string[], shared: Pick<Fixture, Shared>): Hono {
  const app = new Hono();
  app.onError(() => new Response("broken off", { status: 400 }));
  app.use(async (c, next) => {
    served.push(c.req.path);
    await next();
  });
  app.get("/address", (c) => c.text(addressFromEnv(proxies, c.env)));
  app.post("/echo", async (c) => c.text(await c.req.text()));
  app.get("/never", () => new Promise<Response>(() => {}));
  app.get("/abort", (c) => {
    abortConnection(c.req.raw);
    return c.text("nobody reads this");
  });
  app.get("/large/:bytes", async (c) => {
    shared.unsent++;
    await shared.large();
    whenOver(c.req.raw, () => shared.unsent--);
    return c.text("x".repeat(Number(c.req.param("bytes"))));
  });
  return app;
}

/** Runs `test` with an open door; the app tells how it sees requests. */
export async function withHttpServer(
  options: Partial<HttpOptions>,
  test: (fixture: Fixture) => Promise<void>,
): Promise<void> {
  const counters = {
    opened: 0,
    refusedFull: 0,
    refusedAddress: 0,
    refusedBusy: 0,
    malformed: 0,
    pipelined: 0,
    reopened: 0,
  };
  const upgrades: string[] = [];
  const served: string[] = [];
  const shared: Pick<Fixture, Shared> = {
    refusal: null,
    addressRefusal: null,
    penalized: 0,
    unsent: 0,
    large: () => Promise.resolve(),
  };
  const app = appOf(new TrustedProxies(options.trustedProxies ?? []), served, shared);
  const door = await openHttpServer({
    callers: new Callers(),
    turns: new Turns(systemClock(), systemTimers()),
    timers: systemTimers(),
    reopened: () => {},
    app,
    counters,
    admit: () => shared.refusal,
    admitAddress: () => shared.addressRefusal,
    admitHost: (host) => host === "stranger" ? fail("forbidden", "not me") : null,
    penalize: (_address, requests) => shared.penalized += requests,
    upgrade(request, socket, _head, address) {
      upgrades.push(`${request.url} ${address}`);
      socket.destroy();
    },
  }, {
    ...PLAIN_DOOR,
    trustedProxies: [],
    connectionsMax: 100,
    connectionsPerAddressMax: 100,
    requestTimeoutMs: 5000,
    ...options,
  });
  try {
    await test(Object.assign(shared, { door, counters, upgrades, served }));
  } finally {
    await door.close();
  }
}
