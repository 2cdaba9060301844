/** Pairs that are settled leave no record, and what was exactly-once stays so (issue 10.3). */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import type { SubscriptionType } from "../../shard/roster/subscription.ts";
import type { Account } from "../../shard/account/account.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

function subscription(w: NodeFixture, from: string, to: string, type: SubscriptionType) {
  return w.ask(from, "roster.subscription", { contact: name(to), type });
}

function request(w: NodeFixture, from: string, to: string): void {
  ok(subscription(w, from, to, "subscribe").ok);
  w.settle(100);
}

/** Asks `to`, takes it back, and drops the contact. */
function pester(w: NodeFixture, from: string, to: string): void {
  request(w, from, to);
  ok(subscription(w, from, to, "unsubscribe").ok);
  w.settle(100);
}

function requests(w: NodeFixture, user: string): string[] {
  return [...w.must(user, "mailbox.snapshot", {}).snapshot.requests];
}

/** The account as its shard has it in memory. */
function inMemory(w: NodeFixture, user: string): Account {
  w.must(user, "account.info", {});
  const found = w.node.shards.flatMap((s) => [...s.inspect().accounts])
    .find((account) => account.name === user);
  ok(found !== undefined);
  return found;
}

const peers = (w: NodeFixture, user: string) => [...inMemory(w, user).conversations.keys()];

/** Notes each packet that `which` picks, and how to deliver it again. */
function copies(w: NodeFixture, which: (packet: ShardPacket) => boolean): (() => void)[] {
  const all: (() => void)[] = [];
  w.loses = (packet, arrive) => {
    if (which(packet)) all.push(arrive);
    return false;
  };
  return all;
}

Deno.test("10.3: strangers who take their requests back leave no record, and room for contacts", () => {
  const w = new NodeFixture({ limits: { conversationsMax: 3 } });
  for (const user of ["victim", "late", "friend"]) w.account(user);
  for (let i = 0; i < 12; i++) {
    w.account(`stranger${i}`);
    pester(w, `stranger${i}`, "victim");
  }
  deepEqual(peers(w, "victim"), []);
  w.settle(10_000);
  w.kill();
  w.start();
  deepEqual(peers(w, "victim"), []);
  request(w, "late", "victim");
  deepEqual(requests(w, "victim"), ["late"]);
  w.befriend("friend", "victim");
  w.send("victim", "friend", "m1", "still here");
  w.send("friend", "victim", "m2", "and back");
  w.settle();
  deepEqual(w.bodies("victim"), ["still here", "and back"]);
});

Deno.test("10.3: a request that is denied leaves no record either, and may be made again", () => {
  const w = new NodeFixture();
  for (const user of ["victim", "stranger"]) w.account(user);
  for (let i = 0; i < 3; i++) {
    request(w, "stranger", "victim");
    deepEqual(requests(w, "victim"), ["stranger"]);
    ok(subscription(w, "victim", "stranger", "unsubscribed").ok);
    w.settle(200);
    deepEqual(peers(w, "victim"), []);
    const item = w.must("stranger", "mailbox.snapshot", {}).snapshot.roster[0]!;
    equal(item.pendingOut, false, "the stranger has the answer");
  }
});

Deno.test("10.3: numbers go on above those of forgotten pairs, so that no packet is taken for a copy", () => {
  const w = new NodeFixture();
  for (const user of ["victim", "one", "two"]) w.account(user);
  // Two packets to the one, which keeps its record: it has a contact.
  for (let i = 0; i < 2; i++) {
    request(w, "one", "victim");
    ok(subscription(w, "victim", "one", "unsubscribed").ok);
    w.settle(200);
  }
  deepEqual(peers(w, "victim"), []);
  for (const user of ["one", "two"]) request(w, "victim", user);
  deepEqual([...requests(w, "one"), ...requests(w, "two")], ["victim", "victim"]);
  w.must("victim", "settings.set", { messagesFrom: "anyone" });
  w.send("one", "victim", "m1");
  w.settle();
  deepEqual(w.bodies("victim"), ["m1"]);
});

Deno.test("10.3: late copies of packets of a forgotten pair change nothing", () => {
  const w = new NodeFixture({ shards: 16 });
  for (const user of ["victim", "stranger", "other"]) w.account(user);
  const late = copies(w, (p) => p.kind === "pair" && p.to === "victim");
  pester(w, "stranger", "victim");
  ok(late.length >= 2);
  w.settle(5000);
  const before = w.mailbox("victim");
  for (const arrive of [...late, ...late.toReversed()]) arrive();
  w.settle(5000);
  deepEqual(requests(w, "victim"), []);
  deepEqual(w.mailbox("victim"), before);
  // The next request of the same stranger, and of one who was never known, are none.
  request(w, "stranger", "victim");
  request(w, "other", "victim");
  w.settle();
  deepEqual(requests(w, "victim"), ["stranger", "other"]);
  for (const arrive of late) arrive();
  w.settle();
  deepEqual(requests(w, "victim"), ["stranger", "other"]);
});

Deno.test("10.3: a pair is not forgotten before its sender has settled it durably", () => {
  for (const lost of ["pair_ack", "pair_settled"] as const) {
    const w = new NodeFixture({ shards: 16 });
    for (const user of ["victim", "stranger"]) w.account(user);
    w.loses = (p) => p.kind === lost;
    pester(w, "stranger", "victim");
    deepEqual(peers(w, "victim"), ["stranger"], lost);
    w.loses = () => false;
    w.kill();
    w.start();
    w.settle(10_000);
    deepEqual(requests(w, "victim"), []);
    // Three events: the request was shown once, and taken back once.
    const kinds = w.mailbox("victim").filter((e) => e.kind === "request");
    ok(kinds.length === 2 || kinds.length === 0, lost);
    request(w, "stranger", "victim");
    deepEqual(requests(w, "victim"), ["stranger"], lost);
  }
});

Deno.test("10.3: records that earlier versions left are forgotten where room is needed", () => {
  const w = new NodeFixture({ shards: 16, limits: { conversationsMax: 4 } });
  for (const user of ["victim", "late", "writer"]) w.account(user);
  // So that they stay, as they did.
  w.loses = (p) => p.kind === "pair_settled";
  for (let i = 0; i < 8; i++) {
    w.account(`stranger${i}`);
    pester(w, `stranger${i}`, "victim");
  }
  w.loses = () => false;
  equal(peers(w, "victim").length, 8);
  w.kill();
  w.start();
  request(w, "late", "victim");
  w.settle(10_000);
  deepEqual(requests(w, "victim"), ["late"]);
  deepEqual(peers(w, "victim"), ["late"]);
});

Deno.test("10.3: those whom others wrote to, as many as fit, can still begin as many themselves", () => {
  const w = new NodeFixture({ limits: { conversationsMax: 2 } });
  for (const user of ["open", "friend", "a", "b", "c", "d"]) w.account(user);
  w.must("open", "settings.set", { messagesFrom: "anyone" });
  for (const user of ["a", "b", "c"]) w.send(user, "open", "m1", `from ${user}`);
  w.settle();
  deepEqual(w.bodies("open"), ["from a", "from b"]);
  // A contact by the owner's act, and one by a request of its own.
  w.befriend("open", "friend");
  w.send("friend", "open", "m2", "a friend");
  request(w, "d", "open");
  w.settle();
  ok(w.bodies("open").includes("a friend"));
  deepEqual(requests(w, "open"), ["d"]);
  const more = { to: name("c"), device: "phone" as DeviceId, id: "x", body: "x", ext: "" };
  const full = w.ask("open", "message.send", more);
  equal(full.ok ? "ok" : full.code, "limit_reached");
});

Deno.test("10.3: conversations keep their history where others between them were forgotten", () => {
  const limits = { checkpointMs: 100, cacheIdleMs: 200 };
  const w = new NodeFixture({ limits });
  for (const user of ["victim", "first", "last", "next", "pest"]) w.account(user);
  w.must("victim", "settings.set", { messagesFrom: "anyone" });
  w.send("first", "victim", "m1");
  request(w, "pest", "victim");
  w.send("last", "victim", "m2");
  w.settle(100);
  ok(subscription(w, "pest", "victim", "unsubscribe").ok);
  w.settle(5000);
  w.kill();
  w.start();
  w.send("next", "victim", "m3");
  w.settle();
  const history = (user: string) => {
    const query = { with: name(user), before: null, after: null, limit: 10, bytesMax: 65_536 };
    const { events } = w.must("victim", "conversation.history", query);
    return events.map((e) => e.kind === "message" ? e.body : e.kind);
  };
  deepEqual(["first", "last", "next"].map(history), [["m1"], ["m2"], ["m3"]]);
  const indexes = [...inMemory(w, "victim").conversations.values()].map((c) => c.index);
  deepEqual(indexes, [0, 2, 1], "the place of the forgotten one is taken again");
});
