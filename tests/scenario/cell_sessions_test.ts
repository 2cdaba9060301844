/** Sessions over plain HTTP in a cell: consecutive requests of a client reach different nodes. */
import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { type Answer, answerOf, CellHttp } from "./cell_http.ts";
import { CellStory } from "./cell_story.ts";
import { proveScram } from "../golden/scram_proof.ts";
import type { SimNode } from "../sim/sim_node.ts";

interface Event {
  readonly k: string;
  readonly body?: string;
  readonly user?: string;
  readonly show?: string;
  readonly status?: string;
}

/** A cell where bob is online at the third node by a WebSocket, and alice's client is the test. */
class HttpStory {
  readonly story = new CellStory();
  readonly http: CellHttp;
  readonly nodes: readonly SimNode[];
  token = "";
  #written = 0;

  constructor() {
    const { story } = this;
    story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
    story.befriend(0, 2);
    story.alice.wanted = false;
    story.alice.drop("politely");
    // The oracle knows what simulated devices do, and not what this client does.
    story.cluster.oracle.sawSoft = () => {};
    this.nodes = story.cluster.nodes;
    this.http = new CellHttp(story.cluster.time);
  }

  /** Signs alice's phone in, at a node. */
  async signIn(node = this.nodes[0]!): Promise<void> {
    const body = { user: "alice", password: "password 1", device: this.story.alice.id };
    const { value } = await this.http.ask(node, "POST /v1/auth/password", { body });
    this.token = String(value["token"]);
  }

  /** Opens a session; returns its first answer. */
  async open(node: SimNode, after = ""): Promise<Answer> {
    const { token } = this;
    const path = after === "" ? "/v1/events" : `/v1/events?after=${after}`;
    const opened = await this.http.ask(node, `GET ${path}`, { token });
    equal(opened.status, 200, JSON.stringify(opened.value));
    return opened;
  }

  poll(node: SimNode, last: Answer, wait: number, signal?: AbortSignal): Promise<Response> {
    const { token } = this;
    const { cursor, soft, session } = last.value;
    const line = `GET /v1/events?after=${cursor}&soft=${soft}&wait=${wait}`;
    const more = signal === undefined ? {} : { signal };
    return this.http.request(node, line, { token, session: String(session), ...more });
  }

  async polled(node: SimNode, last: Answer, wait = 30): Promise<Answer> {
    return await this.http.settled(answerOf(this.poll(node, last, wait)));
  }

  bobWrites(): string {
    const { bob } = this.story;
    bob.person.write(bob, "alice", 40);
    this.story.await("an ack", () => bob.person.unsent === 0, 5000);
    return `m${++this.#written}`;
  }

  /** The keys of bob's messages. */
  keysOf(events: unknown): readonly string[] {
    return (events as readonly Event[]).filter(({ k }) => k === "message")
      .map(({ body }) => /: (m\d+)/.exec(body!)![1]!);
  }

  bobSees(show: string, status = ""): boolean {
    const seen = this.story.bob.seen.get("alice");
    return seen?.show === show && (seen.status ?? "") === status;
  }
}

Deno.test("11: long-polls of a session and requests that name it reach it through every node", async () => {
  const s = new HttpStory();
  const [a, b, c] = s.nodes;
  await s.signIn(b!);
  let last = await s.open(a!);
  const { session } = last.value;
  const { token } = s;
  for (const [i, node] of [b!, c!, a!, b!, c!].entries()) {
    const pending = s.poll(node, last, 30);
    await s.http.settled(new Promise((done) => setTimeout(done, 1)));
    const status = `at ${i}`;
    const body = { show: "dnd", status };
    const other = s.nodes[(s.nodes.indexOf(node) + 1) % 3]!;
    const set = await s.http.ask(other, "PUT /v1/presence", { token, session: `${session}`, body });
    equal(set.status, 204);
    s.story.await("her presence", () => s.bobSees("dnd", status), 1000);
    const written = s.bobWrites();
    last = await s.http.settled(answerOf(pending));
    equal(last.value["session"], session);
    deepEqual(s.keysOf(last.value["events"]), [written]);
  }
  const end = await s.http.ask(b!, `DELETE /v1/sessions/${session}`, { token });
  equal(end.status, 204);
  s.story.await("her absence", () => s.bobSees("offline"), 1000);
  const after = await s.polled(c!, last);
  deepEqual([after.status, after.value["code"]], [404, "not_found"]);
});

Deno.test("11: a poll through another node ends with its wait, or with its client", async () => {
  const s = new HttpStory();
  const [a, b, c] = s.nodes;
  await s.signIn();
  const opened = await s.open(a!);
  const first = await s.polled(b!, opened, 1);
  const beganMs = s.story.cluster.time.nowMs;
  const last = await s.polled(b!, first, 10);
  deepEqual(last.value["events"], []);
  const tookMs = s.story.cluster.time.nowMs - beganMs;
  ok(tookMs >= 10_000 && tookMs < 10_500, `${tookMs} ms`);
  const gone = new AbortController();
  const left = answerOf(s.poll(c!, last, 60, gone.signal)).catch(() => null);
  s.story.cluster.time.runFor(1000);
  const { edge } = a!.running;
  equal(edge.gauges().polling, 1);
  gone.abort();
  await s.http.settled(left);
  // Its grace has begun, although the poll would have waited for a minute.
  s.story.await("the end of the grace", () => edge.gauges().sessions === 0, 17_000);
  s.story.await("her absence", () => s.bobSees("offline"), 1000);
});

Deno.test("11: the node of a session dies between polls: the client goes on at another, unseen", async () => {
  const s = new HttpStory();
  const [a, b, c] = s.nodes;
  await s.signIn();
  const first = await s.polled(b!, await s.open(a!), 1);
  s.story.cluster.kill(a!);
  let shownOffline = false;
  const refused = await s.polled(c!, first);
  deepEqual([refused.status, refused.value["code"]], [404, "not_found"]);
  const written = s.bobWrites();
  const again = await s.open(b!, String(first.value["cursor"]));
  equal(again.value["mode"], "resume");
  const page = s.keysOf(again.value["events"]).length > 0 ? again : await s.polled(c!, again);
  deepEqual(s.keysOf(page.value["events"]), [written]);
  for (let i = 0; i < 250; i++) {
    if (i % 50 === 0) await s.polled(i % 100 === 0 ? b! : c!, page, 0);
    s.story.cluster.time.runFor(100);
    shownOffline ||= s.bobSees("offline");
  }
  equal(shownOffline, false);
});

Deno.test("11: a poll that waits at a node that dies ends at once, with the same refusal", async () => {
  const s = new HttpStory();
  const [a, b] = s.nodes;
  await s.signIn();
  const first = await s.polled(b!, await s.open(a!), 1);
  const beganMs = s.story.cluster.time.nowMs;
  const pending = answerOf(s.poll(b!, first, 60));
  await s.http.settled(new Promise((done) => setTimeout(done, 1)));
  s.story.cluster.time.runFor(500);
  s.story.cluster.kill(a!);
  const { status, value } = await s.http.settled(pending);
  deepEqual([status, value["code"]], [404, "not_found"]);
  ok(s.story.cluster.time.nowMs - beganMs < 2000);
});

Deno.test("11: what a client gets while the node of its session dies, or stands still, does not name it", async () => {
  for (const fault of ["dies", "stands still"]) {
    const s = new HttpStory();
    const [a, b] = s.nodes;
    await s.signIn();
    const { value: { session } } = await s.open(a!);
    const of = { token: s.token, session: String(session), body: { show: "away" } };
    // It does not reply any more.
    a!.process.pause();
    const asked = ["PUT /v1/presence", `DELETE /v1/sessions/${session}`].map((line) =>
      answerOf(s.http.request(b!, line, line.startsWith("PUT") ? of : { token: s.token }))
    );
    if (fault === "dies") {
      await s.http.settled(new Promise((done) => setTimeout(done, 1)));
      s.story.cluster.time.runFor(50);
      s.story.cluster.kill(a!);
    }
    const answers = await s.http.settled(Promise.all(asked));
    for (const { status, value } of answers) {
      ok(status === 503 || status === 404, `${status}`);
      ok(String(value["message"]).length > 0);
      ok(!/node\d|\.\d+|node|shard|link/.test(JSON.stringify(value)), JSON.stringify(value));
    }
    ok(answers.some(({ status }) => status === 503), fault);
  }
});

/** Reads a stream until it has an event with this name; returns its data. */
async function streamed(reader: ReadableStreamDefaultReader<string>, event: string) {
  for (let text = "";;) {
    const found = new RegExp(`event: ${event}\n(?:id: .*\n)?data: (.*)\n\n`).exec(text);
    if (found !== null) return JSON.parse(found[1]!) as Record<string, unknown>;
    const { done, value } = await reader.read();
    if (done) throw new Error(`the stream ends without ${event}: ${text}`);
    text += value;
  }
}

Deno.test("11: an event stream goes on with a session of another node, with its presence", async () => {
  const s = new HttpStory();
  const [a, b, c] = s.nodes;
  await s.signIn();
  const stream = async (node: SimNode, session?: string, after?: string) => {
    const accept = { accept: "text/event-stream" };
    const headers = after === undefined ? accept : { ...accept, "last-event-id": after };
    const named = session === undefined ? {} : { session };
    const request = { token: s.token, headers, ...named };
    const response = await s.http.settled(s.http.request(node, "GET /v1/events", request));
    equal(response.status, 200);
    return response.body!.pipeThrough(new TextDecoderStream()).getReader();
  };
  const one = await stream(a!);
  const welcome = await s.http.settled(streamed(one, "welcome"));
  const session = String(welcome["session"]);
  const body = { show: "away", status: "tea" };
  const set = await s.http.ask(c!, "PUT /v1/presence", { token: s.token, session, body });
  equal(set.status, 204);
  s.story.await("her presence", () => s.bobSees("away", "tea"), 1000);
  const seen = s.story.bob.seen.get("alice");
  await one.cancel();
  const written = s.bobWrites();
  const two = await stream(b!, session, String(welcome["cursor"]));
  const again = await s.http.settled(streamed(two, "welcome"));
  notEqual(again["session"], session);
  equal(again["mode"], "resume");
  const events = await s.http.settled(streamed(two, "events"));
  deepEqual(s.keysOf(events["ev"]), [written]);
  s.story.cluster.time.runFor(20_000);
  equal(s.story.bob.seen.get("alice"), seen, "bob has noticed nothing");
  const gone = await s.http.ask(c!, "PUT /v1/presence", { token: s.token, session, body });
  deepEqual([gone.status, gone.value["code"]], [404, "not_found"]);
  await two.cancel();
});

Deno.test("11: both halves of a SCRAM exchange over REST work at different nodes", async () => {
  const s = new HttpStory();
  const first = "n,,n=alice,r=client-nonce";
  for (const [begin, end] of [[0, 1], [1, 2], [2, 0]] as const) {
    const body = { mechanism: "SCRAM-SHA-256", message: first };
    const challenge = await s.http.ask(s.nodes[begin]!, "POST /v1/auth/scram", { body });
    equal(challenge.status, 200, JSON.stringify(challenge.value));
    const { exchange, message } = challenge.value as { exchange: string; message: string };
    const proof = proveScram("SCRAM-SHA-256", first, message, "password 1");
    const signedIn = await s.http.ask(s.nodes[end]!, `POST /v1/auth/scram/${exchange}`, {
      body: { message: proof.message, device: "tablet" },
    });
    equal(signedIn.status, 200, JSON.stringify(signedIn.value));
    match(String(signedIn.value["scram"]), new RegExp(RegExp.escape(proof.signature)));
    const token = String(signedIn.value["token"]);
    const devices = await s.http.ask(s.nodes[begin]!, "GET /v1/devices", { token });
    equal(devices.status, 200);
  }
});

Deno.test("11: a WebSocket client resumes at one node after another, and nobody sees it go", () => {
  const story = new CellStory();
  const { cluster, alice, bob, homes } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  story.befriend(0, 2);
  // It always gives its session and its cursor, and is never invisible.
  cluster.prng.chance = (part) => part > 0.5;
  let shownOffline = false;
  for (const at of [1, 2, 0, 1]) {
    const { seq } = alice.view!;
    alice.drop("reset");
    homes.set(alice, cluster.nodes[at]!);
    bob.person.write(bob, "alice", 40);
    story.await("her return", () => {
      shownOffline ||= !story.sees(bob, "alice");
      return alice.online && alice.view!.seq > seq && bob.person.unsent === 0;
    }, 10_000);
  }
  cluster.time.runFor(20_000);
  equal(shownOffline || !story.sees(bob, "alice"), false);
});

Deno.test("11: polled devices whose requests reach any node miss nothing", () => {
  const story = new CellStory();
  const { cluster, alice, bob } = story;
  alice.transport = "poll";
  let requests = 0;
  cluster.nodeForRequest = () => cluster.nodes[requests++ % 3]!;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  story.befriend(0, 2);
  const { session } = alice;
  for (let i = 0; i < 20; i++) {
    const { seq } = alice.view!;
    bob.person.write(bob, "alice", 40);
    story.await("the message", () => bob.person.unsent === 0 && alice.view!.seq > seq, 5000);
  }
  equal(alice.session, session);
  ok(requests > 20);
});
