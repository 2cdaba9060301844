/** Clients that are sent away, over real WebSockets. */
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { FakeRouter } from "../unit/edge_fixture.ts";
import { openNode as openFakes, TOKEN } from "../unit/json_fakes.ts";
import { connectionLimits } from "../../server/settings.ts";
import { createEdge, type Edge } from "../../server/edge/edge.ts";
import { createWsTransport, newWsCounters } from "../../server/v1/ws.ts";
import { DEFAULTS, simRetries } from "../sim/sim_ports.ts";
import { EDGE_LIMITS, WS_LIMITS } from "../sim/limits.ts";
import { JSON_CODEC } from "../../server/v1/encode.ts";
import { makeConnector } from "../../server/v1/connection.ts";
import { newEdgeCounters } from "../../server/edge/types.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { SHED_AFTER_MS, SHED_AGE_MS, Shedding } from "../../server/edge/shedding.ts";
import { systemClock } from "../../server/system/clock.ts";
import { systemTimers } from "../../server/system/timers.ts";
import { Turns } from "../../server/http/turns.ts";
import type { VirtualTime } from "../sim/virtual_time.ts";
import { Callers } from "../../server/http/callers.ts";

interface Goaway {
  readonly t: string;
  readonly reason: string;
  readonly retryAfterMs: number;
  readonly servers?: readonly string[];
}

/** An edge behind the WebSocket transport; its time moves only by the test. */
class Fixture {
  readonly time: VirtualTime;
  readonly edge: Edge;
  readonly router = new FakeRouter();
  readonly goaways: Goaway[] = [];
  readonly ws: ReturnType<typeof createWsTransport>;
  readonly #server = createServer();
  readonly #sockets: WebSocket[] = [];

  constructor() {
    const { deps, time } = openFakes();
    this.time = time;
    const ports = { ...time.global, random: deps.random, log: deps.log, retries: simRetries() };
    const node = "node000000000001" as NodeId;
    const { router } = this;
    this.edge = createEdge({
      ...ports,
      node,
      router,
      counters: newEdgeCounters(),
      codec: JSON_CODEC,
      flushed: () => {},
    }, { ...EDGE_LIMITS, sessionsPerAccountMax: 1000 });
    this.ws = createWsTransport({
      callers: new Callers(),
      ...ports,
      turns: new Turns(systemClock(), systemTimers()),
      counters: newWsCounters(),
      admit: () => null,
      admitPage: () => null,
      penalize: () => {},
      elsewhere: () => ["https://b.test", "https://c.test"],
      addressOf: () => "192.0.2.1",
      onConnection: makeConnector({
        ...deps,
        router,
        open: (options, done) => this.edge.open(options, done),
        connection: connectionLimits(DEFAULTS),
      }),
    }, WS_LIMITS);
    this.#server.on("upgrade", (r, socket, head) => this.ws.upgrade(r, socket as Socket, head));
  }

  /** Connects so many devices; resolves when all are welcome. */
  async connect(count: number, from = 0): Promise<void> {
    if (!this.#server.listening) {
      await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    }
    const { port } = this.#server.address() as AddressInfo;
    const welcomes = Array.from({ length: count }, (_, i) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`);
      this.#sockets.push(socket);
      return new Promise<void>((welcome, refused) => {
        socket.onopen = () => {
          const device = `d${from + i}`;
          socket.send(JSON.stringify({ t: "hello", v: 1, auth: { token: TOKEN }, device }));
        };
        socket.onmessage = ({ data }) => {
          const frame = JSON.parse(data) as Goaway;
          if (frame.t === "welcome") welcome();
          if (frame.t === "goaway") this.goaways.push(frame);
          if (frame.t === "error") refused(new Error(data));
        };
      });
    });
    await Promise.all(welcomes);
  }

  /** Waits until all clients that have been sent away know it. */
  async notified(): Promise<number> {
    const gone = () => this.edge.gauges().lost;
    while (this.goaways.length < gone()) await new Promise((done) => setTimeout(done, 5));
    return this.goaways.length;
  }

  /** Lets a little time pass again and again until `promise` has settled: refusals wait for it. */
  async passing<T>(promise: Promise<T>): Promise<T> {
    let open = true;
    const ended = promise.finally(() => open = false);
    while (open) {
      this.time.runFor(1);
      await Promise.race([ended.catch(() => {}), new Promise((done) => setTimeout(done, 5))]);
    }
    return await ended;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.close();
    await this.ws.close(0);
    await new Promise((done) => this.#server.close(done));
  }
}

Deno.test("11: an overloaded node sends clients to others over WebSockets, few and none twice", async () => {
  const f = new Fixture();
  try {
    let overloaded = false;
    const shedding = new Shedding({
      ...f.time.global,
      log: openFakes().deps.log,
      perSecond: 2,
      overloaded: () => overloaded,
      roomElsewhere: () => true,
      drained: () => false,
      sendAllAway: () => {},
      takeBack: () => {},
      sessions: () => f.edge.gauges().sessions,
      shed: (...options) => f.edge.shed(...options),
      setBusy: () => {},
    });
    shedding.start();
    await f.connect(8);
    f.time.runFor(SHED_AGE_MS);
    await f.connect(32, 8);
    overloaded = true;
    f.time.runFor(SHED_AFTER_MS);
    equal(f.edge.gauges().lost, 0);
    f.time.runFor(1000);
    equal(await f.notified(), 2);
    // A tenth of 40 in the minute, and only those that have been connected for a minute.
    f.time.runFor(10_000);
    equal(await f.notified(), 4);
    const sent = f.goaways.map(({ reason, servers }) => [reason, servers]);
    deepEqual(sent[0], ["shutdown", ["https://b.test", "https://c.test"]]);
    const waits = f.goaways.map(({ retryAfterMs }) => retryAfterMs);
    ok(waits.every((ms) => ms >= 500 && ms <= 1500) && new Set(waits).size > 1, `${waits}`);
    // Nothing ends for it within the grace, and who returns is taken.
    equal(f.router.count("session.detach"), 0);
    await f.connect(1, 100);
    shedding.stop();
  } finally {
    await f.close();
  }
});

Deno.test("11: a node sends all clients away at the rate, and takes them back on request", async () => {
  const f = new Fixture();
  try {
    await f.connect(20);
    let done = false;
    f.edge.sendAway({ spreadMs: 1000, retryAfterMs: 2000 }, () => done = true);
    f.time.runFor(500);
    const half = await f.notified();
    ok(half >= 9 && half <= 12, `${half}`);
    f.time.runFor(600);
    equal(await f.notified(), 20);
    deepEqual([done, f.router.count("session.detach")], [true, 0]);
    await rejects(f.passing(f.connect(1, 50)), /"code":"busy"/);
    f.edge.takeBack();
    await f.connect(1, 51);
    f.time.runFor(20_000);
    equal(f.router.count("session.detach"), 20, "the grace of those that did not return");
  } finally {
    await f.close();
  }
});
