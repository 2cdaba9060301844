/** Clients that are passed on to another cell: bounds, proofs of their addresses, and both ways. */
import assert from "node:assert/strict";
import { fail, type Failure } from "../../shard/errors.ts";
import { FakeSink } from "./json_fakes.ts";
import { RELAY_HEADER, relayKey, RelayProofs } from "../../server/http/relay_proof.ts";
import { Relay, type RelayClient } from "../../server/v1/relay.ts";
import type { RelaySocketEvents } from "../../server/node/relay_wires.ts";
import { TrustedProxies } from "../../server/http/trusted_proxies.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const SECRET = new TextEncoder().encode("a secret of a federation");
const MOVED: Failure = {
  ...fail("moved", "elsewhere"),
  cell: "b",
  servers: ["https://b1.example.org", "https://b2.example.org"],
};
const proofs = () => new RelayProofs(relayKey(SECRET), (address) => address === "10.0.0.9");

/** A socket to a home that the test plays. */
class FakeSocket {
  bufferedBytes = 0;
  readonly sent: string[] = [];
  readonly calls: string[] = [];
  constructor(
    readonly url: string,
    readonly headers: Readonly<Record<string, string>>,
    readonly events: RelaySocketEvents,
  ) {}
  send(text: string) {
    this.sent.push(text);
  }
  pause() {
    this.calls.push("pause");
  }
  resume() {
    this.calls.push("resume");
  }
  close() {
    this.calls.push("close");
  }
}

function relayOf(perCellMax = 2, respond: () => Promise<Response> = () => Promise.reject()) {
  const time = new VirtualTime();
  const sockets: FakeSocket[] = [];
  const relay = new Relay({
    ...time.global,
    wires: {
      socket: (...of) => {
        const socket = new FakeSocket(...of);
        sockets.push(socket);
        return socket;
      },
      fetch: respond,
    },
    proofs: proofs(),
    perCellMax,
    addressesOf: () => [],
    servers: () => ["https://a.example.org"],
  });
  const sink = new FakeSink();
  const refusals: Failure[] = [];
  const client: RelayClient = {
    frame: (text) => sink.send(text),
    bufferedBytes: () => sink.bufferedBytes(),
    ended: (reason, retryAfterMs) =>
      reason === null ? sink.terminate() : sink.close(reason, retryAfterMs),
    refused: (failure) => void refusals.push(failure),
  };
  const connect = (address = "192.0.2.7") => relay.connect(MOVED, '{"t":"hello"}', address, client);
  return { time, relay, sockets, sink, refusals, connect };
}

Deno.test("12: RelayProofs: an address counts with the proof of the federation alone", () => {
  const header = proofs().headerOf("192.0.2.7");
  assert.equal(proofs().addressIn(header), "192.0.2.7");
  const other = new RelayProofs(relayKey(new TextEncoder().encode("another")), () => false);
  const forged = [
    other.headerOf("192.0.2.7"),
    header.replace("192.0.2.7", "192.0.2.8"),
    "192.0.2.7",
    `${header} x`,
    "",
    undefined,
  ];
  for (const text of forged) assert.equal(proofs().addressIn(text), null, String(text));
  const proxies = new TrustedProxies([], proofs());
  assert.deepEqual([proxies.forwards("10.0.0.9"), proxies.trusts("10.0.0.9")], [true, false]);
  assert.equal(proxies.relayedFor({ headers: { [RELAY_HEADER]: header } } as never), "192.0.2.7");
});

Deno.test("12: Relay: frames go both ways, and the home's addresses stay with it", () => {
  const { sockets, sink, connect } = relayOf();
  const connection = connect();
  const [socket] = sockets as [FakeSocket];
  assert.equal(socket.url, "wss://b1.example.org/v1/ws");
  assert.equal(proofs().addressIn(socket.headers[RELAY_HEADER]), "192.0.2.7");
  connection.frame('{"t":"auth"}');
  socket.events.opened();
  assert.deepEqual(socket.sent, ['{"t":"hello"}', '{"t":"auth"}']);
  socket.events.frame('{"t":"welcome","user":"bob","servers":["https://b1.example.org"]}');
  const event = { k: "message", body: '{"k":"servers","servers":["x"]}' };
  const news = { k: "servers", servers: ["https://b2.example.org"] };
  socket.events.frame(JSON.stringify({ t: "events", soft: 3, ev: [event] }));
  const both = `{"t":"events","soft":4,"ev":[${JSON.stringify(news)},${JSON.stringify(event)}]}`;
  socket.events.frame(both);
  assert.deepEqual(sink.frames, [
    { t: "welcome", user: "bob", servers: ["https://a.example.org"] },
    { t: "events", soft: 3, ev: [event] },
    { t: "events", soft: 4, ev: [event] },
  ]);
  socket.events.frame('{"t":"goaway","reason":"shutdown","retryAfterMs":20}');
  socket.events.closed();
  assert.deepEqual([sink.ended, sink.retryAfterMs], ["shutdown", 20]);
});

Deno.test("12: Relay: a client that does not read holds its home up, and nothing else", () => {
  const { time, sockets, sink, connect } = relayOf();
  const connection = connect();
  const [socket] = sockets as [FakeSocket];
  socket.events.opened();
  sink.buffered = 100_000;
  socket.events.frame('{"t":"ok"}');
  time.runFor(500);
  assert.deepEqual(socket.calls, ["pause"]);
  sink.buffered = 0;
  time.runFor(500);
  assert.deepEqual(socket.calls, ["pause", "resume"]);
  // A home that does not read is not waited for without end.
  socket.bufferedBytes = 2_000_000;
  connection.frame('{"t":"ping"}');
  assert.equal(sink.ended, "slow");
  assert.equal(socket.calls.at(-1), "close");
});

Deno.test("12: Relay: connections with a cell are bounded, and other addresses of it are tried", () => {
  const { relay, sockets, sink, refusals, connect } = relayOf();
  connect();
  const second = connect();
  connect();
  assert.deepEqual([sockets.length, refusals.map(({ code }) => code)], [2, ["busy"]]);
  second.close();
  assert.equal(relay.open.get("b"), 1);
  const [socket] = sockets as [FakeSocket];
  socket.events.closed();
  assert.equal(sockets[2]?.url, "wss://b2.example.org/v1/ws");
  sockets[2]!.events.closed();
  assert.deepEqual([refusals.at(-1)?.code, relay.open.get("b")], ["unavailable", 0]);
  // The next client begins where nothing is known to be wrong; there is no such address now.
  connect();
  sockets[3]!.events.opened();
  sockets[3]!.events.closed();
  assert.equal(sink.ended, "terminated");
});

Deno.test("12: Relay: a request counts until its response is read, or nobody reads it", async () => {
  let closed = false;
  const respond = () => {
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new TextEncoder().encode("data")),
      cancel: () => void (closed = true),
    });
    const headers = { "content-type": "text/event-stream", "set-cookie": "no" };
    return Promise.resolve(new Response(body, { status: 200, headers }));
  };
  const { relay } = relayOf(1, respond);
  const asked = {
    method: "GET",
    path: "/v1/events",
    headers: new Headers(),
    body: null,
    address: "192.0.2.7",
    signal: new AbortController().signal,
  };
  const request = () => relay.request(MOVED, asked);
  const response = await request();
  assert.deepEqual([...response.headers.keys()], ["content-type"]);
  assert.equal((await request()).status, 503);
  await response.body!.cancel();
  assert.ok(closed);
  assert.equal((await request()).status, 200);
  const unreached = relayOf(1);
  const failed = await unreached.relay.request(MOVED, asked);
  assert.deepEqual([failed.status, unreached.relay.open.get("b")], [503, 0]);
});

Deno.test("12: Relay: a client that hangs up says nothing about the address of its home", async () => {
  const { relay, sockets, connect } = relayOf(1);
  const gone = new AbortController();
  gone.abort();
  const headers = new Headers();
  const asked = { method: "GET", path: "/v1/events", headers, body: null, address: "192.0.2.7" };
  await relay.request(MOVED, { ...asked, signal: gone.signal });
  connect();
  assert.equal(sockets[0]?.url, "wss://b1.example.org/v1/ws");
});

Deno.test("12: Relay: one network cannot have all the places of a cell", () => {
  const { sockets, refusals, connect } = relayOf(160);
  for (let i = 0; i < 25; i++) connect();
  assert.deepEqual([sockets.length, refusals.length], [20, 5]);
  connect("198.51.100.1");
  assert.equal(sockets.length, 21);
  sockets[0]!.events.opened();
  sockets[0]!.events.closed();
  connect();
  assert.equal(sockets.length, 22);
});

Deno.test("12: Relay: an address that did not respond is tried last, for a while", async () => {
  const { time, relay, sockets, connect } = relayOf(8);
  const headers = new Headers();
  const asked = { method: "GET", path: "/v1/events", headers, body: null, address: "192.0.2.7" };
  await relay.request(MOVED, { ...asked, signal: new AbortController().signal });
  connect();
  time.runFor(6000);
  connect();
  assert.deepEqual(sockets.map(({ url }) => url), [
    "wss://b2.example.org/v1/ws",
    "wss://b1.example.org/v1/ws",
  ]);
});
