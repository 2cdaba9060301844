import assert from "node:assert/strict";
import { ClientFixture, heard, MAILBOX, message, RESUMED, SNAPSHOT } from "./client_fixture.ts";

Deno.test("createClient: the waits between tries are random up to a bound that doubles to 30 s", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const waits: (number | null)[] = [];
  fixture.socket.breaks();
  for (let i = 0; i < 9; i++) {
    waits.push(client.state.retryInMs);
    await fixture.pass(client.state.retryInMs!);
    // Refused by the server, so that it does not look for another transport.
    fixture.socket.open();
    fixture.socket.says({ t: "error", code: "unavailable", message: "not now" });
    fixture.socket.breaks();
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  fixture.random = 0.25;
  await fixture.pass(30_000);
  fixture.socket.breaks();
  assert.equal(client.state.retryInMs, 7500);
});

Deno.test("createClient: only a connection that lasted a minute forgets the tries before", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const again = async (afterMs: number) => {
    const { length } = fixture.sockets;
    // Not silent, for that would end it.
    for (let ms = 0; ms < afterMs; ms += 5000) {
      fixture.socket.says({ t: "later" });
      await fixture.pass(5000);
    }
    assert.equal(fixture.sockets.length, length);
    fixture.socket.breaks();
    const waitMs = client.state.retryInMs!;
    await fixture.pass(waitMs);
    fixture.socket.welcome(RESUMED);
    return waitMs;
  };
  assert.deepEqual([await again(0), await again(55_000), await again(65_000), await again(0)], [
    500,
    1000,
    500,
    1000,
  ]);
});

Deno.test("createClient: retryAfterMs of a refused greeting and of a goaway is waited for", async () => {
  const fixture = new ClientFixture();
  fixture.random = 0;
  const client = await fixture.connected();
  fixture.socket.says({ t: "goaway", reason: "shutdown", retryAfterMs: 2345 });
  assert.deepEqual([client.state.status, client.state.retryInMs], ["waiting", 2345]);
  await fixture.pass(2345);
  fixture.socket.open();
  fixture.socket.says({ t: "error", code: "busy", message: "full", retryAfterMs: 5000 });
  fixture.socket.says({ t: "goaway", reason: "protocol", retryAfterMs: 5000 });
  assert.deepEqual([client.state.reason, client.state.retryInMs], ["busy", 5000]);
});

Deno.test("createClient: back on the network it waits no longer than the server asked for", async () => {
  const fixture = new ClientFixture();
  await fixture.connected();
  fixture.socket.breaks();
  fixture.random = 0.1;
  fixture.online();
  assert.equal(fixture.sockets.length, 1);
  await fixture.pass(50);
  assert.equal(fixture.sockets.length, 2);
  fixture.socket.open();
  fixture.socket.says({ t: "error", code: "busy", message: "full", retryAfterMs: 5000 });
  fixture.socket.breaks();
  fixture.online();
  assert.equal(fixture.sockets.length, 2);
});

Deno.test("createClient: a silent WebSocket is pinged, and cut where nothing returns", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const first = fixture.socket;
  await fixture.pass(35_000);
  assert.equal(first.commands("ping").length, 1);
  first.says({ t: "ok", id: first.commands("ping")[0]!["id"] });
  await fixture.pass(25_000);
  assert.equal(client.state.status, "online");
  await fixture.pass(10_000);
  assert.equal(first.commands("ping").length, 2);
  await fixture.pass(12_500);
  assert.deepEqual([first.closed, client.state.reason], [true, "offline"]);
  assert.equal(fixture.sockets.length, 2);
});

Deno.test("createClient: an unanswered command ends a connection that says nothing", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const first = fixture.socket;
  client.send("bob", "hello");
  await fixture.pass(12_500);
  assert.equal(first.closed, true);
  assert.equal(fixture.sockets.length, 2);
});

Deno.test("createClient: a lost link is resumed with session and cursor, and events are shown once", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const shown = heard(client, "message");
  const first = fixture.socket;
  first.events(message(11), message(12));
  first.events(message(12), message(13));
  first.breaks();
  await fixture.pass(500);
  const hello = fixture.socket.open();
  assert.deepEqual([hello["session"], hello["after"]], ["SSSSSSSSSSSSSSSS", `${MAILBOX}:13`]);
  fixture.socket.says({
    t: "welcome",
    user: "ann",
    device: "desk",
    session: "S",
    cursor: `${MAILBOX}:13`,
  });
  // What the old link still says is not listened to.
  first.events(message(14, { body: "late" }));
  fixture.socket.events(message(14), message(15));
  assert.deepEqual(shown.map(({ body }) => body), [
    "body 11",
    "body 12",
    "body 13",
    "body 14",
    "body 15",
  ]);
});

Deno.test("createClient: a gap is not shown over, but read again from the cursor", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const shown = heard(client, "message");
  const first = fixture.socket;
  first.events(message(11), message(13));
  assert.equal(first.closed, true);
  await fixture.pass(500);
  assert.equal(fixture.socket.open()["after"], `${MAILBOX}:11`);
  fixture.socket.says({
    t: "welcome",
    user: "ann",
    device: "desk",
    session: "S",
    cursor: `${MAILBOX}:11`,
  });
  fixture.socket.events(message(12), message(13));
  assert.deepEqual(shown.map(({ seq }) => seq), [11, 12, 13]);
});

Deno.test("createClient: a reset takes the snapshot and says that events are missing", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const snapshots = heard(client, "snapshot");
  const shown = heard(client, "message");
  fixture.socket.breaks();
  await fixture.pass(500);
  const roster = [{ contact: "bob", subscription: "both" }];
  const conversation = { with: "bob", lastSeq: 40, lastAt: 4, unread: 2, readUpTo: 0 };
  const conversations = [{ ...conversation, delivered: 0, read: 0 }];
  const snapshot = { ...SNAPSHOT, roster, conversations };
  fixture.socket.welcome({ mode: "reset", cursor: `${MAILBOX}:50`, snapshot });
  fixture.socket.events(message(51));
  assert.deepEqual(snapshots, [{ reset: true }]);
  assert.deepEqual(shown.map(({ seq }) => seq), [51]);
  assert.equal(client.contacts.get("bob")!.subscription, "both");
  assert.deepEqual([...client.conversations.values()], [{
    ...conversations[0],
    lastSeq: 51,
    lastAt: 51,
    unread: 3,
    waiting: [],
  }]);
});

Deno.test("send: one at a time for each recipient, and the same key after a lost link", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const results = [client.send("bob", "1"), client.send("Bob@example.org", "2")];
  const other = client.send("cid", "3", { key: "mine", ext: "x" });
  const first = fixture.socket.commands("send");
  assert.deepEqual(first.map(({ to, body }) => [to, body]), [["bob", "1"], ["cid", "3"]]);
  assert.deepEqual([first[1]!["key"], first[1]!["ext"]], ["mine", "x"]);
  const value = { seq: 11, at: 1, num: 1 };
  fixture.socket.says({ t: "ok", id: first[1]!["id"], value });
  assert.deepEqual(await other, value);
  fixture.socket.breaks();
  await fixture.pass(500);
  fixture.socket.welcome(RESUMED);
  const second = fixture.socket.commands("send");
  assert.deepEqual(second.map(({ body, key }) => [body, key]), [["1", first[0]!["key"]]]);
  fixture.socket.says({ t: "ok", id: second[0]!["id"], value });
  const third = fixture.socket.commands("send")[1]!;
  assert.equal(third["body"], "2");
  fixture.socket.says({ t: "ok", id: third["id"], value });
  assert.deepEqual(await Promise.all(results), [value, value]);
  assert.deepEqual(client.pending, []);
});

Deno.test("send: a refusal that says when to return holds messages, and another rejects", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  fixture.random = 0;
  const sent = client.send("bob", "1");
  const command = () => fixture.socket.commands("send").at(-1)!;
  const refuse = (code: string, retryAfterMs?: number) =>
    fixture.socket.says({ t: "error", id: command()["id"], code, message: code, retryAfterMs });
  const { key } = command();
  refuse("rate_limited", 800);
  client.send("cid", "2").catch(() => {});
  await fixture.pass(799);
  assert.equal(fixture.socket.commands("send").length, 1);
  await fixture.pass(1);
  const [, again, next] = fixture.socket.commands("send");
  assert.deepEqual([again!["key"], next!["body"]], [key, "2"]);
  fixture.socket.says({ t: "error", id: again!["id"], code: "forbidden", message: "no" });
  await assert.rejects(sent, { name: "RoostError", code: "forbidden" });
});

Deno.test("send: what no frame can carry is refused here, and costs no connection", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  // Each is six bytes of JSON.
  await assert.rejects(client.send("bob", "\u0001".repeat(16_000)), { code: "too_large" });
  assert.deepEqual([fixture.socket.commands("send").length, client.state.status], [0, "online"]);
});

Deno.test("send: messages survive the end of the application, in their order", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const sent = [client.send("bob", "1"), client.send("bob", "2"), client.send("cid", "3")];
  const ended = Promise.allSettled(sent);
  client.close();
  assert.ok((await ended).every((result) => result.status === "rejected"));
  await assert.rejects(client.send("bob", "4"), { code: "closed" });
  const second = fixture.client();
  assert.deepEqual(second.pending.map(({ body }) => body), ["1", "2", "3"]);
  assert.equal(second.state.user, "ann");
  const signedIn = second.signIn();
  await fixture.settle();
  assert.equal(fixture.socket.open()["after"], `${MAILBOX}:10`);
  fixture.socket.welcome(RESUMED);
  await signedIn;
  const bodies = fixture.socket.commands("send").map(({ body }) => body);
  assert.deepEqual(bodies, ["1", "3"]);
  // It has no contacts yet: it asks for them.
  const asked = fixture.socket.commands("snapshot")[0]!;
  // Presence comes before the answer, and is kept for it.
  fixture.socket.events({ k: "presence", user: "bob", show: "away", device: "desk" });
  const roster = [{ contact: "bob", subscription: "to" }];
  const value = { cursor: `${MAILBOX}:12`, snapshot: { ...SNAPSHOT, roster } };
  fixture.socket.says({ t: "ok", id: asked["id"], value });
  await fixture.settle();
  assert.deepEqual([...second.contacts.keys()], ["bob"]);
  await fixture.pass(5000);
  assert.equal(second.contacts.get("bob")!.presence.show, "away");
});

Deno.test("send: another account does not get the messages of the one before", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  client.send("bob", "secret");
  client.close();
  const second = fixture.client();
  const signedIn = second.signIn({ token: "rt1_other" });
  await fixture.settle();
  fixture.socket.welcome({ user: "eve" });
  await signedIn;
  assert.deepEqual([fixture.socket.commands("send"), second.pending], [[], []]);
});

Deno.test("send: no more messages wait than pendingMax", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected({ pendingMax: 2 });
  fixture.socket.breaks();
  client.send("bob", "1").catch(() => {});
  client.send("bob", "2").catch(() => {});
  await assert.rejects(client.send("bob", "3"), { code: "limit_reached" });
});

Deno.test("createClient: messages that came are acknowledged together", async () => {
  const fixture = new ClientFixture();
  await fixture.connected();
  fixture.socket.events(message(11), message(12));
  fixture.socket.events(message(13, { out: true }));
  await fixture.pass(250);
  assert.deepEqual(fixture.socket.commands("ack").map(({ seq }) => seq), [13]);
  fixture.socket.events(message(14, { out: true }));
  await fixture.pass(1000);
  assert.equal(fixture.socket.commands("ack").length, 1);
});

Deno.test("createClient: a device that signs in elsewhere again and again is left to the other", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  for (let i = 0; i < 3; i++) {
    fixture.socket.says({ t: "goaway", reason: "replaced" });
    assert.equal(client.state.status, "waiting");
    await fixture.pass(client.state.retryInMs!);
    fixture.socket.welcome(RESUMED);
  }
  fixture.socket.says({ t: "goaway", reason: "replaced" });
  assert.deepEqual([client.state.status, client.state.reason], ["stopped", "replaced"]);
  const again = client.signIn();
  await fixture.settle();
  fixture.socket.welcome(RESUMED);
  assert.equal((await again).status, "online");
});

Deno.test("signIn: a token that is not valid any more signs out, and nothing is tried again", async () => {
  const fixture = new ClientFixture();
  const client = fixture.client();
  const signedIn = client.signIn({ token: "rt1_old" });
  await fixture.settle();
  fixture.socket.open();
  fixture.socket.says({ t: "error", code: "unauthorized", message: "no" });
  fixture.socket.breaks();
  await assert.rejects(signedIn, { code: "unauthorized" });
  assert.equal(client.state.status, "signed_out");
  await fixture.pass(120_000);
  assert.equal(fixture.sockets.length, 1);
  await assert.rejects(client.signIn(), { code: "unauthorized" });
});

Deno.test("signIn: a cursor that the server does not take is forgotten, once", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  fixture.socket.breaks();
  await fixture.pass(500);
  const refuse = () => {
    const hello = fixture.socket.open();
    fixture.socket.says({ t: "error", code: "bad_request", message: "no" });
    fixture.socket.breaks();
    return hello["after"];
  };
  assert.equal(refuse(), `${MAILBOX}:10`);
  await fixture.pass(1000);
  assert.equal(refuse(), undefined);
  assert.equal(client.state.status, "stopped");
});

Deno.test("createClient: a frame that was wrong costs neither the cursor nor the token", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  fixture.socket.says({ t: "error", code: "bad_request", message: "no JSON" });
  fixture.socket.says({ t: "goaway", reason: "protocol", retryAfterMs: 700 });
  assert.deepEqual([client.state.status, client.state.retryInMs], ["waiting", 1200]);
  await fixture.pass(1200);
  assert.equal(fixture.socket.open()["after"], `${MAILBOX}:10`);
});

Deno.test("on: what a listener throws is reported, and the others are called", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const thrown: unknown[] = [];
  const report = (event: ErrorEvent) => {
    event.preventDefault();
    thrown.push(event.error);
  };
  addEventListener("error", report);
  const wrong = new Error("of the application");
  const off = client.on("message", () => {
    throw wrong;
  });
  const shown = heard(client, "message");
  fixture.socket.events(message(11));
  off();
  fixture.socket.events(message(12));
  await fixture.settle();
  removeEventListener("error", report);
  assert.deepEqual(shown.map(({ seq }) => seq), [11, 12]);
  assert.deepEqual(thrown, [wrong]);
});
