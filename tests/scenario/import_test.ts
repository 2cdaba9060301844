import assert from "node:assert/strict";
import type { AccountId, AccountName, MailboxId } from "../../shard/name/ids.ts";
import type { ExportedAccount, ImportItem } from "../../shard/account/transfer.ts";
import type { MailboxEvent } from "../../shard/ops.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;
const KEY = { key: "keykeykeykeykey0" as MailboxId };
const OTHER = { key: "otherotherother0" as MailboxId };
const ID = "importedaccount0" as AccountId;

/** Alice and Bob have written to each other a lot, and Carol has asked Alice. */
function fixture(): NodeFixture {
  const w = new NodeFixture({ limits: { cacheIdleMs: 1000, checkpointMs: 300 } });
  for (const who of ["alice", "bob", "carol"]) w.account(who);
  w.befriend("alice", "bob");
  for (let i = 0; i < 150; i++) {
    w.send(i % 3 === 0 ? "bob" : "alice", i % 3 === 0 ? "alice" : "bob", `m${i}`, "x".repeat(150));
  }
  w.must("carol", "roster.subscription", { contact: name("alice"), type: "subscribe" });
  w.must("alice", "roster.block", { contact: name("dave"), blocked: true });
  w.must("alice", "conversation.read", { with: name("bob"), upTo: 100 });
  w.settle();
  return w;
}

function exported(w: NodeFixture, who: string): { head: ExportedAccount; events: MailboxEvent[] } {
  const head = w.must(who, "export.account", { credentials: true });
  const events: MailboxEvent[] = [];
  for (let after = (head.keptFrom ?? head.first) - 1; after < head.last;) {
    const input = { after, upTo: head.last, limit: 40, bytesMax: 10_000 };
    const page = w.must(who, "export.events", input);
    events.push(...page);
    after = page.at(-1)?.seq ?? head.last;
  }
  return { head, events };
}

function itemsOf({ head, events }: ReturnType<typeof exported>): ImportItem[] {
  return [
    ...head.contacts.map((contact) => ({ kind: "contact", contact } as const)),
    ...head.blocked.map((contact) => ({ kind: "blocked", contact } as const)),
    ...head.conversations.map((conversation) => ({ kind: "conversation", conversation } as const)),
    ...events.map((event) => ({ kind: "event", event } as const)),
  ];
}

function begin(w: NodeFixture, who: string, from: ReturnType<typeof exported>, id = ID, key = KEY) {
  const { createdAt, lastSeen, messagesFrom, credentials, first, keptFrom } = from.head;
  const kept = keptFrom === undefined ? {} : { keptFrom };
  const account = { createdAt, lastSeen, messagesFrom, credentials, first, ...kept };
  return w.ask(who, "import.begin", { ...key, id, account });
}

function importAll(w: NodeFixture, who: string, from: ReturnType<typeof exported>): void {
  const last = (from.head.keptFrom ?? from.head.first) - 1;
  assert.deepEqual(begin(w, who, from), { ok: true, value: { last } });
  w.must(who, "import.append", { ...KEY, items: itemsOf(from) });
  const tied = w.must(who, "import.roster", KEY);
  const links = tied.map((t) => ({ ...t, peerId: "" as const }));
  w.must(who, "import.link", { ...KEY, links });
  w.must(who, "import.done", { ...KEY, disabled: false });
}

Deno.test("export and import carry an account over: events, marks, contacts, blocks", () => {
  const w = fixture();
  const from = exported(w, "alice");
  assert.deepEqual(from.events, w.mailbox("alice"));
  importAll(w, "copy", from);
  const check = () => {
    assert.deepEqual(w.mailbox("copy"), from.events);
    const { snapshot } = w.must("copy", "mailbox.snapshot", {});
    const was = w.must("alice", "mailbox.snapshot", {}).snapshot;
    assert.deepEqual(snapshot.conversations, was.conversations);
    assert.deepEqual(snapshot.blocked, ["dave"]);
    assert.deepEqual(snapshot.roster, [{ ...was.roster[0]!, subscription: "none" }]);
    // Nobody else's account knows of this one: what Carol asked was not asked of it.
    assert.deepEqual([was.requests, snapshot.requests], [["carol"], []]);
  };
  check();
  w.kill();
  w.start();
  check();
  w.settle(10_000);
  check();
  assert.equal(w.must("copy", "account.info", {}).id, ID);
  // It goes on like any other account.
  const { seq } = w.send("copy", "bob", "first", "hello");
  assert.equal(seq, from.head.last + 1);
  w.settle();
  assert.equal(w.mailbox("bob").some((e) => e.kind === "message" && e.with === "copy"), false);
  w.must("bob", "settings.set", { messagesFrom: "anyone" });
  w.send("copy", "bob", "second", "hello again");
  w.settle();
  assert.equal(w.bodies("bob").at(-1), "hello again");
});

/** The texts that the history with a peer has. */
function historyOf(w: NodeFixture, who: string, peer: string): string[] {
  const texts: string[] = [];
  for (let after = 0;;) {
    const query = { with: name(peer), before: null, after, limit: 7, bytesMax: 65_536 };
    const page = w.must(who, "conversation.history", query);
    texts.push(...page.events.flatMap((e) => e.kind === "message" ? [`${e.seq} ${e.id}`] : []));
    if (!page.more) return texts;
    after = page.events.at(-1)!.seq;
  }
}

/** Alice has unread messages of Carol that retention keeps, far before what it has not trimmed. */
function withKeptUnread(): NodeFixture {
  const limits = { mailboxEventsMax: 30, checkpointMs: 200, cacheIdleMs: 1000 };
  const w = new NodeFixture({ limits });
  for (const who of ["alice", "bob", "carol"]) w.account(who);
  for (const who of ["bob", "carol"]) w.befriend(who, "alice");
  for (let i = 0; i < 70; i++) {
    w.send(i % 10 < 2 && i < 40 ? "carol" : "bob", "alice", `m${i}`, "x".repeat(2500));
    w.settle(20);
    const { seq } = w.must("alice", "mailbox.snapshot", {}).snapshot;
    w.must("alice", "conversation.read", { with: name("bob"), upTo: seq });
    w.must("alice", "mailbox.ack", { seq });
  }
  w.settle(2000);
  return w;
}

Deno.test("10.2: unread messages that retention keeps leave with an export, and arrive", () => {
  const w = withKeptUnread();
  const from = exported(w, "alice");
  const { keptFrom = 0, first } = from.head;
  assert.ok(keptFrom > 0 && keptFrom < first);
  const kept = from.events.filter(({ seq }) => seq < first);
  assert.ok(kept.some((e, i) => i > 0 && e.seq > kept[i - 1]!.seq + 1), "with gaps");
  const was = historyOf(w, "alice", "carol");
  assert.equal(was.length, 8);
  importAll(w, "copy", from);
  const check = () => {
    assert.deepEqual(historyOf(w, "copy", "carol"), was);
    assert.deepEqual(exported(w, "copy").events, from.events);
    assert.deepEqual(w.mailbox("copy"), w.mailbox("alice"));
    const { conversations } = w.must("copy", "mailbox.snapshot", {}).snapshot;
    assert.deepEqual(conversations, w.must("alice", "mailbox.snapshot", {}).snapshot.conversations);
  };
  check();
  w.settle(10_000);
  w.kill();
  w.start();
  check();
  // Retention keeps them here as well.
  w.must("copy", "settings.set", { messagesFrom: "anyone" });
  for (let i = 0; i < 40; i++) w.send("bob", "copy", `n${i}`, "x".repeat(2500));
  w.settle(10_000);
  assert.deepEqual(historyOf(w, "copy", "carol"), was);
});

Deno.test("10.2: an import of nothing but kept unread messages goes on behind their gap", () => {
  const w = withKeptUnread();
  const { head, events } = exported(w, "alice");
  const kept = events.filter(({ seq }) => seq < head.first);
  const from = { head: { ...head, first: head.last + 1 }, events: kept };
  importAll(w, "copy", from);
  w.must("copy", "settings.set", { messagesFrom: "anyone" });
  assert.equal(w.mailbox("copy").at(-1)!.seq, head.last + 1);
  w.settle(10_000);
  w.kill();
  w.start();
  assert.deepEqual(historyOf(w, "copy", "carol"), historyOf(w, "alice", "carol"));
  assert.deepEqual(w.mailbox("copy").map(({ seq }) => seq), [head.last + 1]);
});

Deno.test("no receipt covers a message that waited when its account was exported (A1)", () => {
  const w = new NodeFixture();
  for (const who of ["alice", "bob"]) w.account(who);
  w.must("alice", "roster.subscription", { contact: name("bob"), type: "subscribe" });
  w.send("alice", "bob", "m1", "waits");
  w.settle();
  const from = exported(w, "alice");
  assert.ok(begin(w, "copy", from).ok);
  for (let i = 0; i < 2; i++) w.must("copy", "import.append", { ...KEY, items: itemsOf(from) });
  const links = w.must("copy", "import.roster", KEY).map((t) => ({ ...t, peerId: "" as const }));
  w.must("copy", "import.link", { ...KEY, links });
  w.must("copy", "import.done", { ...KEY, disabled: false });
  w.must("copy", "roster.subscription", { contact: name("bob"), type: "subscribe" });
  w.settle();
  w.must("bob", "roster.subscription", { contact: name("copy"), type: "subscribed" });
  w.send("copy", "bob", "m2", "arrives");
  w.settle();
  w.must("bob", "mailbox.ack", { seq: w.mailbox("bob").at(-1)!.seq });
  w.settle();
  const told = w.mailbox("copy").flatMap((e) =>
    e.kind === "undelivered" ? [e.id] : e.kind === "receipt" ? [`up to ${e.delivered}`] : []
  );
  assert.deepEqual(told, ["m1", "up to 2"]);
});

Deno.test("an import that is broken off goes on where it was, and twice is as once", () => {
  const w = fixture();
  const from = exported(w, "alice");
  const items = itemsOf(from);
  assert.ok(begin(w, "copy", from).ok);
  w.must("copy", "import.append", { ...KEY, items: items.slice(0, 60) });
  w.kill();
  w.start();
  assert.equal(w.must("copy", "import.look", KEY), "importing");
  const again = begin(w, "copy", from, "anotherAccountId" as AccountId);
  const last = w.must("copy", "import.append", { ...KEY, items: [] }).last;
  assert.ok(last > 0 && last < from.head.last);
  assert.deepEqual(again, { ok: true, value: { last } });
  w.must("copy", "import.append", { ...KEY, items });
  assert.deepEqual(w.must("copy", "import.append", { ...KEY, items }), { last: from.head.last });
  w.must("copy", "import.done", { ...KEY, disabled: false });
  assert.deepEqual(w.mailbox("copy"), from.events);
  assert.equal(w.must("copy", "account.info", {}).id, ID);
  assert.deepEqual(begin(w, "copy", from), { ok: true, value: { last: null } });
  assert.equal(w.must("copy", "import.look", KEY), "done");
  const late = w.ask("copy", "import.append", { ...KEY, items });
  assert.ok(!late.ok && late.code === "conflict");
});

Deno.test("a name that is taken, by whatever, is not imported to", () => {
  const w = fixture();
  const from = exported(w, "alice");
  const refused = begin(w, "bob", from);
  assert.ok(!refused.ok && refused.code === "conflict");
  assert.equal(w.must("bob", "import.look", KEY), "taken");
  assert.ok(begin(w, "copy", from).ok);
  const other = begin(w, "copy", from, ID, OTHER);
  assert.ok(!other.ok && other.code === "conflict");
  // Removed, and its name released, it is free again, even for the same import.
  w.must("copy", "account.remove", {});
  assert.equal(w.must("copy", "import.look", KEY), "taken");
  w.must("copy", "account.release", {});
  assert.equal(w.must("copy", "import.look", KEY), "free");
  importAll(w, "copy", from);
  assert.deepEqual(w.mailbox("copy"), from.events);
});

Deno.test("an account that is being imported is nobody's", () => {
  const w = fixture();
  assert.ok(begin(w, "copy", exported(w, "alice")).ok);
  assert.equal(w.must("copy", "account.info", {}).state, "importing");
  assert.equal(w.must("copy", "account.credentials", {}), null);
  const read = w.ask("copy", "mailbox.snapshot", {});
  assert.ok(!read.ok && read.code === "unauthorized");
  const created = w.ask("copy", "account.create", { credentials: null });
  assert.ok(!created.ok && created.code === "conflict");
  w.send("bob", "copy", "one", "is anybody there?");
  w.send("bob", "nosuch", "two", "is anybody there?");
  w.settle();
  const kinds = (of: string) =>
    w.mailbox("bob").filter((e) => "with" in e && e.with === of).map((e) => e.kind);
  assert.deepEqual(kinds("copy"), kinds("nosuch"));
  w.must("copy", "import.done", { ...KEY, disabled: false });
  w.settle();
  assert.deepEqual(w.mailbox("copy"), []);
});

Deno.test("import.append refuses a gap of events and more than an account may hold", () => {
  const w = new NodeFixture({
    limits: { rosterMax: 2, pendingRequestsMax: 1, conversationsMax: 1 },
  });
  w.account("alice");
  const from = exported(w, "alice");
  assert.ok(begin(w, "copy", from).ok);
  const ask = (item: ImportItem) => w.ask("copy", "import.append", { ...KEY, items: [item] });
  const code = (result: ReturnType<typeof ask>) => result.ok ? "ok" : result.code;
  const event = (seq: number, peer: string): ImportItem => ({
    kind: "event",
    event: { seq, at: 1, kind: "undelivered", with: name(peer), num: 1, id: "i", reason: "r" },
  });
  assert.equal(code(ask(event(2, "bob"))), "bad_request");
  assert.equal(code(ask(event(1, "bob"))), "ok");
  assert.equal(code(ask(event(2, "carol"))), "ok");
  assert.equal(code(ask(event(3, "dave"))), "limit_reached");
  assert.equal(code(ask(event(3, "carol"))), "ok");
  const state = { subscription: "none", pendingOut: false, pendingIn: false, approved: false };
  const contact = (of: string): ImportItem => ({
    kind: "contact",
    contact: {
      contact: name(of),
      label: "",
      groups: [],
      state: state as ExportedAccount["contacts"][number]["state"],
      listed: true,
    },
  });
  assert.deepEqual(["a", "b", "c", "d", "c"].map((of) => code(ask(contact(of)))), [
    "ok",
    "ok",
    "ok",
    "limit_reached",
    "ok",
  ]);
});
