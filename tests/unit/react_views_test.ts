/** What the React hooks show of a client, without React: the same value until something changes. */
import assert from "node:assert/strict";
import { Talk } from "../../server/web/react/talk.js";
import { contactsView, presenceView, requestsView, same } from "../../server/web/react/view.js";
import { ClientFixture, type Frame, SNAPSHOT } from "./client_fixture.ts";

const item = (contact: string): Frame => ({ contact, subscription: "both" });
const presence = (user: string, show: string): Frame => ({ k: "presence", user, show });
const message = (seq: number, peer: string, body: string, fields: Frame = {}): Frame => ({
  ...{ k: "message", seq, at: seq, with: peer, num: seq, id: `k${seq}`, body },
  ...fields,
});

/** A client that is online with two contacts, and its socket. */
async function online() {
  const fixture = new ClientFixture();
  const client = fixture.client();
  const signedIn = client.signIn({ token: "t" });
  await fixture.settle();
  const socket = fixture.sockets[0]!;
  socket.welcome({ snapshot: { ...SNAPSHOT, roster: [item("bob"), item("cid")] } });
  await signedIn;
  return { fixture, client, socket };
}

/** Counts how often a store says that it has changed. */
function counted(store: { subscribe(changed: () => void): () => void }) {
  const count = { times: 0, end: () => {} };
  count.end = store.subscribe(() => count.times++);
  return count;
}

Deno.test("same compares plain data by what is in it", () => {
  assert.ok(same({ a: [1, { b: NaN }] }, { a: [1, { b: NaN }] }));
  assert.ok(!same({ a: undefined }, { b: undefined }));
  assert.ok(!same([1], [1, 2]));
  assert.ok(!same({}, null));
});

Deno.test("a presence is passed over where it is of others, and is one value until it changes", async () => {
  const { client, socket } = await online();
  const view = presenceView(client, "bob");
  const count = counted(view);
  socket.events(presence("bob", "dnd"));
  const shown = view.get();
  assert.deepEqual([count.times, shown.show], [1, "dnd"]);
  socket.events(presence("cid", "away"));
  assert.deepEqual([count.times, view.get() === shown], [1, true]);
  socket.events(presence("bob", "dnd"));
  assert.ok(view.get() === shown);
  socket.events(presence("bob", "away"));
  assert.equal(view.get().show, "away");
  assert.equal(presenceView(client, "nobody").get().show, "unknown");
  count.end();
  const { times } = count;
  socket.events(presence("bob", "dnd"));
  assert.equal(count.times, times);
});

Deno.test("contacts are by name, and requests are one list until one is added", async () => {
  const { client, socket } = await online();
  const [contacts, requests] = [contactsView(client), requestsView(client)];
  const [first, none] = [contacts.get(), requests.get()];
  assert.deepEqual(first.map(({ name }) => name), ["bob", "cid"]);
  socket.events(message(11, "bob", "Hello"));
  assert.ok(contacts.get() === first && requests.get() === none);
  socket.events({ k: "request", seq: 12, at: 12, from: "dan", pending: true });
  assert.deepEqual(requests.get(), ["dan"]);
});

/** The answer to the history that was asked for last. */
function answer(socket: { commands(t: string): readonly Frame[]; says(frame: Frame): void }) {
  const { id, ...asked } = socket.commands("history").at(-1)!;
  return (events: readonly Frame[], more: boolean) => {
    socket.says({ t: "ok", id, value: { events, more } });
    return asked;
  };
}

Deno.test("a conversation has its newest page, live messages, and earlier pages", async () => {
  const { fixture, client, socket } = await online();
  const talk = new Talk(client, "bob", 2);
  const count = counted(talk);
  assert.equal(talk.get().loading, true);
  socket.events(message(11, "bob", "Live"), message(12, "cid", "Other"));
  answer(socket)([message(4, "bob", "Four"), message(5, "bob", "Five")], true);
  await fixture.settle();
  const bodies = () => talk.get().events.map((event) => event.k === "message" ? event.body : "");
  assert.deepEqual(bodies(), ["Four", "Five", "Live"]);
  assert.deepEqual([talk.get().more, talk.get().loading], [true, false]);
  const { times } = count;
  const shown = talk.get();
  socket.events(message(13, "cid", "Other"), presence("bob", "dnd"));
  assert.deepEqual([count.times, talk.get() === shown], [times, true]);

  const earlier = talk.loadEarlier();
  assert.equal(socket.commands("history").at(-1)!["before"], 4);
  answer(socket)([message(3, "bob", "Three")], false);
  await earlier;
  assert.deepEqual([bodies()[0], talk.get().more], ["Three", false]);
  await talk.loadEarlier();
  assert.equal(socket.commands("history").length, 2);
});

Deno.test("a conversation shows what waits to be sent, who types, and begins anew at a reset", async () => {
  const { fixture, client, socket } = await online();
  const talk = new Talk(client, "bob", undefined);
  const count = counted(talk);
  answer(socket)([message(4, "bob", "Four")], false);
  await fixture.settle();
  talk.send("Hello").catch(() => {});
  assert.deepEqual(talk.get().pending.map(({ body }) => body), ["Hello"]);
  const { pending } = talk.get();
  socket.events({ k: "signal", from: "bob", device: "d", type: "typing" });
  assert.deepEqual([talk.get().typing, talk.get().pending === pending], [true, true]);
  socket.events(message(11, "bob", "Done"));
  assert.deepEqual([talk.get().typing, talk.get().events.length], [false, 2]);

  socket.breaks();
  await fixture.pass(1000);
  fixture.sockets[1]!.welcome({ mode: "reset" });
  assert.deepEqual([talk.get().events.length, talk.get().loading], [0, true]);
  count.end();
  client.close();
});
