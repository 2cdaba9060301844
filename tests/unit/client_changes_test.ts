/** Edits, removals, reactions and replies in the client library and in what the chat shows. */
import assert from "node:assert/strict";
import type { Change, Message } from "../../server/web/client.d.ts";
import { ClientFixture, heard, message } from "./client_fixture.ts";
import { positionOf } from "../../server/web/chat/original.js";
import { Timeline } from "../../server/web/chat/timeline.js";

const LIMITS = { limits: { reactionsMax: 10 } };

Deno.test("edit, remove, react and a reply are commands, in order with messages to the same person", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  fixture.socket.breaks();
  await fixture.pass(client.state.retryInMs!);
  fixture.socket.welcome(LIMITS);
  const replies = [
    client.send("bob", "hello", { key: "k1", reply: { num: 3 } }),
    client.edit("bob", 1, "hi", { key: "k2" }),
    client.remove("bob", 1, { key: "k3" }),
    client.react("bob", { num: 3 }, ["\u{1f44d}"], { key: "k4" }),
  ];
  const wanted = [
    { t: "send", to: "bob", key: "k1", body: "hello", reply: { num: 3 } },
    { t: "edit", to: "bob", key: "k2", num: 1, body: "hi" },
    { t: "remove", to: "bob", key: "k3", num: 1 },
    { t: "react", to: "bob", key: "k4", num: 3, out: false, emoji: ["\u{1f44d}"] },
  ];
  for (const [i, { t, ...fields }] of wanted.entries()) {
    const { id, ...command } = fixture.socket.commands(t)[0]!;
    assert.deepEqual(command, { t, ...fields });
    fixture.socket.says({ t: "ok", id, value: { seq: i + 1, at: 1, num: i + 1 } });
    assert.equal((await replies[i]!).num, i + 1);
  }
});

Deno.test("a server of an earlier version is named, and asked for nothing", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  fixture.socket.breaks();
  await fixture.pass(client.state.retryInMs!);
  fixture.socket.welcome({ limits: { messageBytesMax: 100 } });
  for (
    const asked of [
      client.edit("bob", 1, "x"),
      client.remove("bob", 1),
      client.react("bob", { num: 1 }, []),
    ]
  ) {
    await assert.rejects(asked, { code: "unsupported" });
  }
  for (const t of ["edit", "remove", "react"]) assert.deepEqual(fixture.socket.commands(t), []);
});

Deno.test("a change is an event of its own: no message, and not unread", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const [changes, messages] = [heard(client, "change"), heard(client, "message")];
  const first = 11;
  fixture.socket.events(message(first));
  const before = client.conversations.get("bob");
  const change = { change: "edit", of: { num: 1 }, body: "edited" };
  fixture.socket.events(message(first + 1, change));
  assert.equal(messages.length, 1);
  assert.deepEqual(changes.map((e) => [e.change, e.body]), [["edit", "edited"]]);
  assert.deepEqual(client.conversations.get("bob"), before);
});

function event(seq: number, fields: Partial<Change> = {}): Message {
  return { k: "message", seq, at: seq, with: "bob", num: seq, id: `k${seq}`, body: "", ...fields };
}

Deno.test("a timeline shows messages as changes leave them, and the message that a reply names", () => {
  const timeline = new Timeline();
  timeline.addPage({ events: [event(1, { body: "first" })], more: false });
  timeline.add(event(2, { num: 1, out: true, body: "mine", reply: { num: 1 } }));
  const change = (seq: number, fields: Partial<Change>) =>
    timeline.change(event(seq, fields) as Change);
  change(3, { change: "edit", of: { num: 1 }, body: "second" });
  change(4, { change: "react", of: { num: 1 }, out: true, emoji: ["\u{1f44d}"] });
  change(5, { change: "react", of: { num: 1, out: true }, emoji: ["\u{1f389}"] });
  const [first, mine] = timeline.items();
  assert.deepEqual([first!.body, first!.edited, first!.own], ["second", 3, ["\u{1f44d}"]]);
  assert.deepEqual([mine!.body, mine!.peer], ["mine", ["\u{1f389}"]]);
  assert.equal(timeline.named(mine!.reply!), first);
  change(6, { change: "remove", of: { num: 1 }, body: "(message removed)" });
  const removed = timeline.items()[0]!;
  assert.deepEqual([removed.removed, removed.edited, removed.own], [true, undefined, undefined]);
  assert.equal(change(7, { change: "edit", of: { num: 9 }, body: "x" }), undefined);
  assert.equal(change(8, { change: "past" }), undefined);
});

Deno.test("Timeline: the newest message of one's own that can be edited is the server's, and not removed", () => {
  assert.equal(new Timeline().newestOwn, undefined);
  const timeline = new Timeline();
  timeline.add(event(1, { num: 1, out: true, body: "mine" }));
  timeline.add(event(2, { num: 1, body: "theirs" }));
  timeline.add(event(3, { num: 2, out: true, body: "", removed: true }));
  timeline.add(event(4, { num: 3, out: true, id: "refused", body: "refused" }));
  timeline.undelivered("refused", "Not delivered");
  timeline.wait({ key: "waits", body: "waits", at: 5 });
  assert.equal(timeline.newestOwn?.body, "mine");
});

Deno.test("positionOf finds the message that a reply names in the pages above, and ends where it is not", async () => {
  const timeline = new Timeline();
  timeline.addPage({ events: [event(500, { num: 300 })], more: true });
  const known = await positionOf(timeline, { num: 300 }, () => Promise.reject(new Error("read")));
  assert.equal(known, 500);
  const asked: (number | undefined)[] = [];
  const pages: Record<number, Message[]> = {
    500: [event(300, { num: 9, out: true }), event(400)],
    300: [event(200, { num: 9 }), event(299, { num: 7 })],
  };
  const read = ({ before }: { readonly before?: number }) => {
    asked.push(before);
    return Promise.resolve({ events: pages[before!] ?? [], more: before === 500 });
  };
  assert.equal(await positionOf(timeline, { num: 9 }, read), 200);
  assert.deepEqual(asked, [500, 300]);
  assert.equal(await positionOf(timeline, { num: 9, out: true }, read), 300);
  await assert.rejects(positionOf(timeline, { num: 8 }, read), /cannot be found/);
  // However far up it may be, so much is read and no more.
  let reads = 0;
  const endless = () => Promise.resolve({ events: [event(10_000 - ++reads)], more: true });
  await assert.rejects(positionOf(timeline, { num: 1 }, endless), /cannot be found/);
  assert.equal(reads, 25);
});
