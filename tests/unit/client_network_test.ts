/** The client library where the network is lost and back. */
import assert from "node:assert/strict";
import { ClientFixture, heard, MAILBOX, RESUMED, SNAPSHOT } from "./client_fixture.ts";

const ROSTER = ["bob", "cid"].map((contact) => ({ contact, subscription: "to" }));
const shown = (user: string) => ({ k: "presence", user, show: "away", device: "d" });

async function withContacts() {
  const fixture = new ClientFixture();
  const client = fixture.client();
  const signedIn = client.signIn({ token: "t" });
  await fixture.settle();
  fixture.socket.welcome({ snapshot: { ...SNAPSHOT, roster: ROSTER } });
  await signedIn;
  fixture.socket.events(shown("bob"), shown("cid"));
  const shows = () => [...client.contacts.values()].map(({ presence }) => presence.show);
  return { fixture, client, shows };
}

Deno.test("createClient: a lost network is noticed at once, and nobody's presence is known (A22)", async () => {
  const { fixture, client, shows } = await withContacts();
  const states = heard(client, "status");
  const told = heard(client, "presence");
  const lost = fixture.socket;
  fixture.offline();
  assert.deepEqual([lost.closed, client.state.status, client.state.reason], [
    true,
    "waiting",
    "offline",
  ]);
  assert.deepEqual(states.map(({ status }) => status), ["waiting"]);
  assert.deepEqual(shows(), ["unknown", "unknown"]);
  assert.deepEqual(told.map(({ user, show }) => [user, show]), [["bob", "unknown"], [
    "cid",
    "unknown",
  ]]);
  fixture.random = 0.5;
  fixture.online();
  await fixture.pass(250);
  fixture.socket.welcome(RESUMED);
  fixture.socket.events(shown("bob"));
  assert.deepEqual(shows(), ["away", "unknown"]);
  await fixture.pass(1500);
  const [ping] = fixture.socket.commands("ping");
  fixture.socket.says({ t: "ok", id: ping!["id"], value: { serverTime: 1 } });
  await fixture.pass(250);
  assert.deepEqual(shows(), ["away", "offline"]);
});

Deno.test("createClient: presence is kept over a short loss, and unknown after a longer one (A22)", async () => {
  const { fixture, client, shows } = await withContacts();
  fixture.random = 1;
  fixture.socket.breaks();
  await fixture.pass(500);
  assert.deepEqual(shows(), ["away", "away"]);
  fixture.socket.welcome(RESUMED);
  fixture.socket.events(shown("bob"), shown("cid"));
  await fixture.pass(3000);
  assert.deepEqual(shows(), ["away", "away"]);
  fixture.socket.breaks();
  await fixture.pass(1000);
  assert.equal(fixture.socket.open()["after"], `${MAILBOX}:10`);
  await fixture.pass(1000);
  assert.deepEqual(shows(), ["unknown", "unknown"]);
  assert.equal(client.otherDevices.show, "unknown");
  client.close();
});

Deno.test("11: after a restart of the server, contacts that may return are not shown offline", async () => {
  const { fixture, client, shows } = await withContacts();
  fixture.random = 1;
  fixture.socket.breaks();
  await fixture.pass(1000);
  fixture.socket.welcome(RESUMED);
  const told = heard(client, "presence");
  fixture.socket.events({ k: "presence_pending", user: "bob" }, shown("cid"));
  await fixture.pass(10_000);
  assert.deepEqual(shows(), ["away", "away"]);
  fixture.socket.events({ k: "presence", user: "bob", show: "offline", lastSeen: 5 });
  assert.deepEqual(shows(), ["offline", "away"]);
  assert.deepEqual(told.map(({ user, show }) => [user, show]), [
    ["cid", "away"],
    ["bob", "offline"],
  ]);
});

Deno.test("createClient: a contact that is not listed after the welcome is offline", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const roster = ["bob", "cid"].map((contact) => ({ contact, subscription: "to" }));
  fixture.socket.breaks();
  await fixture.pass(500);
  fixture.socket.welcome({ snapshot: { ...SNAPSHOT, roster } });
  const online = ["bob", "cid"].map((user) => ({ k: "presence", user, show: "away", device: "d" }));
  fixture.socket.events(...online);
  fixture.socket.breaks();
  await fixture.pass(1000);
  fixture.socket.welcome({ snapshot: { ...SNAPSHOT, roster } });
  const told = heard(client, "presence");
  fixture.socket.events(online[0]!);
  await fixture.pass(1500);
  // A server that has no time has not listed them yet either.
  const [ping] = fixture.socket.commands("ping");
  await fixture.pass(5000);
  assert.deepEqual(told.map(({ user }) => user), ["bob"]);
  fixture.socket.says({ t: "ok", id: ping!["id"], value: { serverTime: 1 } });
  await fixture.pass(249);
  assert.deepEqual(told.map(({ user }) => user), ["bob"]);
  await fixture.pass(1);
  assert.deepEqual(told.map(({ user, show }) => [user, show]), [["bob", "away"], [
    "cid",
    "offline",
  ]]);
  const shows = [...client.contacts.values()].map(({ presence }) => presence.show);
  assert.deepEqual(shows, ["away", "offline"]);
});

Deno.test("createClient: a reply to an earlier connection does not end the wait for who is online", async () => {
  const { fixture, shows } = await withContacts();
  fixture.random = 1;
  fixture.socket.breaks();
  await fixture.pass(500);
  fixture.socket.welcome(RESUMED);
  await fixture.pass(1500);
  assert.equal(fixture.socket.commands("ping").length, 1);
  fixture.socket.breaks();
  await fixture.pass(1000);
  fixture.socket.welcome(RESUMED);
  const [again] = fixture.socket.commands("ping");
  fixture.socket.says({ t: "ok", id: again!["id"], value: { serverTime: 1 } });
  await fixture.pass(1400);
  assert.deepEqual(shows(), ["away", "away"]);
  fixture.socket.events(shown("bob"), shown("cid"));
});

Deno.test("11: a contact that is new to the client and may return is unknown until it is known", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client();
  const signedIn = client.signIn({ token: "t" });
  await fixture.settle();
  fixture.socket.welcome({ snapshot: { ...SNAPSHOT, roster: ROSTER } });
  await signedIn;
  const shows = () => [...client.contacts.values()].map(({ presence }) => presence.show);
  fixture.socket.events({ k: "presence_pending", user: "bob" });
  assert.deepEqual(shows(), ["unknown", "offline"]);
  await fixture.pass(10_000);
  assert.deepEqual(shows(), ["unknown", "offline"]);
  fixture.socket.events(shown("bob"));
  assert.deepEqual(shows(), ["away", "offline"]);
});
