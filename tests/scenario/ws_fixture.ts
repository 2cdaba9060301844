/** The WebSocket transport on a loopback port, under a protocol that echoes. */
import { Turns } from "../../server/http/turns.ts";
import { systemClock } from "../../server/system/clock.ts";
import { systemTimers } from "../../server/system/timers.ts";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { fail, type Failure } from "../../shard/errors.ts";
import type { Sink } from "../../server/edge/types.ts";
import {
  createWsTransport,
  newWsCounters,
  type WsLimits,
  type WsTransport,
} from "../../server/v1/ws.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import { WS_LIMITS } from "../sim/limits.ts";
import { Callers } from "../../server/http/callers.ts";

/** The protocol of the tests: answers each frame with itself, and notes what happens. */
export class Echo {
  readonly sink: Sink;
  readonly frames: string[] = [];
  closings = 0;
  /** When the transport has told the end. */
  readonly gone: Promise<void>;
  #onClosed!: () => void;

  constructor(sink: Sink) {
    this.sink = sink;
    this.gone = new Promise((done) => this.#onClosed = done);
  }

  frame(text: string): void {
    this.frames.push(text);
    this.sink.send(text);
  }

  closed(): void {
    this.closings++;
    this.#onClosed();
  }
}

/** A transport and what is seen of it. */
export interface WsFixture {
  readonly port: number;
  readonly ws: WsTransport;
  readonly counters: ReturnType<typeof newWsCounters>;
  readonly echoes: Echo[];
  /** The transport's time, which moves only when told: its pings and deadlines. */
  readonly time: VirtualTime;
  refusal: Failure | null;
  /** Requests that addresses had to pay for. */
  penalized: number;
}

/** Runs `test` against a transport behind a bare HTTP server. */
export async function withTransport(
  limits: Partial<WsLimits>,
  test: (fixture: WsFixture) => Promise<void>,
): Promise<void> {
  const time = new VirtualTime();
  const counters = newWsCounters();
  const echoes: Echo[] = [];
  const ws = createWsTransport({
    callers: new Callers(),
    clock: time.global.clock,
    timers: time.global.timers,
    // Bytes come in real time.
    turns: new Turns(systemClock(), systemTimers()),
    random: simRandom(new Prng(3)),
    counters,
    admit: () => fixture.refusal,
    admitPage: ({ headers }) =>
      headers.origin === "https://evil.example" ? fail("forbidden", "not from there") : null,
    penalize: (_address, requests) => fixture.penalized += requests,
    elsewhere: () => [],
    addressOf: (request) => String(request.headers["x-test-address"] ?? "192.0.2.1"),
    onConnection(connection) {
      const echo = new Echo(connection.sink);
      echoes.push(echo);
      return echo;
    },
  }, { ...WS_LIMITS, framesPerSecond: 1e6, framesBurst: 1e6, ...limits });
  const server = createServer((_, response) => void response.end("plain"));
  server.on("upgrade", (request, socket, head) => ws.upgrade(request, socket as Socket, head));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const fixture: WsFixture = { port, ws, counters, echoes, time, refusal: null, penalized: 0 };
  try {
    await test(fixture);
  } finally {
    for (const { sink } of echoes) sink.terminate();
    await ws.close(0);
    await new Promise((done) => {
      server.close(done);
      server.closeAllConnections();
    });
  }
}
