/** Edits, removals, reactions and replies: what they do to both mailboxes, and what is left of a text. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { contentOf, editOf, reactionOf, removalOf } from "../../server/v1/changes.ts";
import { encodeEvent } from "../../server/text/event_json.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;
const SMALL = { cacheIdleMs: 500, checkpointMs: 200, outboxCharsMax: 1e6, inboundMessageMs: 0.1 };

type Content = ReturnType<typeof contentOf>;

function two(limits = {}): NodeFixture {
  const w = new NodeFixture({ limits });
  for (const user of ["alice", "bob"]) w.account(user);
  w.befriend("alice", "bob");
  return w;
}

function ask(w: NodeFixture, from: string, to: string, id: string, content: Content) {
  return w.ask(from, "message.send", { device: "phone" as DeviceId, to: name(to), id, ...content });
}

function must(w: NodeFixture, from: string, to: string, id: string, content: Content) {
  const result = ask(w, from, to, id, content);
  ok(result.ok, JSON.stringify(result));
  w.settle();
  return result.value;
}

/** History as clients get it, without times and keys. */
function history(w: NodeFixture, user: string, peer: string) {
  const query = { before: null, after: null, limit: 500, bytesMax: 1e6 };
  const { events } = w.must(user, "conversation.history", { with: name(peer), ...query });
  return events.map((event) => {
    const { k, num, body, ext, reply, edited, removed, own, peer } = JSON.parse(encodeEvent(event));
    const fields = { k, num, body, ext, reply, edited: edited > 0, removed, own, peer };
    const said = Object.entries(fields).filter(([, value]) =>
      value !== undefined && value !== false
    );
    return Object.fromEntries(said);
  });
}

/** Whether a text is anywhere in the store. */
function isStored(w: NodeFixture, text: string): boolean {
  const rows = w.disk.stored([]);
  return rows.some(({ value }) => new TextDecoder("latin1").decode(value).includes(text));
}

/** Writes so much that what came before is in blocks of the store. */
function bury(w: NodeFixture): void {
  for (let i = 0; i < 40; i++) {
    w.send(i % 2 ? "alice" : "bob", i % 2 ? "bob" : "alice", `x${i}`, "x".repeat(900));
  }
  w.settle(10_000);
  equal(w.node.accountsInMemory, 0);
}

for (const buried of [false, true]) {
  const where = buried ? "a stored block" : "the tail";
  const begin = () => {
    const w = two(SMALL);
    w.send("alice", "bob", "m1", "The first text");
    w.send("bob", "alice", "b1", "An answer");
    w.settle();
    if (buried) bury(w);
    return w;
  };
  const first = (w: NodeFixture, user: string) => {
    const peer = user === "alice" ? "bob" : "alice";
    return history(w, user, peer).find((e) =>
      e.num === 1 && !e.body.startsWith("x") && e.body !== "An answer"
    );
  };

  Deno.test(`an edit replaces the text in ${where} of both mailboxes`, () => {
    const w = begin();
    must(w, "alice", "bob", "e1", editOf(1, "The second text"));
    must(w, "alice", "bob", "e2", editOf(1, "The third text"));
    for (const user of ["alice", "bob"]) {
      deepEqual(first(w, user), { k: "message", num: 1, body: "The third text", edited: true });
    }
    w.settle(10_000);
    for (const text of ["The first text", "The second text"]) ok(!isStored(w, text), text);
    ok(isStored(w, "The third text"));
  });

  Deno.test(`a removal leaves the text nowhere, from ${where}`, () => {
    const w = begin();
    must(w, "alice", "bob", "e1", editOf(1, "The second text"));
    must(w, "bob", "alice", "r1", reactionOf({ num: 1 }, ["\u{1f44d}"]));
    must(w, "alice", "bob", "d1", removalOf(1));
    for (const user of ["alice", "bob"]) {
      deepEqual(first(w, user), { k: "message", num: 1, body: "(message removed)", removed: true });
    }
    w.settle(10_000);
    for (const text of ["The first text", "The second text"]) ok(!isStored(w, text), text);
    // Nor is it in what devices read again.
    const all = ["alice", "bob"].flatMap((user) => w.mailbox(user)).map(encodeEvent).join("\n");
    ok(!all.includes("The first text") && !all.includes("The second text"));
    const again = ask(w, "alice", "bob", "d2", removalOf(1));
    ok(!again.ok && again.code === "conflict");
    const edit = ask(w, "alice", "bob", "e3", editOf(1, "again"));
    ok(!edit.ok && edit.code === "conflict");
  });

  Deno.test(`reactions of both are kept at a message in ${where}, and taken back`, () => {
    const w = begin();
    must(w, "bob", "alice", "r1", reactionOf({ num: 1 }, ["\u{1f44d}", "\u{1f389}", "\u{1f44d}"]));
    must(w, "alice", "bob", "r2", reactionOf({ num: 1, out: true }, ["\u{2764}\u{fe0f}"]));
    const both = { k: "message", num: 1, body: "The first text" };
    const [thumbs, heart] = [["\u{1f44d}", "\u{1f389}"], ["\u{2764}\u{fe0f}"]];
    deepEqual(first(w, "alice"), { ...both, own: heart, peer: thumbs });
    deepEqual(first(w, "bob"), { ...both, own: thumbs, peer: heart });
    must(w, "bob", "alice", "r3", reactionOf({ num: 1 }, []));
    deepEqual(first(w, "bob"), { ...both, peer: heart });
    deepEqual(first(w, "alice"), { ...both, own: heart });
  });

  Deno.test(`after a crash a change in ${where} is as it was`, () => {
    const w = begin();
    must(w, "alice", "bob", "e1", editOf(1, "The second text"));
    w.kill();
    w.start();
    w.settle();
    deepEqual(first(w, "alice")?.body, "The second text");
    deepEqual(first(w, "bob")?.body, "The second text");
  });
}

Deno.test("changes are repeated safely, and a key stands for one of them", () => {
  const w = two();
  w.send("alice", "bob", "m1", "text");
  const first = must(w, "alice", "bob", "e1", editOf(1, "edited"));
  deepEqual(must(w, "alice", "bob", "e1", editOf(1, "edited")), first);
  const other = ask(w, "alice", "bob", "e1", editOf(1, "otherwise"));
  ok(!other.ok && other.code === "conflict");
  equal(w.mailbox("bob").filter((e) => e.kind === "message").length, 2);
});

Deno.test("nobody changes what somebody else has written, or what is not there", () => {
  const w = two();
  w.account("carol");
  w.befriend("bob", "carol");
  w.send("alice", "bob", "m1", "text");
  w.send("bob", "alice", "b1", "answer");
  w.settle();
  for (const content of [editOf(2, "x"), removalOf(2), reactionOf({ num: 2 }, [])]) {
    const result = ask(w, "alice", "bob", "k", content);
    ok(!result.ok && result.code === "not_found");
  }
  const carol = ask(w, "carol", "bob", "k", removalOf(1));
  ok(!carol.ok && carol.code === "not_found");
  // A program that checks nothing would send this: to Bob it is of a message that is his.
  const forged = { body: "x", ext: removalOf(1).ext.replace('"mine":true', '"mine":false') };
  const result = ask(w, "alice", "bob", "k", forged);
  ok(!result.ok && result.code === "not_found");
  deepEqual(history(w, "bob", "alice").map((e) => e.body), ["text", "answer"]);
});

Deno.test("what the recipient does not have any more is not changed, and its sender learns it", () => {
  const w = two();
  w.must("bob", "roster.block", { contact: name("alice"), blocked: true });
  w.send("alice", "bob", "m1", "refused");
  w.settle();
  w.must("bob", "roster.block", { contact: name("alice"), blocked: false });
  w.settle();
  must(w, "alice", "bob", "e1", editOf(1, "edited"));
  deepEqual(history(w, "bob", "alice"), []);
  const told = w.mailbox("alice").filter((e) => e.kind === "undelivered" && e.id === "e1");
  deepEqual(told.map((e) => e.kind === "undelivered" && e.reason), ["not_found"]);
});

Deno.test("a refused change has no effect", () => {
  const w = two();
  w.send("alice", "bob", "m1", "text");
  w.settle();
  w.must("bob", "roster.block", { contact: name("alice"), blocked: true });
  must(w, "alice", "bob", "e1", editOf(1, "edited"));
  deepEqual(history(w, "bob", "alice").map((e) => e.body), ["text"]);
});

Deno.test("changes are not unread, have no receipts, and move no conversation", () => {
  const w = two();
  w.send("alice", "bob", "m1", "text");
  w.settle();
  const before = w.must("bob", "mailbox.snapshot", {}).snapshot;
  must(w, "alice", "bob", "e1", editOf(1, "edited"));
  must(w, "alice", "bob", "r1", reactionOf({ num: 1, out: true }, ["\u{1f44d}"]));
  const after = w.must("bob", "mailbox.snapshot", {}).snapshot;
  deepEqual(after.conversations, before.conversations);
  equal(after.seq, before.seq + 2);
  w.must("bob", "mailbox.ack", { seq: after.seq });
  w.settle();
  const { conversations } = w.must("alice", "mailbox.snapshot", {}).snapshot;
  equal(conversations[0]!.delivered, 1);
});

Deno.test("a reply names a message as each side counts, also where the name is another account's", () => {
  const w = two();
  w.send("alice", "bob", "m1", "to the first Bob");
  w.settle();
  w.must("bob", "account.remove", {});
  w.settle();
  w.must("bob", "account.release", {});
  w.account("bob");
  w.befriend("alice", "bob");
  w.send("alice", "bob", "m2", "to the second Bob");
  w.settle();
  must(w, "bob", "alice", "b1", contentOf("yes", "", { num: 1 }));
  must(w, "alice", "bob", "m3", contentOf("so?", "mine", { num: 2, out: true }));
  const replies = (user: string, peer: string) =>
    history(w, user, peer).filter((e) => e.reply !== undefined)
      .map(({ body, ext, reply }) => [body, ext, reply]);
  deepEqual(replies("alice", "bob"), [
    ["yes", undefined, { num: 2, out: true }],
    ["so?", "mine", { num: 2, out: true }],
  ]);
  deepEqual(replies("bob", "alice"), [
    ["yes", undefined, { num: 1 }],
    ["so?", "mine", { num: 1 }],
  ]);
  must(w, "alice", "bob", "e1", editOf(2, "edited"));
  must(w, "bob", "alice", "r1", reactionOf({ num: 1 }, ["\u{1f44d}"]));
  deepEqual(history(w, "bob", "alice")[0], {
    k: "message",
    num: 1,
    body: "edited",
    edited: true,
    own: ["\u{1f44d}"],
  });
  deepEqual(history(w, "alice", "bob")[1]!.peer, ["\u{1f44d}"]);
});

Deno.test("one peer makes a bounded number of changes until the owner looks", () => {
  const w = two({ inboundMessageMs: 0.01, inboundMessageBurst: 100_000, outboxCharsMax: 1e7 });
  w.send("alice", "bob", "m1", "text");
  w.settle();
  for (let i = 0; i < 260; i++) {
    ask(w, "alice", "bob", `r${i}`, reactionOf({ num: 1, out: true }, i % 2 ? ["\u{1f44d}"] : []));
    if (i % 50 === 0) w.settle(100);
  }
  w.settle();
  const changes = () => w.mailbox("bob").filter((e) => e.kind === "message").length - 1;
  equal(changes(), 250);
  w.must("bob", "conversation.read", { with: name("alice"), upTo: 3 });
  must(w, "alice", "bob", "last", reactionOf({ num: 1, out: true }, []));
  equal(changes(), 251);
});

Deno.test("a client's own ext stays what it is, even where it looks like a note", () => {
  const w = two();
  const ext = removalOf(1).ext;
  must(w, "alice", "bob", "m1", contentOf("text", ext));
  for (const [user, peer] of [["alice", "bob"], ["bob", "alice"]] as const) {
    deepEqual(history(w, user, peer), [{ k: "message", num: 1, body: "text", ext }]);
  }
});

Deno.test("a shard does not end while a change of a message waits for a block of the store", () => {
  for (let i = 0; i < 60; i++) {
    const w = two({ ...SMALL, cacheIdleMs: 60_000 });
    w.send("alice", "bob", "m1", "The first text");
    w.settle();
    for (let n = 0; n < 40; n++) {
      w.send(n % 2 ? "alice" : "bob", n % 2 ? "bob" : "alice", `x${n}`, "x".repeat(900));
    }
    w.settle();
    ask(w, "alice", "bob", "e1", editOf(1, "The second text"));
    w.time.runWhile(() => true, w.time.nowMs + i / 20);
    const shard = w.node.shardOf(name("bob"));
    const at = [Math.floor((shard.lo + shard.hi) / 2)];
    let result: unknown = null;
    w.node.reshape({ of: [shard.id], at }, (r) => result = r);
    w.settle();
    ok(result !== null);
    deepEqual(w.logged("node.bug"), [], `${i / 20} ms after the request`);
    equal(history(w, "bob", "alice").find((e) => e.num === 1 && e.edited)?.body, "The second text");
  }
});
