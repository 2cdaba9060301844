/**
 * The first messages to somebody who has not accepted yet: they wait with the request (issue 9,
 * A1).
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import type { Ops } from "../../shard/ops.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;
type Type = Ops["roster.subscription"]["in"]["type"];

function subscription(w: NodeFixture, from: string, to: string, type: Type): void {
  w.must(from, "roster.subscription", { contact: name(to), type });
}

/** A request of `a` to `b`, and two messages with it. */
function asked(options: ConstructorParameters<typeof NodeFixture>[0] = {}): NodeFixture {
  const w = new NodeFixture(options);
  for (const user of ["a", "b"]) w.account(user);
  subscription(w, "a", "b", "subscribe");
  w.send("a", "b", "m1");
  w.send("a", "b", "m2");
  w.settle();
  return w;
}

/** The notices of `user` about messages that did not arrive. */
function undelivered(w: NodeFixture, user: string): string[] {
  return w.mailbox(user).flatMap((e) =>
    e.kind === "undelivered" ? [`${e.num} ${e.id} ${e.reason}`] : []
  );
}

function receipts(w: NodeFixture, user: string): string[] {
  return w.mailbox(user).flatMap((e) => e.kind === "receipt" ? [`${e.delivered}/${e.read}`] : []);
}

function readAll(w: NodeFixture, user: string, peer: string): void {
  const seq = w.mailbox(user).at(-1)!.seq;
  w.must(user, "mailbox.ack", { seq });
  w.must(user, "conversation.read", { with: name(peer), upTo: seq });
  w.settle();
}

const NONE_ACCEPTED = ["1 m1 not_accepted", "2 m2 not_accepted"];

/** B has refused 150 messages of A behind a block, and then read one that came. */
function refusedMany(): NodeFixture {
  const w = new NodeFixture();
  for (const user of ["a", "b"]) w.account(user);
  w.befriend("a", "b");
  w.must("b", "roster.block", { contact: name("a"), blocked: true });
  for (let i = 1; i <= 150; i++) w.send("a", "b", `m${i}`);
  w.settle();
  w.must("b", "roster.block", { contact: name("a"), blocked: false });
  w.send("a", "b", "last");
  w.settle();
  readAll(w, "b", "a");
  return w;
}

Deno.test("messages sent with a request wait with it and are delivered in order on accept", () => {
  const w = asked();
  deepEqual(w.bodies("b"), []);
  // Neither a restart nor what was not in memory changes that.
  w.kill();
  w.start();
  w.settle();
  subscription(w, "b", "a", "subscribed");
  w.settle();
  w.send("a", "b", "m3");
  w.settle();
  deepEqual(w.bodies("b"), ["m1", "m2", "m3"]);
  readAll(w, "b", "a");
  equal(receipts(w, "a").at(-1), "3/3");
  deepEqual(undelivered(w, "a"), []);
});

Deno.test("a request of the other side that the sender approves releases its messages too", () => {
  const w = asked();
  subscription(w, "b", "a", "subscribe");
  w.settle();
  subscription(w, "a", "b", "subscribed");
  w.settle();
  deepEqual(w.bodies("b"), ["m1", "m2"]);
});

Deno.test("a denial makes the messages that wait undelivered, and drops them", () => {
  const w = asked();
  subscription(w, "b", "a", "unsubscribed");
  w.settle();
  deepEqual(undelivered(w, "a"), NONE_ACCEPTED);
  subscription(w, "a", "b", "subscribe");
  w.settle();
  subscription(w, "b", "a", "subscribed");
  w.settle();
  deepEqual(w.bodies("b"), []);
});

Deno.test("who takes back its request, or removes or blocks the contact, is notified of its messages", () => {
  for (const end of ["unsubscribe", "remove", "block"] as const) {
    const w = asked();
    if (end === "unsubscribe") subscription(w, "a", "b", "unsubscribe");
    else if (end === "remove") w.must("a", "roster.remove", { contact: name("b") });
    else w.must("a", "roster.block", { contact: name("b"), blocked: true });
    w.settle();
    deepEqual(undelivered(w, "a"), NONE_ACCEPTED, end);
    deepEqual(w.bodies("b"), [], end);
  }
});

Deno.test("messages that an acceptance of a request releases that was taken back are undelivered (12)", () => {
  for (const blocks of [false, true]) {
    const w = new NodeFixture();
    for (const user of ["a", "b"]) w.account(user);
    w.send("a", "b", "m1");
    w.send("a", "b", "m2");
    subscription(w, "b", "a", "subscribe");
    w.settle();
    // It does not know yet that the request is none any more.
    const late: (() => void)[] = [];
    w.loses = (packet, arrive) => {
      const isLate = packet.kind === "pair" && packet.from === name("b");
      if (isLate) late.push(arrive);
      return isLate;
    };
    subscription(w, "b", "a", "unsubscribe");
    if (blocks) w.must("b", "roster.block", { contact: name("a"), blocked: true });
    subscription(w, "a", "b", "subscribed");
    w.settle(1000);
    w.loses = () => false;
    for (const arrive of late) arrive();
    w.settle();
    deepEqual(undelivered(w, "a"), NONE_ACCEPTED, `${blocks}`);
    deepEqual(w.bodies("b"), []);
  }
});

Deno.test("a missing, blocking, hiding or disabled account looks as one that has not answered, until the messages expire", () => {
  const seen = (kind: "missing" | "blocking" | "hiding" | "disabled" | "removed") => {
    const w = new NodeFixture({ limits: { waitingMs: 60_000 } });
    w.account("a");
    if (kind !== "missing") w.account("b");
    if (kind === "blocking") w.must("b", "roster.block", { contact: name("a"), blocked: true });
    if (kind === "disabled") w.must("b", "account.setDisabled", { disabled: true });
    if (kind === "removed") w.must("b", "account.remove", {});
    subscription(w, "a", "b", "subscribe");
    for (let i = 0; i < 12; i++) {
      w.ask("a", "message.send", {
        device: "phone" as never,
        to: name("b"),
        id: `m${i}`,
        body: "hello",
        ext: "",
      });
    }
    w.settle(30_000);
    const early = w.mailbox("a").map(({ at: _at, ...e }) => e);
    w.settle(60_000);
    const late = w.mailbox("a").map(({ at: _at, ...e }) => e);
    equal(undelivered(w, "a").length, 10);
    return JSON.stringify({ early, late }, null, 1);
  };
  const hiding = seen("hiding");
  ok(!JSON.parse(hiding).early.some((e: { kind: string }) => e.kind === "undelivered"));
  for (const kind of ["missing", "blocking", "disabled", "removed"] as const) {
    equal(seen(kind), hiding, kind);
  }
});

/** Messages that `user` has to wait for a subscription with `peer`, as a snapshot has them. */
function waiting(w: NodeFixture, user: string, peer: string): readonly number[] {
  const { snapshot } = w.must(user, "mailbox.snapshot", {});
  return snapshot.conversations.find((c) => c.with === peer)?.waiting ?? [];
}

/** Two messages of `a` to `b`, before any request. */
function unasked(options: ConstructorParameters<typeof NodeFixture>[0] = {}): NodeFixture {
  const w = new NodeFixture(options);
  for (const user of ["a", "b"]) w.account(user);
  w.send("a", "b", "m1");
  w.send("a", "b", "m2");
  w.settle();
  return w;
}

Deno.test("messages sent before the request wait for it, and are delivered in order on accept (9 A1)", () => {
  const w = unasked();
  deepEqual(w.mailbox("a").map((e) => e.kind === "message" && e.waits), [true, true]);
  deepEqual(waiting(w, "a", "b"), [1, 2]);
  subscription(w, "a", "b", "subscribe");
  w.send("a", "b", "m3");
  w.settle();
  // Nothing of them is at the recipient before it accepts, and a restart changes nothing.
  deepEqual(w.bodies("b"), []);
  w.kill();
  w.start();
  w.settle();
  deepEqual(waiting(w, "a", "b"), [1, 2, 3]);
  subscription(w, "b", "a", "subscribed");
  w.settle();
  deepEqual(w.bodies("b"), ["m1", "m2", "m3"]);
  deepEqual(waiting(w, "a", "b"), []);
  deepEqual(undelivered(w, "a"), []);
  readAll(w, "b", "a");
  equal(receipts(w, "a").at(-1), "3/3");
});

Deno.test("messages sent before any request wait for one of the other side too (9 A1)", () => {
  const w = unasked();
  subscription(w, "b", "a", "subscribe");
  w.settle();
  // A request of the other side alone lets nobody write.
  deepEqual(w.bodies("b"), []);
  deepEqual(waiting(w, "a", "b"), [1, 2]);
  subscription(w, "a", "b", "subscribed");
  w.settle();
  deepEqual(w.bodies("b"), ["m1", "m2"]);
});

Deno.test("messages sent before the request are undelivered after a denial, a block, their age or by choice (9 A1)", () => {
  const ends: Readonly<Record<string, (w: NodeFixture) => void>> = {
    denial: (w) => {
      subscription(w, "a", "b", "subscribe");
      w.settle();
      subscription(w, "b", "a", "unsubscribed");
    },
    block: (w) => w.must("a", "roster.block", { contact: name("b"), blocked: true }),
    "given up": (w) => subscription(w, "a", "b", "unsubscribe"),
    age: (w) => w.settle(60_000),
  };
  for (const [end, act] of Object.entries(ends)) {
    const w = unasked({ limits: { waitingMs: 60_000 } });
    deepEqual(undelivered(w, "a"), [], end);
    act(w);
    w.settle();
    deepEqual(undelivered(w, "a"), NONE_ACCEPTED, end);
    deepEqual(waiting(w, "a", "b"), [], end);
    deepEqual(w.bodies("b"), [], end);
  }
});

Deno.test("changes of the contact that end no request leave messages waiting (9 A1)", () => {
  const w = unasked();
  w.must("a", "roster.set", { contact: name("b"), label: "Bo", groups: [] });
  subscription(w, "a", "b", "subscribed");
  subscription(w, "a", "b", "unsubscribed");
  w.settle();
  deepEqual(waiting(w, "a", "b"), [1, 2]);
  deepEqual(undelivered(w, "a"), []);
});

Deno.test("a message to who takes them from anyone by now leaves behind what waits without a request (9 A1)", () => {
  const w = unasked();
  w.must("b", "settings.set", { messagesFrom: "anyone" });
  const sent = w.send("a", "b", "m3");
  w.settle();
  equal(sent.waits, undefined);
  deepEqual(w.bodies("b"), ["m3"]);
  deepEqual(waiting(w, "a", "b"), []);
  // No receipt covers what was left behind: its sender is notified first.
  readAll(w, "b", "a");
  deepEqual(undelivered(w, "a"), NONE_ACCEPTED);
  equal(receipts(w, "a").at(-1), "3/3");
});

Deno.test("an undelivered event for several messages names the first and the last (9 A1)", () => {
  const w = refusedMany();
  w.kill();
  w.start();
  const events = w.mailbox("a").flatMap((e) => e.kind === "undelivered" ? [e] : []);
  deepEqual([events[0]!.id, events[0]!.from, events[0]!.num], ["", 1, 87]);
  ok(events.slice(1).every((e) => e.id !== "" && e.from === undefined));
});

Deno.test("messages that wait are bounded for each request and for each account", () => {
  const w = new NodeFixture({ limits: { waitingTotalCharsMax: 1000, waitingCharsMax: 600 } });
  w.account("a");
  const send = (to: string, id: string, length: number) => {
    const message = { device: "phone" as never, to: name(to), id, body: "x".repeat(length) };
    const result = w.ask("a", "message.send", { ...message, ext: "" });
    return result.ok ? "ok" : result.code;
  };
  for (const to of ["b", "c"]) subscription(w, "a", to, "subscribe");
  deepEqual([send("b", "1", 400), send("b", "2", 400)], ["ok", "limit_reached"]);
  deepEqual([send("c", "3", 300), send("c", "4", 50)], ["ok", "limit_reached"]);
  // What waits does not count as on its way: others can still be written to.
  w.account("d");
  w.befriend("a", "d");
  deepEqual(send("d", "5", 500), "ok");
});

Deno.test("who takes messages from anyone gets those of a request at once, and what waited before", () => {
  const w = asked();
  w.must("b", "settings.set", { messagesFrom: "anyone" });
  w.send("a", "b", "m3");
  w.settle();
  deepEqual(w.bodies("b"), ["m1", "m2", "m3"]);
});

Deno.test("what waits for a name is for no later account of it", () => {
  for (const first of ["missing", "removed"] as const) {
    const w = new NodeFixture();
    w.account("a");
    if (first === "removed") w.account("b");
    subscription(w, "a", "b", "subscribe");
    w.send("a", "b", "m1");
    w.settle();
    if (first === "removed") {
      w.must("b", "account.remove", {});
      w.settle();
      w.must("b", "account.release", {});
    }
    w.account("b");
    subscription(w, "a", "b", "subscribe");
    w.send("a", "b", "m2");
    w.settle();
    subscription(w, "b", "a", "subscribed");
    w.settle();
    deepEqual(w.bodies("b"), ["m2"], first);
    deepEqual(undelivered(w, "a"), ["1 m1 not_accepted"], first);
    readAll(w, "b", "a");
    equal(receipts(w, "a").at(-1), "2/2", first);
  }
});

Deno.test("no receipt covers a refused message: its sender is notified first", () => {
  const w = new NodeFixture();
  for (const user of ["a", "b"]) w.account(user);
  w.befriend("a", "b");
  w.send("a", "b", "m1");
  w.settle();
  w.must("b", "roster.block", { contact: name("a"), blocked: true });
  for (let i = 2; i <= 4; i++) w.send("a", "b", `m${i}`);
  w.settle(60_000);
  // Nothing tells of the block.
  deepEqual(undelivered(w, "a"), []);
  w.must("b", "roster.block", { contact: name("a"), blocked: false });
  w.send("a", "b", "m5");
  w.settle();
  w.kill();
  w.start();
  deepEqual(undelivered(w, "a"), []);
  readAll(w, "b", "a");
  const told = w.mailbox("a").flatMap((e) =>
    e.kind === "undelivered" ? [String(e.num)] : e.kind === "receipt" ? [`${e.delivered}`] : []
  );
  deepEqual(told.filter((t, i) => t !== told[i - 1]), ["2", "3", "4", "5"]);
});

Deno.test("many refused messages take a few events", () => {
  const w = refusedMany();
  const told = undelivered(w, "a");
  equal(told.length, 64);
  equal(told[0], "87  not_accepted");
  equal(told.at(-1), "150 m150 not_accepted");
});

Deno.test("a message to oneself is one event, and nothing is unread (A5)", () => {
  const w = new NodeFixture();
  w.account("a");
  const sent = w.send("a", "a", "m1", "note");
  deepEqual(w.send("a", "a", "m1", "note"), sent);
  w.settle();
  const events = w.mailbox("a");
  equal(events.length, 1);
  ok(events[0]!.kind === "message" && events[0]!.out && events[0]!.body === "note");
  const { snapshot } = w.must("a", "mailbox.snapshot", {});
  deepEqual(snapshot.conversations.map((c) => [c.with, c.unread, c.lastSeq]), [["a", 0, 1]]);
});
