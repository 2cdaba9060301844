/** Users of two cells, each a real server, write to and see each other. */
import assert from "node:assert/strict";
import { createClient } from "../../server/web/client.js";
import { Client, type Frame, rest } from "./client.ts";
import { roost } from "./cli.ts";
import { type ServerProcess, tempDir } from "./server.ts";
import { TwoCells } from "./two_cells.ts";
import { until } from "./until.ts";

type Event = Frame & { readonly k: string };

/** A user of a cell, with everything that it is sent. */
class User {
  readonly events: Event[] = [];
  readonly token: string;
  client!: Client;

  private constructor(token: string) {
    this.token = token;
  }

  static register(server: ServerProcess, user: string): Promise<User> {
    return User.#come(server, "/v1/register", user);
  }

  static signIn(server: ServerProcess, user: string): Promise<User> {
    return User.#come(server, "/v1/auth/password", user);
  }

  static async #come(server: ServerProcess, path: string, user: string): Promise<User> {
    const body = { user, password: "correct horse battery" };
    const { token } = await rest<{ token: string }>(server.url, "POST", path, { body });
    const came = new User(token);
    const auth = { token };
    came.client = await Client.connect(server.wsUrl, { auth }, (e) => came.events.push(e));
    return came;
  }

  /** The texts of others, in the order in which they came. */
  get texts(): readonly unknown[] {
    return this.events.filter((e) => e.k === "message" && e["out"] !== true).map((e) => e["body"]);
  }

  /** What is shown of another user. */
  shows(user: string): unknown {
    return this.events.findLast((e) => e.k === "presence" && e["user"] === user)?.["show"];
  }
}

/** Bob, who is at home at `b`, is sent there by `a`, however he comes. */
async function signsInAtHome(a: ServerProcess, b: ServerProcess): Promise<void> {
  const account = { user: "bob", password: "correct horse battery" };
  const at = (path: string, body: unknown, token = "") =>
    fetch(`${a.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
  const { token } = await rest<{ token: string }>(b.url, "POST", "/v1/auth/password", {
    body: { ...account, device: "early" },
  });
  for (
    const response of [
      await at("/v1/auth/password", account),
      await at("/v1/sessions", {}, token),
    ]
  ) {
    assert.equal(response.status, 421);
    const { code, servers } = await response.json();
    assert.deepEqual([code, servers], ["moved", [b.url]]);
  }
  for (
    const [method, path, accept] of [
      ["GET", "/v1/events?wait=0", "application/json"],
      ["GET", "/v1/events", "text/event-stream"],
      ["GET", "/v1/snapshot", "*/*"],
      ["GET", "/v1/conversations/alice/messages", "*/*"],
      ["PUT", "/v1/blocked/alice", "*/*"],
      ["DELETE", "/v1/auth", "*/*"],
    ] as const
  ) {
    const headers = { authorization: `Bearer ${token}`, accept };
    const response = await fetch(`${a.url}${path}`, { method, headers });
    const { code, servers } = await response.json();
    assert.deepEqual([response.status, code, servers], [421, "moved", [b.url]], path);
  }
  await assert.rejects(Client.connect(a.wsUrl, { auth: { token } }), { code: "moved" });
  // A client that names its device is looked at only where its session is attached.
  const device = "early";
  await assert.rejects(Client.connect(a.wsUrl, { auth: { token }, device }), { code: "moved" });
  for (const onlyTransport of ["ws", "poll"] as const) {
    const library = createClient({ url: a.url, onlyTransport, device: "other" });
    try {
      assert.equal((await library.signIn(account)).status, "online");
      assert.equal(library.state.user, "bob");
    } finally {
      library.close();
    }
  }
  const byToken = createClient({ url: a.url });
  try {
    assert.equal((await byToken.signIn({ token })).status, "online");
  } finally {
    byToken.close();
  }
}

async function becomeContacts(alice: User, bob: User): Promise<void> {
  const asked = (user: User) => () => user.events.some((e) => e.k === "request");
  await alice.client.command("subscription", { contact: "bob", type: "subscribe" });
  await until("the request", asked(bob));
  await bob.client.command("subscription", { contact: "alice", type: "subscribed" });
  await bob.client.command("subscription", { contact: "alice", type: "subscribe" });
  await until("the other request", asked(alice));
  await alice.client.command("subscription", { contact: "bob", type: "subscribed" });
}

async function chat(alice: User, bob: User): Promise<void> {
  const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`);
  for (const [i, body] of texts.entries()) {
    await alice.client.command("send", { to: "bob", key: `a${i}`, body });
    await bob.client.command("send", { to: "alice", key: `b${i}`, body });
  }
  await until("all messages", () => alice.texts.length >= 20 && bob.texts.length >= 20);
  assert.deepEqual([alice.texts, bob.texts], [texts, texts]);
}

/** The way of one of Alice's messages, as her cell shows it, ends in Bob's. */
async function tracedInBoth({ a, b }: TwoCells): Promise<void> {
  const json = async (server: ServerProcess, ...args: string[]) => {
    const { out, err, code } = await roost([...args, "--json", "--data", server.dataDir]);
    assert.equal(code, 0, err);
    return JSON.parse(out);
  };
  const messages: { trace: string; from: string }[] = await json(a, "trace", "--user", "alice");
  const { trace } = messages.find(({ from }) => from === "alice")!;
  const steps: { node: string; step: string }[] = await json(a, "trace", trace);
  const at = (step: string) => steps.find((each) => each.step === step)?.node;
  const { self } = await json(b, "cells");
  assert.equal(at("settled"), `b/${self.node}`, JSON.stringify(steps));
  assert.doesNotMatch(at("received")!, /\//);
}

Deno.test("12: users of two cells become contacts, chat in order, and see each other", async () => {
  using dir = tempDir();
  const cells = await TwoCells.start(dir.path);
  const alice = await User.register(cells.a, "alice");
  const bob = await User.register(cells.b, "bob");
  await assert.rejects(User.register(cells.b, "alice"), /conflict/);
  await becomeContacts(alice, bob);
  await until("presence", () => alice.shows("bob") === "online" && bob.shows("alice") === "online");
  await chat(alice, bob);
  await tracedInBoth(cells);
  await alice.client.command("presence", { show: "dnd" });
  await until("a change", () => bob.shows("alice") === "dnd");
  // What is written while the other cell is down arrives after its start.
  await cells.b.stop();
  await alice.client.command("send", { to: "bob", key: "later", body: "are you back?" });
  const again = await cells.restart();
  const back = await User.signIn(again, "bob");
  await until("the message", async () => {
    const path = "/v1/conversations/alice/messages";
    const { events } = await rest<{ events: readonly Event[] }>(again.url, "GET", path, back);
    return events.some((e) => e["body"] === "are you back?");
  });
  await until("alice", () => back.shows("alice") === "dnd");
  await until("bob", () => alice.shows("bob") === "online");
  await Promise.all([alice, back].map(({ client }) => client.close()));
  await Promise.all([cells.a.stop(), again.stop()]);
});

Deno.test("12: a client that comes to another cell is sent home, over every transport", async () => {
  using dir = tempDir();
  const { a, b } = await TwoCells.start(dir.path);
  const bob = await User.register(b, "bob");
  await bob.client.close();
  // The other cells learn it a moment later.
  await until("a's knowledge", async () => {
    const body = JSON.stringify({ user: "bob", password: "wrong" });
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${a.url}/v1/auth/password`, { method: "POST", headers, body });
    await response.body?.cancel();
    return response.status === 421;
  });
  await signsInAtHome(a, b);
  await Promise.all([a.stop(), b.stop()]);
});
