/** What the chat keeps and decides beside the page: drafts, previews, idleness, rows, notes. */
import assert from "node:assert/strict";
import type { Contact, Message, Presence, Undelivered } from "../../server/web/client.d.ts";
import { Drafts } from "../../server/web/chat/drafts.js";
import { Idle } from "../../server/web/chat/idle.js";
import { entriesOf } from "../../server/web/chat/people.js";
import { Previews } from "../../server/web/chat/previews.js";
import { lineOf } from "../../server/web/chat/row_text.js";
import { markOf, Timeline } from "../../server/web/chat/timeline.js";
import { conversation, OFFLINE } from "./web_chat_fixture.ts";

function contact(name: string, show: Presence["show"], fields: Partial<Contact> = {}): Contact {
  const none = { label: "", groups: [], pendingOut: false, approved: false };
  return { name, subscription: "both", presence: { ...OFFLINE, show }, ...none, ...fields };
}

function message(seq: number, fields: Partial<Message> = {}): Message {
  return { k: "message", seq, at: seq, with: "bob", num: seq, id: `k${seq}`, body: "", ...fields };
}

function refusal(seq: number): Undelivered {
  return {
    k: "undelivered",
    seq,
    at: seq,
    with: "bob",
    num: 1,
    id: "k1",
    reason: "not_accepted",
  };
}

class MemoryStorage {
  readonly map = new Map<string, string>();
  getItem(key: string): string | null {
    return this.map.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.map.set(key, value);
  }
  removeItem(key: string): void {
    this.map.delete(key);
  }
}

Deno.test("Drafts: survive a reload, do not overwrite another tab's, and end with the sign-in (A22)", () => {
  const storage = new MemoryStorage();
  const first = new Drafts(storage, "ann");
  const second = new Drafts(storage, "ann");
  first.set("bob", "half a sen");
  second.set("cid", "another");
  first.store();
  second.store();
  const again = new Drafts(storage, "ann");
  assert.deepEqual([again.of("bob"), again.of("cid")], ["half a sen", "another"]);
  assert.deepEqual(new Drafts(storage, "eve").peers, []);
  again.set("bob", "");
  again.store();
  assert.deepEqual(new Drafts(storage, "ann").peers, ["cid"]);
  again.clear();
  assert.deepEqual(new Drafts(storage, "ann").peers, []);
  storage.setItem("roost chat drafts ann", "no JSON");
  assert.deepEqual(new Drafts(storage, "ann").peers, []);
});

Deno.test("Idle: away after the minutes that were chosen, in no tab before, and back at once (A23)", () => {
  const storage = new MemoryStorage();
  let now = 1_000_000;
  const told: string[] = [];
  const tab = (name: string) =>
    new Idle({
      now: () => now,
      storage,
      user: "ann",
      changed: (idle) => told.push(`${name} ${idle}`),
    });
  const [a, b] = [tab("a"), tab("b")];
  assert.equal(a.minutes, 10);
  a.minutes = 5;
  now += 4 * 60_000;
  b.active();
  now += 2 * 60_000;
  a.look();
  assert.deepEqual(told, [], "the other tab is in use");
  now += 4 * 60_000;
  a.look();
  b.look();
  assert.deepEqual(told, ["a true", "b true"]);
  b.active();
  a.look();
  assert.deepEqual(told.slice(2), ["b false", "a false"]);
  a.minutes = 0;
  now += 60 * 60_000;
  a.look();
  assert.equal(a.idle, false, "never");
});

Deno.test("Previews: ask only for rows in sight, few at once, each conversation once (A23)", async () => {
  const names = Array.from({ length: 40 }, (_, i) => `p${i}`);
  const asked: string[] = [];
  let open = 0;
  let most = 0;
  const client = {
    state: { status: "online" } as never,
    conversations: new Map(
      names.map((n, i) => [n, conversation(n, { lastSeq: i + 1, lastAt: 1 })]),
    ),
    async history(name: string) {
      asked.push(name);
      most = Math.max(most, ++open);
      await Promise.resolve();
      open--;
      const seq = client.conversations.get(name)!.lastSeq;
      return { events: [message(seq, { with: name, body: `of ${name}` })], more: true };
    },
  };
  const inSight = names.slice(5, 11);
  await new Promise<void>((resolve) => {
    const previews = new Previews(client, () => {
      if (inSight.every((name) => previews.of(name) !== undefined)) resolve();
    });
    for (const name of inSight) previews.look(name, true);
  });
  assert.deepEqual(asked, inSight);
  assert.ok(most <= 2);
});

Deno.test("Previews: a refusal after the last message hides it in no row (A1)", async () => {
  const asked: unknown[] = [];
  const client = {
    state: { status: "online" } as never,
    conversations: new Map([["bob", conversation("bob", { lastSeq: 3, lastAt: 1 })]]),
    async history(_name: string, query?: { before?: number; limit?: number }) {
      asked.push(query);
      await Promise.resolve();
      const all = [message(3, { with: "bob", body: "hello" }), refusal(4)];
      const page = all.filter(({ seq }) => seq < (query?.before ?? Infinity));
      return { events: page.slice(-(query?.limit ?? 50)), more: false };
    },
  };
  const shown = await new Promise((resolve) => {
    const previews = new Previews(client, () => resolve(previews.of("bob")?.body));
    previews.look("bob", true);
  });
  assert.deepEqual([shown, asked.length], ["hello", 1]);
});

Deno.test("entriesOf: the filters show who is online, or what is unread (A23)", () => {
  const people = [
    contact("cid", "away"),
    contact("bob", "online"),
    contact("dan", "offline"),
    contact("eve", "unknown"),
    contact("mal", "online"),
  ];
  const client = {
    contacts: new Map(people.map((one) => [one.name, one])),
    conversations: new Map([["dan", conversation("dan", { unread: 2, lastAt: 7 })]]),
    blocked: new Set(["mal"]),
  };
  const names = (filter: "all" | "online" | "unread") =>
    entriesOf(client, "", { filter }).map(({ name }) => name);
  assert.deepEqual(names("online"), ["bob", "cid"], "unknown is not online");
  assert.deepEqual(names("unread"), ["dan"]);
  assert.deepEqual(names("all"), ["dan", "bob", "cid", "eve", "mal"]);
});

Deno.test("entriesOf: the conversation with oneself is called Notes, and is never unread (A5)", () => {
  const client = {
    contacts: new Map<string, Contact>(),
    conversations: new Map([["ann", conversation("ann", { unread: 1, lastAt: 3 })]]),
    blocked: new Set<string>(),
  };
  const [notes] = entriesOf(client, "", { self: "ann" });
  assert.deepEqual([notes!.title, notes!.unread, notes!.self], ["Notes", 0, true]);
  client.conversations.clear();
  assert.deepEqual(entriesOf(client, "", { self: "ann" }), []);
  assert.equal(entriesOf(client, "note", { self: "ann" })[0]!.name, "ann");
});

Deno.test("Timeline: a note that an earlier server stored twice is one (A5)", () => {
  const timeline = new Timeline(true);
  timeline.add(message(1, { out: true, id: "a" }));
  timeline.add(message(2, { id: "a" }));
  timeline.add(message(3, { id: "from elsewhere" }));
  assert.deepEqual(timeline.items().map(({ seq }) => seq), [1, 3]);
});

Deno.test("Timeline: what was undelivered is so after a reload, too (A1)", () => {
  const timeline = new Timeline();
  const refused = { k: "undelivered", seq: 3, at: 3, with: "bob", num: 1, id: "a" };
  const events = [message(2, { out: true, id: "a" }), { ...refused, reason: "not_accepted" }];
  timeline.addPage({ events: events as Message[], more: false });
  const [item] = timeline.items();
  assert.equal(timeline.items().length, 1);
  assert.match(item!.failure!, /it was not accepted/);
  assert.equal(markOf(item!, conversation("bob", { delivered: 9, read: 9 })), "failed");
});

Deno.test("markOf: a message waits for the answer to the request, until it is delivered (A1)", () => {
  const timeline = new Timeline();
  timeline.add(message(9, { out: true, num: 3, waits: true }));
  const [item] = timeline.items();
  const waits = conversation("bob", { waiting: [3] });
  assert.equal(markOf(item!, waits, "asked"), "asked");
  assert.equal(markOf(item!, waits, "stranger"), "unasked");
  assert.equal(markOf(item!, { ...waits, delivered: 3 }, "asked"), "delivered");
  assert.equal(markOf(item!, conversation("bob"), "contact"), "sent");
  // The snapshot is not here yet, or the subscription has ended again: nobody can say.
  assert.equal(markOf(item!, undefined, "stranger"), null);
  assert.equal(markOf(item!, conversation("bob"), "stranger"), null);
});

Deno.test("markOf: a message to who takes them from anyone does not wait (A1)", () => {
  const timeline = new Timeline();
  timeline.add(message(9, { out: true, num: 3 }));
  const [item] = timeline.items();
  for (const relation of ["asked", "stranger"] as const) {
    assert.equal(markOf(item!, conversation("bob"), relation), "sent");
  }
});

Deno.test("Timeline: a refusal of several messages is placed after a reload, too (9 A1)", () => {
  const timeline = new Timeline();
  const refused = { k: "undelivered", seq: 6, at: 6, with: "bob", from: 1, num: 2, id: "" };
  const sent = [1, 2, 3].map((num) => message(num, { out: true, id: `k${num}`, num }));
  timeline.addPage({
    events: [{ ...refused, reason: "not_accepted" }] as unknown as Message[],
    more: true,
  });
  timeline.addPage({ events: sent, more: false });
  const marks = timeline.items().map((item) => markOf(item, conversation("bob", { read: 3 })));
  assert.deepEqual(marks, ["failed", "failed", "read"]);
});

Deno.test("Timeline.rows: a line stands before the first unread message to me (A22)", () => {
  const timeline = new Timeline();
  timeline.add(message(1));
  timeline.add(message(2, { out: true }));
  timeline.add(message(3));
  timeline.add(message(4));
  const kinds = (readUpTo: number | null) =>
    timeline.rows(readUpTo).map((row) => row.kind === "message" ? row.item.seq : row.kind);
  assert.deepEqual(kinds(1), ["day", 1, 2, "new", 3, 4]);
  assert.deepEqual(kinds(0), ["day", "new", 1, 2, 3, 4]);
  for (const none of [4, null]) assert.deepEqual(kinds(none), ["day", 1, 2, 3, 4]);
});

Deno.test("lineOf: a row says what matters most (A23)", () => {
  const [entry] = entriesOf({
    contacts: new Map([["bob", contact("bob", "away")]]),
    conversations: new Map([["bob", conversation("bob", { lastAt: 5, lastSeq: 5 })]]),
    blocked: new Set<string>(),
  }, "");
  const known = {
    client: { pending: [] as { to: string; key: string; body: string; at: number }[] },
    peer: () => null,
    typing: new Set<string>(),
    drafts: { of: () => "" },
    previews: { of: () => ({ seq: 5, out: true, body: "hello\nthere" }) },
  };
  const said = (more: object) => {
    const { label, text } = lineOf({ ...known, ...more }, entry!);
    return label + text;
  };
  assert.equal(said({}), "You: hello there");
  assert.equal(said({ drafts: { of: () => "half" } }), "Draft: half");
  assert.equal(said({ typing: new Set(["bob"]) }), "Typing …");
  const pending = [{ to: "bob", key: "k", body: "not yet", at: 1 }];
  assert.equal(said({ client: { pending } }), "You: not yet");
});
