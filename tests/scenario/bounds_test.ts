import assert from "node:assert/strict";
import type {
  AccountId,
  AccountName,
  DeviceId,
  MailboxId,
  SessionId,
} from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { encodeHead } from "../../shard/account/head.ts";
import { OTHERS_PART, type ShardLimits } from "../../shard/limits.ts";
import { SHARD_LIMITS } from "../sim/limits.ts";
import { NodeFixture, ONLINE } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

function fixture(limits: Partial<ShardLimits>, ...names: string[]): NodeFixture {
  const w = new NodeFixture({ shards: 1, limits });
  for (const n of names) w.account(n);
  return w;
}

const state = (w: NodeFixture, who: string) => [
  w.must(who, "mailbox.snapshot", {}),
  w.must(who, "account.info", {}),
];

/** Asks for what is refused as `code`, and looks that nothing has changed. */
function refused(
  w: NodeFixture,
  who: string,
  code: string,
  ask: () => { readonly ok: boolean; readonly code?: string; readonly message?: string },
): string {
  const before = state(w, who);
  const result = ask();
  assert.equal(result.ok ? "ok" : result.code, code);
  assert.deepEqual(state(w, who), before);
  return result.message ?? "";
}

function send(w: NodeFixture, from: string, to: string, id: string) {
  const message = { id, body: id, ext: "", device: "phone" as DeviceId };
  return w.ask(from, "message.send", { to: name(to), ...message });
}

const contact = (w: NodeFixture, text: string, label = "") =>
  w.ask("ann", "roster.set", { contact: name(text), label, groups: [] });
const block = (w: NodeFixture, text: string) =>
  w.ask("ann", "roster.block", { contact: name(text), blocked: true });

Deno.test("rosterMax: one more contact is refused, by either way in; a change is not", () => {
  const w = fixture({ rosterMax: 2 }, "ann", "bob", "cid", "dan");
  assert.ok(contact(w, "bob").ok && contact(w, "cid").ok);
  const text = refused(w, "ann", "limit_reached", () => contact(w, "dan"));
  assert.match(text, /roster has 2 contacts/);
  refused(
    w,
    "ann",
    "limit_reached",
    () => w.ask("ann", "roster.subscription", { contact: name("dan"), type: "subscribe" }),
  );
  assert.ok(contact(w, "bob", "Bobby").ok);
  w.must("ann", "roster.remove", { contact: name("bob") });
  assert.ok(contact(w, "dan").ok);
});

Deno.test("blockedMax: one more block is refused, one less makes room", () => {
  const w = fixture({ blockedMax: 2 }, "ann");
  assert.ok(block(w, "bob").ok && block(w, "cid").ok);
  assert.match(refused(w, "ann", "limit_reached", () => block(w, "dan")), /2 are blocked/);
  assert.ok(block(w, "bob").ok, "again is no change");
  w.must("ann", "roster.block", { contact: name("bob"), blocked: false });
  assert.ok(block(w, "dan").ok);
});

Deno.test("conversationsMax: by itself an account begins twice as many, and may go on with those", () => {
  const w = fixture({ conversationsMax: 2 }, "ann");
  for (const peer of ["v", "w", "x", "y"]) assert.ok(send(w, "ann", peer, peer).ok);
  refused(w, "ann", "limit_reached", () => send(w, "ann", "z", "z"));
  const subscribe = { contact: name("z"), type: "subscribe" } as const;
  refused(w, "ann", "limit_reached", () => w.ask("ann", "roster.subscription", subscribe));
  assert.ok(send(w, "ann", "x", "4").ok);
});

Deno.test("dedupeEntriesMax: one more message is refused until the window has moved on", () => {
  const w = fixture({ dedupeEntriesMax: 3, dedupeWindowMs: 60_000 }, "ann", "bob");
  const sent = ["1", "2", "3"].map((id) => send(w, "ann", "bob", id));
  assert.ok(sent.every((r) => r.ok));
  refused(w, "ann", "limit_reached", () => send(w, "ann", "bob", "4"));
  assert.deepEqual(send(w, "ann", "bob", "2"), sent[1], "a repetition is no other message");
});

Deno.test("dedupeEntriesMax: retryAfterMs is how long it takes until there is room", () => {
  const dedupeShape = { blockEntries: 2, rowBlocks: 2, hashBits: 64 };
  const w = fixture({ dedupeEntriesMax: 6, dedupeWindowMs: 60_000, dedupeShape }, "ann", "bob");
  for (let i = 0; i < 6; i++) {
    assert.ok(send(w, "ann", "bob", `${i}`).ok);
    w.settle(5000);
  }
  const full = send(w, "ann", "bob", "more");
  assert.ok(!full.ok && full.code === "limit_reached");
  // The oldest block ends with the second message, which was sent 25 s ago.
  assert.ok(Math.abs(full.retryAfterMs! - 35_000) < 100, `${full.retryAfterMs} ms`);
  w.settle(full.retryAfterMs! - 100);
  assert.ok(!send(w, "ann", "bob", "more").ok);
  w.settle(100);
  assert.ok(send(w, "ann", "bob", "more").ok && send(w, "ann", "bob", "most").ok);
  assert.ok(!send(w, "ann", "bob", "one over").ok, "the next block is younger");
});

Deno.test("pendingRequestsMax: one more request is not kept, and its sender is not told", () => {
  const w = fixture({ pendingRequestsMax: 1 }, "ann", "bob", "cid");
  const ask = (from: string) =>
    w.must(from, "roster.subscription", { contact: name("ann"), type: "subscribe" });
  ask("bob");
  w.settle();
  const before = state(w, "ann");
  ask("cid");
  w.settle();
  assert.deepEqual(state(w, "ann"), before);
  assert.deepEqual(w.must("ann", "mailbox.snapshot", {}).snapshot.requests, ["bob"]);
  const kinds = w.mailbox("cid").map((e) => e.kind);
  assert.deepEqual(kinds, ["roster"], "it looks as if it waited");
});

// ---- devices

const hash = (device: string) => new Uint8Array(32).fill(device.charCodeAt(0));

function add(w: NodeFixture, device: string) {
  return w.ask("ann", "device.add", {
    device: device as DeviceId,
    label: "",
    tokenHash: hash(device),
    expiresAt: w.process.clock.wallMs() + 86_400_000,
    proof: null,
  });
}

let sessions = 0;
function connect(w: NodeFixture, device: string): SessionId {
  const session = `attached${String(++sessions).padStart(8, "0")}` as SessionId;
  w.must("ann", "session.attach", {
    session,
    device: device as DeviceId,
    auth: { kind: "token", tokenHash: hash(device) },
    cursor: null,
    presence: ONLINE,
  });
  return session;
}

const devices = (w: NodeFixture) => w.must("ann", "device.list", {}).map((d) => d.device).sort();

Deno.test("devicesPerAccountMax: the device that is unused for longest makes room", () => {
  const w = fixture({ devicesPerAccountMax: 3 }, "ann");
  for (const device of ["a", "b", "c"]) {
    assert.ok(add(w, device).ok);
    w.settle(1000);
  }
  connect(w, "a");
  assert.ok(add(w, "d").ok);
  assert.deepEqual(devices(w), ["a", "c", "d"], "a is connected, b the next oldest");
  const token = w.ask("ann", "auth.token", { tokenHash: hash("b") });
  assert.equal(token.ok ? "ok" : token.code, "unauthorized");
  assert.ok(w.ask("ann", "auth.token", { tokenHash: hash("a") }).ok);
});

Deno.test("devicesPerAccountMax: use counts, not only age, also after a restart", () => {
  const w = fixture({ devicesPerAccountMax: 2 }, "ann");
  assert.ok(add(w, "a").ok);
  w.settle(1000);
  assert.ok(add(w, "b").ok);
  w.settle(7_200_000);
  w.must("ann", "session.detach", { session: connect(w, "a") });
  w.settle(10_000);
  w.kill();
  w.start();
  assert.ok(add(w, "c").ok);
  assert.deepEqual(devices(w), ["a", "c"]);
});

Deno.test("devicesPerAccountMax: refused where all are connected, and nothing changes", () => {
  const w = fixture({ devicesPerAccountMax: 2 }, "ann");
  for (const device of ["a", "b"]) {
    assert.ok(add(w, device).ok);
    connect(w, device);
  }
  refused(w, "ann", "limit_reached", () => add(w, "c"));
  assert.deepEqual(devices(w), ["a", "b"]);
  assert.ok(add(w, "a").ok, "it takes its own place");
});

// ---- the head

/** Bounds that few contacts reach. */
const SMALL_HEAD = { rosterMax: 10_000, headBytesMax: 450_000, blockBytesMax: 100_000 };

/** Fills ann's head with contacts. */
function fill(w: NodeFixture): void {
  const groups = Array.from({ length: 16 }, (_, i) => `${i}`.repeat(32));
  for (let i = 0;; i++) {
    const r = w.ask("ann", "roster.set", { contact: name(`contact${i}`), label: "", groups });
    if (r.ok) continue;
    assert.match(r.message, /contacts and conversations take/);
    return;
  }
}

/** Bytes of ann's head as its shard counts them, and as they are. */
function headOf(w: NodeFixture): { readonly counted: number; readonly is: number } {
  const account = w.node.shards.flatMap((s) => [...s.inspect().accounts])
    .find((a) => a.name === "ann")!;
  return { counted: account.runtime.headBytes, is: encodeHead(account, 1).length };
}

Deno.test("10.7: rosterMax is reached with the longest labels, by default, without a pause", () => {
  const w = fixture({ checkpointMs: 5000 }, "ann");
  const { rosterMax } = SHARD_LIMITS;
  for (let i = 0; i < rosterMax; i++) assert.ok(contact(w, `contact${i}`, "x".repeat(256)).ok);
  const text = refused(w, "ann", "limit_reached", () => contact(w, "one-more"));
  assert.match(text, /roster has 1000 contacts/);
});

Deno.test("10.7: between checkpoints the bytes of an account count as what they are", () => {
  const w = fixture({ checkpointMs: 5000 }, "ann", "bob");
  w.settle(10_000);
  const before = headOf(w);
  for (let i = 0; i < 200; i++) {
    assert.ok(contact(w, `contact${i}`, "x".repeat(200)).ok);
    assert.ok(contact(w, `contact${i}`, "yy").ok);
    assert.ok(contact(w, `gone${i}`, "x".repeat(200)).ok);
    assert.ok(w.ask("ann", "roster.remove", { contact: name(`gone${i}`) }).ok);
  }
  w.must("ann", "settings.set", { messagesFrom: "anyone" });
  for (let i = 0; i < 20; i++) {
    w.account(`writer${i}`);
    w.send(`writer${i}`, "ann", "m");
  }
  const after = headOf(w);
  const grown = after.counted - before.counted;
  // Events in the tail of the mailbox count at checkpoints only.
  const { mailbox } = w.node.shards.flatMap((s) => [...s.inspect().accounts])
    .find((a) => a.name === "ann")!;
  const growth = after.is - before.is - mailbox.tailBytes;
  assert.ok(grown > 200 * 12 && grown < growth + 20 * 40 + 2000, `${grown}, is ${growth}`);
});

Deno.test("10.7: a service has the contacts and the writers that the documents say", () => {
  const fits = (counts: { readonly contacts: number; readonly writers: number }) => {
    const account = new AccountState(name("service"), 0);
    const id = "A".repeat(16) as AccountId;
    const at = Date.UTC(2030, 0);
    const mailboxId = "M".repeat(16) as MailboxId;
    apply(account, { kind: "created", id, mailboxId, at, credentials: null });
    const base = encodeHead(account, 1).length;
    const peer = (i: number) => name(`user-of-a-bot-${i}`.slice(0, 20));
    const peerId = (i: number) => String(i).padStart(16, "B") as AccountId;
    const state = { subscription: "both", pendingIn: false, pendingOut: false, approved: false };
    for (let i = 0; i < counts.contacts; i++) {
      const item = { contact: peer(i), peerId: peerId(i), label: "", groups: [], listed: true };
      apply(account, { kind: "roster", item: { ...item, state, asked: 0 } as never });
    }
    for (let i = 0; i < counts.writers; i++) {
      const seq = account.mailbox.last + 1;
      const message = { seq, at, num: 1, id: "m", body: "x", ext: "" };
      apply(account, { kind: "received", from: peer(i), fromId: peerId(i), n: 1, ...message });
      apply(account, { kind: "read", with: peer(i), upTo: seq });
    }
    return encodeHead(account, 1).length - base - account.mailbox.tailBytes;
  };
  // As they stand in server/ops/README.md.
  const { conversationsMax, headBytesMax } = SHARD_LIMITS;
  assert.ok(10 * fits({ contacts: 1000, writers: 10_000 }) <= headBytesMax * OTHERS_PART);
  assert.ok(fits({ contacts: 0, writers: conversationsMax }) <= headBytesMax * OTHERS_PART);
});

Deno.test("roster.block is possible where contacts and conversations leave no room", () => {
  const w = fixture(SMALL_HEAD, "ann");
  fill(w);
  for (let i = 0; i < 200; i++) assert.ok(block(w, `enemy${i}`).ok);
  const r = send(w, "ann", "somebody", "1");
  assert.equal(r.ok ? "ok" : r.code, "limit_reached");
});

Deno.test("roster.block says what is full, and the head can still be stored", () => {
  const w = fixture({ ...SMALL_HEAD, blockedMax: 10_000 }, "ann");
  fill(w);
  let blocked = 0;
  while (block(w, `${"x".repeat(240)}${blocked}`).ok) blocked++;
  const text = refused(w, "ann", "limit_reached", () => block(w, "one-more"));
  assert.match(text, /contacts, blocks and conversations take 550000 bytes/);
  assert.ok(blocked > 100 && blocked < 1000, `${blocked}`);
  w.settle(10_000);
  w.kill();
  w.start();
  assert.equal(w.must("ann", "mailbox.snapshot", {}).snapshot.blocked.length, blocked);
});
