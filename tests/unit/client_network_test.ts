/** The client library where the network is lost and back. */
import assert from "node:assert/strict";
import { heard, MAILBOX, RESUMED, SNAPSHOT, World } from "./client_world.ts";

const ROSTER = ["bob", "cid"].map((contact) => ({ contact, subscription: "to" }));
const shown = (user: string) => ({ k: "presence", user, show: "away", device: "d" });

async function withContacts() {
  const world = new World();
  const client = world.client();
  const signedIn = client.signIn({ token: "t" });
  await world.settle();
  world.socket.welcome({ snapshot: { ...SNAPSHOT, roster: ROSTER } });
  await signedIn;
  world.socket.events(shown("bob"), shown("cid"));
  const shows = () => [...client.contacts.values()].map(({ presence }) => presence.show);
  return { world, client, shows };
}

Deno.test("createClient: a lost network is told at once, and nobody's presence is known (A22)", async () => {
  const { world, client, shows } = await withContacts();
  const states = heard(client, "status");
  const told = heard(client, "presence");
  const lost = world.socket;
  world.offline();
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
  world.random = 0.5;
  world.online();
  await world.pass(250);
  world.socket.welcome(RESUMED);
  world.socket.events(shown("bob"));
  assert.deepEqual(shows(), ["away", "unknown"]);
  await world.pass(1500);
  assert.deepEqual(shows(), ["away", "offline"]);
});

Deno.test("createClient: presence is kept over a short loss, and unknown after a longer one (A22)", async () => {
  const { world, client, shows } = await withContacts();
  world.random = 1;
  world.socket.breaks();
  await world.pass(500);
  assert.deepEqual(shows(), ["away", "away"]);
  world.socket.welcome(RESUMED);
  world.socket.events(shown("bob"), shown("cid"));
  await world.pass(3000);
  assert.deepEqual(shows(), ["away", "away"]);
  world.socket.breaks();
  await world.pass(1000);
  assert.equal(world.socket.open()["after"], `${MAILBOX}:10`);
  await world.pass(1000);
  assert.deepEqual(shows(), ["unknown", "unknown"]);
  assert.equal(client.otherDevices.show, "unknown");
  client.close();
});
