import assert from "node:assert/strict";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { decodeBase64, encodeBase64 } from "byte-encodings/base64";
import { hmacOf, sha256 } from "../../server/auth/hash.ts";
import { keysOf } from "../../server/auth/scram.ts";
import {
  ClientFixture,
  type Frame,
  heard,
  MAILBOX,
  message,
  RESUMED,
  SNAPSHOT,
} from "./client_fixture.ts";

/** Answers the opening of a long-polling session. */
function opened(fixture: ClientFixture, fields: Frame = {}): void {
  assert.deepEqual([fixture.request.method, fixture.request.path], ["POST", "/v1/sessions"]);
  const cursor = `${MAILBOX}:10`;
  const who = { user: "ann", device: "desk", session: "SSSSSSSSSSSSSSSS", cursor };
  fixture.request.answer({ ...who, mode: "snapshot", snapshot: SNAPSHOT, ...fields }, 201);
}

Deno.test("createClient: after two failures without a welcome it polls, and finds back without loss", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ timing: { upgradeMs: 4000 } });
  const shown = heard(client, "message");
  const signedIn = client.signIn({ token: "rt1_token" });
  for (const waitMs of [500, 1000]) {
    await fixture.settle();
    fixture.socket.breaks();
    await fixture.pass(waitMs);
  }
  assert.equal(fixture.sockets.length, 2);
  opened(fixture);
  assert.equal((await signedIn).transport, "poll");
  const poll = fixture.request;
  assert.equal(poll.path, `/v1/events?after=${MAILBOX}:10&wait=30&soft=0`);
  assert.equal(poll.headers.get("roost-session"), "SSSSSSSSSSSSSSSS");
  poll.answer({ soft: 2, cursor: `${MAILBOX}:11`, events: [message(11)] });
  await fixture.pass(40);
  assert.equal(fixture.request.path, `/v1/events?after=${MAILBOX}:11&wait=30&soft=2`);
  // A message is on its way when the WebSocket returns.
  const sent = client.send("bob", "1");
  const post = fixture.request;
  assert.deepEqual([post.path, post.body], ["/v1/messages", { to: "bob", body: "1" }]);
  const key = post.headers.get("idempotency-key");
  await fixture.pass(6000);
  assert.equal(fixture.sockets.length, 3);
  const hello = fixture.socket.open();
  assert.deepEqual([hello["session"], hello["after"]], ["SSSSSSSSSSSSSSSS", `${MAILBOX}:11`]);
  fixture.socket.welcome({ ...RESUMED, cursor: `${MAILBOX}:11` });
  assert.equal(client.state.transport, "ws");
  fixture.socket.events(message(12));
  assert.deepEqual(shown.map(({ seq }) => seq), [11, 12]);
  const again = fixture.socket.commands("send")[0]!;
  assert.deepEqual([again["key"], again["body"]], [key, "1"]);
  fixture.socket.says({ t: "ok", id: again["id"], value: { seq: 13, at: 1, num: 1 } });
  assert.equal((await sent).seq, 13);
});

Deno.test("createClient: a presence that comes in a batch before its contact is kept for it", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ onlyTransport: "poll" });
  const signedIn = client.signIn({ token: "t" });
  await fixture.settle();
  opened(fixture);
  await signedIn;
  const [presence, gone] = ["online", "offline"].map((show) => ({
    k: "presence",
    user: "zoe",
    show,
  }));
  const roster = (seq: number) => ({
    k: "roster",
    seq,
    at: 1,
    contact: "zoe",
    subscription: "both",
  });
  const shows = () => client.contacts.get("zoe")?.presence.show;
  const batch = async (cursor: number, ...events: readonly unknown[]) => {
    fixture.request.answer({ soft: 1, cursor: `${MAILBOX}:${cursor}`, events });
    await fixture.pass(1000);
  };
  await batch(11, presence, roster(11));
  assert.equal(shows(), "online");
  await batch(12, { k: "roster_removed", seq: 12, at: 1, contact: "zoe" });
  await batch(13, roster(13));
  assert.equal(shows(), "offline", "what was known of a removed contact is forgotten");
  await batch(14, { k: "roster_removed", seq: 14, at: 1, contact: "zoe" });
  await batch(15, presence, gone, roster(15));
  assert.equal(shows(), "offline");
});

Deno.test("signIn: a snapshot that an event has overtaken is asked for again", async () => {
  const fixture = new ClientFixture();
  (await fixture.connected()).close();
  const client = fixture.client();
  const signedIn = client.signIn();
  await fixture.settle();
  fixture.socket.open();
  fixture.socket.welcome(RESUMED);
  await signedIn;
  const answer = async (seq: number, roster: readonly unknown[]) => {
    const asked = fixture.socket.commands("snapshot").at(-1)!;
    const value = { cursor: `${MAILBOX}:${seq}`, snapshot: { ...SNAPSHOT, roster } };
    fixture.socket.says({ t: "ok", id: asked["id"], value });
    await fixture.settle();
  };
  const item = { contact: "zoe", subscription: "to" };
  fixture.socket.events({ k: "roster", seq: 11, at: 1, ...item });
  await answer(10, []);
  await answer(11, [item]);
  assert.deepEqual([...client.contacts.keys()], ["zoe"]);
});

Deno.test("createClient: onlyTransport ws never polls, and poll opens no WebSocket", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ onlyTransport: "ws" });
  client.signIn({ token: "t" }).catch(() => {});
  for (let i = 0; i < 5; i++) {
    await fixture.settle();
    fixture.socket.breaks();
    await fixture.pass(client.state.retryInMs!);
  }
  assert.deepEqual([fixture.sockets.length, fixture.requests.length], [6, 0]);
  const other = new ClientFixture();
  const polling = other.client({ onlyTransport: "poll" });
  const signedIn = polling.signIn({ token: "t" });
  await other.settle();
  opened(other);
  await signedIn;
  await other.pass(600_000);
  assert.equal(other.sockets.length, 0);
});

Deno.test("createClient: a WebSocket that fails while it polls changes nothing, and is tried later", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ timing: { upgradeMs: 4000 } });
  const signedIn = client.signIn({ token: "t" });
  for (const waitMs of [500, 1000]) {
    await fixture.settle();
    fixture.socket.breaks();
    await fixture.pass(waitMs);
  }
  opened(fixture);
  await signedIn;
  const poll = fixture.request;
  await fixture.pass(6000);
  assert.equal(fixture.sockets.length, 3);
  fixture.socket.breaks();
  assert.deepEqual([client.state.transport, poll.aborted()], ["poll", false]);
  await fixture.pass(11_999);
  assert.equal(fixture.sockets.length, 3);
  await fixture.pass(1);
  assert.equal(fixture.sockets.length, 4);
});

Deno.test("createClient: polls that another one ends at once are not repeated at once", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ onlyTransport: "poll" });
  const signedIn = client.signIn({ token: "t" });
  await fixture.settle();
  opened(fixture);
  await signedIn;
  const polls = () => fixture.requests.filter(({ path }) => path.startsWith("/v1/events")).length;
  fixture.request.answer({ soft: 0, cursor: `${MAILBOX}:10`, events: [] });
  await fixture.pass(499);
  assert.equal(polls(), 1);
  await fixture.pass(1);
  assert.equal(polls(), 2);
});

Deno.test("10.12: createClient: polls that another poller replaces are repeated ever later", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ onlyTransport: "poll" });
  const signedIn = client.signIn({ token: "t" });
  await fixture.settle();
  opened(fixture);
  await signedIn;
  const polls = () => fixture.requests.filter(({ path }) => path.startsWith("/v1/events")).length;
  const replace = () =>
    fixture.request.answer({ soft: 0, cursor: `${MAILBOX}:10`, replaced: true, events: [] });
  for (const [i, waitMs] of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].entries()) {
    replace();
    await fixture.pass(waitMs - 1);
    assert.equal(polls(), i + 1, `${waitMs} ms`);
    await fixture.pass(1);
    assert.equal(polls(), i + 2, `${waitMs} ms`);
  }
  fixture.request.answer({ soft: 0, cursor: `${MAILBOX}:11`, events: [message(11)] });
  await fixture.pass(40);
  replace();
  await fixture.pass(1000);
  assert.equal(polls(), 10, "a poll with events ends the row");
});

Deno.test("createClient: a poll that breaks is repeated, and only several in a row end the link", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({}, false);
  const signedIn = client.signIn({ token: "t" });
  await fixture.settle();
  opened(fixture);
  await signedIn;
  for (const waitMs of [500, 1000]) {
    fixture.request.fail();
    await fixture.pass(waitMs);
    assert.equal(client.state.status, "online");
    assert.match(fixture.request.path, /^\/v1\/events/);
  }
  fixture.request.fail();
  await fixture.settle();
  assert.equal(client.state.status, "waiting");
});

Deno.test("createClient: a session that is over is opened anew, with presence and cursor", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ presence: { show: "dnd", status: "busy" } }, false);
  const signedIn = client.signIn({ token: "t" });
  await fixture.settle();
  assert.deepEqual(fixture.request.body, { presence: { show: "dnd", status: "busy" } });
  opened(fixture);
  await signedIn;
  const poll = fixture.requests.find(({ path }) => path.startsWith("/v1/events"))!;
  poll.answer({ code: "not_found", message: "idle" }, 404);
  await fixture.pass(500);
  assert.deepEqual(fixture.request.body, {
    session: "SSSSSSSSSSSSSSSS",
    after: `${MAILBOX}:10`,
    presence: { show: "dnd", status: "busy" },
  });
});

/** Answers a SCRAM sign-in as a server that knows the password, or as one that does not. */
async function serveScram(fixture: ClientFixture, knows: boolean): Promise<void> {
  const first = String(fixture.request.body["message"]);
  const bare = first.replace("n,,", "");
  const nonce = `${/r=(.*)$/.exec(bare)![1]}server`;
  const salt = new Uint8Array(16).fill(7);
  const serverFirst = `r=${nonce},s=${encodeBase64(salt)},i=4096`;
  fixture.request.answer({ exchange: "e", message: serverFirst });
  await fixture.acts();
  const final = String(fixture.request.body["message"]);
  const salted = pbkdf2(nobleSha256, knows ? "correct horse" : "another", salt, { c: 4096 });
  const { storedKey, serverKey } = keysOf("SHA-256", salted);
  const withoutProof = final.slice(0, final.indexOf(",p="));
  const auth = new TextEncoder().encode(`${bare},${serverFirst},${withoutProof}`);
  const signature = hmacOf("SHA-256", storedKey, auth);
  const proof = decodeBase64(final.slice(final.indexOf(",p=") + 3));
  const clientKey = proof.map((byte, i) => byte ^ signature[i]!);
  assert.equal(encodeBase64(sha256(clientKey)) === encodeBase64(storedKey), knows);
  const scram = `v=${encodeBase64(hmacOf("SHA-256", serverKey, auth))}`;
  fixture.request.answer({ user: "ann", device: "desk", token: "rt1_new", expiresAt: 1, scram });
}

Deno.test("signIn: proves the password by SCRAM without sending it, and keeps the token", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ label: "My desk" });
  const signedIn = client.signIn({ user: "ann", password: "correct horse" });
  await fixture.settle();
  await serveScram(fixture, true);
  await fixture.acts();
  assert.deepEqual(fixture.socket.open()["auth"], { token: "rt1_new" });
  fixture.socket.welcome();
  assert.equal((await signedIn).user, "ann");
  const sent = fixture.requests.map(({ body }) => JSON.stringify(body)).join();
  assert.equal(sent.includes("correct horse"), false);
  assert.match([...fixture.items.values()].join(), /rt1_new/);
});

Deno.test("signIn: a server that does not know the password's keys is not trusted", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client({ allowPlainPassword: true });
  const signedIn = assert.rejects(
    client.signIn({ user: "ann", password: "correct horse" }),
    { code: "untrusted" },
  );
  await fixture.settle();
  await serveScram(fixture, false);
  await signedIn;
  assert.deepEqual([fixture.sockets.length, fixture.items.size], [0, 0]);
});

Deno.test("signIn: the password itself is sent only where that was allowed", async () => {
  for (const allowPlainPassword of [false, true]) {
    const fixture = new ClientFixture();
    const client = fixture.client({ allowPlainPassword });
    const signedIn = client.signIn({ user: "ann", password: "correct horse" });
    await fixture.settle();
    fixture.request.answer({ code: "unsupported", message: "no SCRAM-SHA-256" }, 400);
    if (!allowPlainPassword) {
      await assert.rejects(signedIn, { code: "unsupported" });
      continue;
    }
    await fixture.settle();
    assert.equal(fixture.request.path, "/v1/auth/password");
    fixture.request.answer({ user: "ann", device: "desk", token: "rt1_new", expiresAt: 1 });
    await fixture.settle();
    fixture.socket.welcome();
    assert.equal((await signedIn).status, "online");
  }
});

Deno.test("signOut: revokes the token and forgets everything", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  client.send("bob", "1").catch(() => {});
  const out = client.signOut();
  await fixture.settle();
  assert.deepEqual([fixture.request.method, fixture.request.path], ["DELETE", "/v1/auth"]);
  assert.equal(fixture.request.headers.get("authorization"), "Bearer rt1_token");
  fixture.request.answer(undefined, 204);
  assert.equal(await out, true);
  assert.deepEqual([client.state.status, client.state.user, fixture.items.size], [
    "signed_out",
    null,
    0,
  ]);
});
