/** Nobody can push unread messages out of another's mailbox, nor fill it for the others. */
import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import type { Ops } from "../../shard/ops.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import { OpenBatch } from "../../shard/step/open_batch.ts";

const name = (text: string) => text as AccountName;
const DAY_MS = 86_400_000;

/** The victim with these contacts, and a mailbox of `events` events. */
function victimWith(events: number, contacts: readonly string[], retentionMs = 365 * DAY_MS) {
  const limits = { mailboxEventsMax: events, checkpointMs: 200, cacheIdleMs: 1000, retentionMs };
  const w = new NodeFixture({ limits });
  w.account("victim");
  for (const contact of contacts) {
    w.account(contact);
    w.befriend(contact, "victim");
  }
  return w;
}

Deno.test("10.10: a contact that sends without end keeps out no message of another", () => {
  const limits = { inboundMessageMs: 100, inboundMessageBurst: 20, mailboxEventsMax: 100_000 };
  const w = new NodeFixture({ limits });
  for (const who of ["victim", "noisy", "friend"]) w.account(who);
  for (const contact of ["noisy", "friend"]) w.befriend(contact, "victim");
  let noise = 0;
  for (let i = 0; i < 60; i++) {
    for (let n = 0; n < 20; n++) w.send("noisy", "victim", `n${noise++}`, "noise");
    w.settle(500);
    w.send("friend", "victim", `f${i}`, "hello");
    w.settle(500);
  }
  const mail = w.mailbox("victim");
  const from = (peer: string) =>
    mail.filter((e) => e.kind === "message" && !e.out && e.with === peer).length;
  assert.equal(from("friend"), 60);
  assert.ok(from("noisy") > 100 && from("noisy") < 600, String(from("noisy")));
});

const lastSeq = (w: NodeFixture, who: string) => w.must(who, "mailbox.snapshot", {}).snapshot.seq;

function read(w: NodeFixture, peer: string): void {
  w.must("victim", "conversation.read", { with: name(peer), upTo: lastSeq(w, "victim") });
}

function ack(w: NodeFixture): void {
  w.must("victim", "mailbox.ack", { seq: lastSeq(w, "victim") });
}

/** Sends messages that fill a block each, and settles. */
function write(w: NodeFixture, from: string, count: number, prefix: string): void {
  for (let i = 0; i < count; i++) {
    w.send(from, "victim", `${prefix}${i}`, "x".repeat(3000));
    w.settle(20);
  }
  w.settle();
}

/** Ids of the incoming messages that the history with a peer has, which is the same both ways. */
function history(w: NodeFixture, peer: string): string[] {
  const ids = historyBackward(w, peer);
  const forward: string[] = [];
  for (let after = 0;;) {
    const query = { with: name(peer), before: null, after, limit: 7, bytesMax: 65_536 };
    const page = w.must("victim", "conversation.history", query);
    forward.push(...page.events.flatMap((e) => e.kind === "message" && !e.out ? [e.id] : []));
    if (!page.more) break;
    after = page.events.at(-1)!.seq;
  }
  assert.deepEqual(forward, ids);
  return ids;
}

function historyBackward(w: NodeFixture, peer: string): string[] {
  const ids: string[] = [];
  const query = { with: name(peer), after: null, limit: 50, bytesMax: 65_536 };
  for (let before: number | null = null;;) {
    const page: Ops["conversation.history"]["out"] = w.must("victim", "conversation.history", {
      ...query,
      before,
    });
    ids.unshift(...page.events.flatMap((e) => e.kind === "message" && !e.out ? [e.id] : []));
    if (!page.more) return ids;
    before = page.events[0]!.seq;
  }
}

function unreadOf(w: NodeFixture, peer: string): number | undefined {
  const { conversations } = w.must("victim", "mailbox.snapshot", {}).snapshot;
  return conversations.find((c) => c.with === peer)?.unread;
}

/** Reasons of the messages to the victim that were not delivered. */
const undelivered = (w: NodeFixture, who: string) =>
  w.mailbox(who).flatMap((e) => e.kind === "undelivered" ? [e.reason] : []);

Deno.test("10.2: messages that are read do not push unread ones out, in a restart either", () => {
  const w = victimWith(100, ["friend", "noisy"]);
  w.send("friend", "victim", "first", "do not lose me");
  for (let round = 0; round < 20; round++) {
    write(w, "noisy", 30, `round${round} `);
    read(w, "noisy");
    ack(w);
  }
  assert.deepEqual(undelivered(w, "noisy"), []);
  const { first } = w.must("victim", "export.account", { credentials: false });
  assert.ok(first > 400, `the mailbox begins at ${first}: the rest was trimmed`);
  assert.deepEqual(history(w, "friend"), ["first"]);
  w.kill();
  w.start();
  assert.deepEqual(history(w, "friend"), ["first"]);
  assert.equal(unreadOf(w, "friend"), 1);
  // One block of the unread message, besides the retained events.
  assert.ok(w.disk.rows(["m"]).length < 100, `${w.disk.rows(["m"]).length} blocks`);
});

Deno.test("10.2: what was read goes with the next trim", () => {
  const w = victimWith(100, ["friend", "noisy"]);
  w.send("friend", "victim", "first", "read me");
  write(w, "noisy", 50, "early ");
  read(w, "noisy");
  const more = (prefix: string) => {
    for (let i = 0; i < 3; i++) {
      write(w, "noisy", 50, `${prefix}${i} `);
      read(w, "noisy");
    }
  };
  more("before ");
  assert.deepEqual(history(w, "friend"), ["first"]);
  read(w, "friend");
  more("after ");
  assert.deepEqual(history(w, "friend"), []);
  assert.equal(unreadOf(w, "friend"), undefined);
});

Deno.test("10.2: who fills a mailbox is refused with a reason, and others still find room", () => {
  const w = victimWith(100, ["friend", "noisy", "late"]);
  write(w, "friend", 3, "f");
  for (let round = 0; round < 5; round++) write(w, "noisy", 60, `${round}-`);
  const refused = undelivered(w, "noisy");
  assert.ok(refused.length > 0 && refused.every((reason) => reason === "quota"));
  assert.equal(history(w, "noisy").length, Math.ceil((100 - 3) / 2), "half of what others leave");
  write(w, "late", 10, "l");
  assert.deepEqual(undelivered(w, "late"), []);
  assert.equal(history(w, "friend").length, 3);
  assert.equal(history(w, "late").length, 10);
  read(w, "noisy");
  write(w, "noisy", 10, "again");
  assert.equal(history(w, "noisy").at(-1), "again9", "what is read makes room");
});

Deno.test("10.2: strangers share half of a mailbox, and leave the other to contacts", () => {
  const w = victimWith(200, ["friend"]);
  w.must("victim", "settings.set", { messagesFrom: "anyone" });
  for (let i = 0; i < 40; i++) {
    w.account(`stranger${i}`);
    write(w, `stranger${i}`, 20, "s");
  }
  assert.deepEqual(undelivered(w, "stranger0"), Array.from({ length: 20 - 13 }, () => "quota"));
  const { conversations } = w.must("victim", "mailbox.snapshot", {}).snapshot;
  const sum = conversations.reduce((all, c) => all + c.unread, 0);
  assert.ok(sum >= 90 && sum <= 100, `${sum} messages of strangers`);
  assert.deepEqual(undelivered(w, "stranger39"), Array.from({ length: 20 }, () => "quota"));
  write(w, "friend", 40, "f");
  assert.deepEqual(undelivered(w, "friend"), []);
});

Deno.test("10.2: of a peer who fills its room, what a device has makes room for the newest", () => {
  const w = victimWith(300, ["noisy", "friend"]);
  w.send("friend", "victim", "first", "do not lose me");
  for (let round = 0; round < 30; round++) {
    write(w, "noisy", 30, `${round}-`);
    ack(w);
  }
  assert.deepEqual(undelivered(w, "noisy"), []);
  assert.deepEqual(history(w, "friend"), ["first"]);
  assert.ok(history(w, "noisy").length >= 100);
});

Deno.test("10.2: the age of a message ends it, read or not", () => {
  const w = victimWith(100, ["friend", "noisy"], 30 * DAY_MS);
  w.send("friend", "victim", "first", "for thirty days");
  for (let round = 0; round < 6; round++) {
    write(w, "noisy", 40, `${round}-`);
    read(w, "noisy");
  }
  assert.deepEqual(history(w, "friend"), ["first"]);
  w.process.jumpWall(31 * DAY_MS);
  w.settle(660_000);
  write(w, "noisy", 40, "late");
  assert.deepEqual(history(w, "friend"), []);
  assert.equal(undelivered(w, "noisy").length, 0, "what is gone takes no room");
});

// ---- requests

function subscribe(w: NodeFixture, from: string, type: "subscribe" | "unsubscribe"): void {
  w.must(from, "roster.subscription", { contact: name("victim"), type });
  w.settle(50);
}

const requestEvents = (w: NodeFixture) =>
  w.mailbox("victim").flatMap((e) => e.kind === "request" ? [[e.from, e.pending]] : []);

Deno.test("10.2: a request that is taken back before anybody looks leaves no event", () => {
  const w = victimWith(1000, []);
  for (let i = 0; i < 20; i++) {
    w.account(`stranger${i}`);
    for (let round = 0; round < 10; round++) {
      subscribe(w, `stranger${i}`, "subscribe");
      subscribe(w, `stranger${i}`, "unsubscribe");
    }
  }
  w.account("suitor");
  subscribe(w, "suitor", "subscribe");
  w.settle(10_000);
  w.kill();
  w.start();
  const { snapshot } = w.must("victim", "mailbox.snapshot", {});
  assert.deepEqual(snapshot.requests, ["suitor"]);
  assert.equal(snapshot.seq, 1);
  assert.deepEqual(requestEvents(w), [["suitor", true]]);
});

Deno.test("10.2: a connected user learns of a request at once, but not over and over of one peer's", () => {
  const w = victimWith(1000, []);
  w.account("pest");
  w.account("suitor");
  w.attach("victim");
  for (let round = 0; round < 20; round++) {
    subscribe(w, "pest", "subscribe");
    subscribe(w, "pest", "unsubscribe");
  }
  assert.equal(requestEvents(w).length, 2 * 5);
  subscribe(w, "pest", "subscribe");
  subscribe(w, "suitor", "subscribe");
  assert.deepEqual(requestEvents(w).slice(10), [["suitor", true]]);
  assert.deepEqual(w.must("victim", "mailbox.snapshot", {}).snapshot.requests, ["suitor"]);
  // The last one is shown once the allowance has it.
  w.settle(600_000);
  assert.deepEqual(requestEvents(w).slice(11), [["pest", true]]);
  assert.deepEqual(w.must("victim", "mailbox.snapshot", {}).snapshot.requests, ["pest", "suitor"]);
});

Deno.test("11: a withheld request is shown in time after a bug made the shard read its log again", () => {
  const w = victimWith(1000, []);
  w.account("pest");
  const shard = w.node.shardOf(name("victim"));
  const neighbour = ["n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"]
    .find((user) => w.node.shardOf(name(user)) === shard)!;
  w.account(neighbour);
  w.attach("victim");
  for (let round = 0; round < 6; round++) {
    subscribe(w, "pest", "subscribe");
    if (round < 5) subscribe(w, "pest", "unsubscribe");
  }
  assert.equal(requestEvents(w).length, 2 * 5);
  // Its account leaves memory before, so that reading the log does not touch it.
  w.settle(20_000);
  w.packets = [];
  const { append } = OpenBatch.prototype;
  OpenBatch.prototype.append = () => {
    throw new Error("bug in append");
  };
  w.ask(neighbour, "settings.set", { messagesFrom: "anyone" });
  OpenBatch.prototype.append = append;
  assert.ok(w.node.bugs > 0);
  w.settle(600_000);
  // The owner asks for nothing: what is pushed is all that the device learns.
  const pushed = w.packets.flatMap((p) => p.kind === "events" ? p.events : []);
  assert.deepEqual(pushed.map(({ kind }) => kind), ["request"]);
});

Deno.test("10.2: a withheld request can be granted, blocked, and shown after the block", () => {
  const w = victimWith(1000, []);
  for (const user of ["one", "two", "three"]) {
    w.account(user);
    subscribe(w, user, "subscribe");
  }
  w.must("victim", "roster.block", { contact: name("two"), blocked: true });
  subscribe(w, "two", "unsubscribe");
  subscribe(w, "two", "subscribe");
  assert.deepEqual(w.must("victim", "mailbox.snapshot", {}).snapshot.requests, ["one", "three"]);
  w.must("victim", "roster.subscription", { contact: name("one"), type: "subscribed" });
  w.must("victim", "roster.block", { contact: name("two"), blocked: false });
  const { requests } = w.must("victim", "mailbox.snapshot", {}).snapshot;
  assert.deepEqual([...requests].sort(), ["three", "two"]);
  const shown = new Set<unknown>();
  for (const [from, pending] of requestEvents(w)) {
    if (pending === true) shown.add(from);
    else shown.delete(from);
  }
  assert.deepEqual([...shown].sort(), ["three", "two"]);
});
