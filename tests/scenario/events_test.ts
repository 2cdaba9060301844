/** Long-poll and server-sent events through the real HTTP server. */
import type { NodeId } from "../../shard/name/ids.ts";
import assert from "node:assert/strict";
import { SessionReach } from "../../server/edge/reach.ts";
import { SignInQueue } from "../../server/http/sign_in_queue.ts";
import { Hono } from "hono";
import { createEdge, type Edge } from "../../server/edge/edge.ts";
import { type EdgeCounters, type EdgeLimits, newEdgeCounters } from "../../server/edge/types.ts";
import { JSON_CODEC } from "../../server/v1/encode.ts";
import { makeEvents, newStreamCounters } from "../../server/v1/events.ts";
import { makeProtocol } from "../../server/v1/protocol.ts";
import { systemClock } from "../../server/system/clock.ts";
import { openHttpServer } from "../../server/http/http_server.ts";
import { systemTimers } from "../../server/system/timers.ts";
import { parseCursor, type SessionId } from "../../shard/name/ids.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { memoryLog, simRetries } from "../sim/sim_ports.ts";
import { AUTH, device, FakeRouter, MAILBOX, name } from "../unit/edge_fixture.ts";
import { Turns } from "../../server/http/turns.ts";
import { PLAIN_DOOR } from "./http_fixture.ts";
import { RawSocket } from "./raw_socket.ts";
import { EDGE_LIMITS, PROTOCOL_LIMITS } from "../sim/limits.ts";
import { FIXED_SIGN_IN_QUEUE } from "../../server/config/fixed.ts";
import { Callers } from "../../server/http/callers.ts";

interface Fixture {
  readonly port: number;
  readonly edge: Edge;
  readonly router: FakeRouter;
  readonly counters: EdgeCounters;
  /** Sign-ins as they were counted. */
  readonly signIns: readonly string[];
  /** Appends to alice's mailbox and tells her session. */
  push(session: SessionId, bodies: readonly string[]): void;
}

const NODE = "node000000000001" as NodeId;

/** The events route for alice's phone, for every caller. */
function appOf(edge: Edge, events: ReturnType<typeof makeEvents>): Hono {
  const app = new Hono();
  const reach = new SessionReach({ node: NODE, session: (id) => edge.session(id), calls: null });
  const sessionOf = (id: string) => {
    const found = reach.find(id as SessionId, name("alice"), device("phone"));
    return found.ok ? found.value : null;
  };
  app.get("/v1/events", (c) => {
    const id = c.req.header("roost-session");
    return events({
      request: c.req.raw,
      caller: { user: name("alice"), device: device("phone"), auth: AUTH, provedUntil: null },
      address: "192.0.2.1",
      session: id === undefined ? null : sessionOf(id),
      after: parseCursor(c.req.query("after") ?? ""),
      soft: Number(c.req.query("soft") ?? 0),
      waitMs: 20_000,
      invisible: false,
      stream: c.req.header("accept") === "text/event-stream",
    });
  });
  return app;
}

const HTTP_SERVER_COUNTERS = {
  opened: 0,
  refusedFull: 0,
  refusedAddress: 0,
  refusedBusy: 0,
  malformed: 0,
  pipelined: 0,
  reopened: 0,
};

/** Runs `test` with a server that takes everybody for alice's phone. */
async function withServer(
  limits: Partial<EdgeLimits>,
  test: (fixture: Fixture) => Promise<void>,
): Promise<void> {
  const [clock, timers, router] = [systemClock(), systemTimers(), new FakeRouter()];
  const [counters, random] = [newEdgeCounters(), simRandom(new Prng(5))];
  const ports = { clock, timers, random, log: memoryLog().log, retries: simRetries() };
  const shared = { ...ports, router, counters };
  const bounds = { ...EDGE_LIMITS, ...limits };
  const node = NODE;
  const edge = createEdge({ ...shared, node, codec: JSON_CODEC, flushed: () => {} }, bounds);
  router.expiresAt = clock.wallMs() + 3_600_000;
  const streams = newStreamCounters();
  const signIns: string[] = [];
  const events = makeEvents({
    clock,
    timers,
    protocol: makeProtocol(PROTOCOL_LIMITS),
    domain: "example.org",
    streamBytesMax: bounds.outboxBytesMax,
    streams,
    servers: { all: () => [], others: () => [] },
    signInQueue: new SignInQueue({ clock, random, timers }, FIXED_SIGN_IN_QUEUE),
    open: edge.open.bind(edge),
    signedIn: (kind, outcome) => signIns.push(`${kind} ${outcome}`),
  });
  const app = appOf(edge, events);
  const door = await openHttpServer({
    callers: new Callers(),
    turns: new Turns(systemClock(), systemTimers()),
    timers: systemTimers(),
    reopened: () => {},
    app,
    counters: { ...HTTP_SERVER_COUNTERS },
    admit: () => null,
    admitAddress: () => null,
    admitHost: () => null,
    penalize: () => {},
    upgrade: (_request, socket) => void socket.destroy(),
  }, {
    ...PLAIN_DOOR,
    trustedProxies: [],
    connectionsMax: 100,
    connectionsPerAddressMax: 100,
    requestTimeoutMs: 5000,
  });
  const push: Fixture["push"] = (session, bodies) => {
    const appended = router.append("alice", bodies);
    const owner = name("alice");
    edge.deliver({ kind: "events", owner, sinceMs: 0, sessions: [session], events: appended });
  };
  try {
    await test({ port: door.port, edge, router, counters, signIns, push });
  } finally {
    await new Promise<void>((done) => edge.drain({ spreadMs: 0, retryAfterMs: 0 }, done));
    await door.close();
  }
  const { open, synthetic } = streams;
  assert.deepEqual([open, synthetic], [0, 0], "streams that were opened and not ended");
}

/** Waits until something holds that no event tells of. */
async function eventually(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`eventually: waited 10 s for ${holds}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

interface Answer {
  readonly session: SessionId;
  readonly soft: number;
  readonly cursor: string;
  readonly mode?: string;
  readonly snapshot?: object;
  readonly replaced?: true;
  readonly events: readonly { readonly k: string; readonly seq?: number }[];
}

async function get(port: number, query = "", session = "", signal?: AbortSignal): Promise<Answer> {
  const headers: Record<string, string> = session === "" ? {} : { "roost-session": session };
  const url = `http://127.0.0.1:${port}/v1/events${query}`;
  const response = await fetch(url, { headers, ...(signal ? { signal } : {}) });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

Deno.test("the first poll opens a session and answers at once, the next one waits", async () => {
  await withServer({}, async ({ port, router, push, edge, signIns }) => {
    router.append("alice", ["old"]);
    const first = await get(port);
    assert.deepEqual([first.mode, first.cursor, first.events], ["snapshot", `${MAILBOX}:1`, []]);
    assert.ok(first.snapshot !== undefined);
    const parked = get(port, `?after=${first.cursor}&soft=0`, first.session);
    await eventually(() => edge.gauges().polling === 1);
    push(first.session, ["new"]);
    const second = await parked;
    assert.deepEqual(second.events.map(({ k, seq }) => [k, seq]), [["message", 2]]);
    assert.equal(second.cursor, `${MAILBOX}:2`);
    assert.deepEqual(signIns, ["token ok"], "who polls on has signed in before");
  });
});

Deno.test("10.12: two pollers of one session do not spin, for the first gets its response late", async () => {
  await withServer({}, async ({ port, push, edge }) => {
    const { cursor, session } = await get(port);
    const first = get(port, `?after=${cursor}&soft=0`, session);
    await eventually(() => edge.gauges().polling === 1);
    const began = performance.now();
    const second = get(port, `?after=${cursor}&soft=0`, session);
    const { replaced, events } = await first;
    assert.deepEqual([replaced, events], [true, []]);
    assert.ok(performance.now() - began > 900, "at once");
    push(session, ["new"]);
    const { events: seen, replaced: not } = await second;
    assert.deepEqual([seen.length, not], [1, undefined]);
  });
});

Deno.test("a first poll with a cursor resumes and brings what follows", async () => {
  await withServer({}, async ({ port, router }) => {
    router.append("alice", ["one", "two", "three"]);
    const first = await get(port, `?after=${MAILBOX}:1`);
    assert.equal(first.mode, "resume");
    assert.equal(first.snapshot, undefined);
    assert.deepEqual(first.events.map(({ seq }) => seq), [2, 3]);
    assert.equal(first.cursor, `${MAILBOX}:3`);
  });
});

Deno.test("a poll whose client goes away is cancelled, and nothing is lost", async () => {
  await withServer({}, async ({ port, push, counters }) => {
    const { session, cursor } = await get(port);
    const controller = new AbortController();
    const gone = get(port, `?after=${cursor}`, session, controller.signal);
    await eventually(() => counters.polls === 2);
    controller.abort();
    await assert.rejects(gone);
    push(session, ["one"]);
    const { events } = await get(port, `?after=${cursor}`, session);
    assert.deepEqual(events.map(({ seq }) => seq), [1]);
  });
});

/** An event stream, as bytes. */
function stream(port: number, query = "", headers = ""): RawSocket {
  const raw = new RawSocket(port);
  raw.write(
    `GET /v1/events${query} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n${headers}\r\n`,
  );
  return raw;
}

Deno.test("a stream begins with the welcome, and each event carries its cursor", async () => {
  await withServer({}, async ({ port, edge, push }) => {
    const raw = stream(port);
    await raw.until(() => raw.bytes.includes("event: welcome\n"));
    const text = raw.bytes.toString();
    assert.match(text, /content-type: text\/event-stream/i);
    assert.match(text, new RegExp(`event: welcome\nid: ${MAILBOX}:0\ndata: {"v":1,`));
    const session = /"session":"([^"]+)"/.exec(text)![1] as SessionId;
    push(session, ["one", "two"]);
    await raw.until(() => raw.bytes.includes("event: events\n"));
    const frame = /event: events\nid: (.*)\ndata: (.*)\n\n/.exec(raw.bytes.toString())!;
    assert.equal(frame[1], `${MAILBOX}:2`);
    const { t, ev } = JSON.parse(frame[2]!) as { t: string; ev: { seq: number }[] };
    assert.deepEqual([t, ev.map(({ seq }) => seq)], ["events", [1, 2]]);
    // Gone, but still online for the grace.
    raw.destroy();
    await eventually(() => edge.gauges().lost === 1);
    const again = stream(port, `?after=${MAILBOX}:1`, `Roost-Session: ${session}\r\n`);
    await again.until(() => again.bytes.includes("event: events\n"));
    assert.match(again.bytes.toString(), /"resumed":true/);
    assert.match(again.bytes.toString(), new RegExp(`event: events\nid: ${MAILBOX}:2\n`));
    again.destroy();
  });
});

Deno.test("a stream that is sent away says why and when to return, then ends", async () => {
  await withServer({}, async ({ port, edge }) => {
    const raw = stream(port);
    await raw.until(() => raw.bytes.includes("event: welcome\n"));
    edge.drain({ spreadMs: 0, retryAfterMs: 1000 }, () => {});
    await raw.until(() => raw.bytes.includes("\r\n0\r\n\r\n"));
    assert.match(
      raw.bytes.toString(),
      /event: goaway\ndata: {"t":"goaway","reason":"shutdown","retryAfterMs":\d+}\n\n/,
    );
    raw.destroy();
  });
});

Deno.test("a stream whose reader stalls is cut off in time, and its memory freed", async () => {
  const limits = { outboxBytesMax: 100_000, stalledMs: 300 };
  await withServer(limits, async ({ port, edge, push, counters }) => {
    const raw = stream(port);
    await raw.until(() => raw.bytes.includes("event: welcome\n"));
    const session = /"session":"([^"]+)"/.exec(raw.bytes.toString())![1] as SessionId;
    raw.socket.pause();
    let top = 0;
    await eventually(() => {
      if (counters.stalled === 0) {
        push(
          session,
          Array.from({ length: 20 }, () => "x".repeat(10_000)),
        );
      }
      top = Math.max(top, edge.gauges().outboxBytes);
      return counters.stalled === 1;
    });
    assert.ok(top < 400_000, `${top} bytes waited`);
    assert.equal(edge.gauges().outboxBytes, 0);
    // The reset is seen when the client looks again.
    raw.socket.resume();
    await raw.ended();
  });
});
