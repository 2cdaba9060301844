import assert from "node:assert/strict";
import type { AccountName, DeviceId, MailboxId, SessionId } from "../../shard/name/ids.ts";
import { NodeFixture, ONLINE } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

function contacts(options: ConstructorParameters<typeof NodeFixture>[0] = {}): NodeFixture {
  const w = new NodeFixture(options);
  w.account("alice");
  w.account("bob");
  w.befriend("alice", "bob");
  return w;
}

/** Longer than it takes for idle accounts to leave memory and be checkpointed. */
function evict(w: NodeFixture): void {
  w.settle(10_000);
  assert.equal(w.node.accountsInMemory, 0);
}

Deno.test("accounts leave memory when idle and return whole", () => {
  const w = contacts({ limits: { cacheIdleMs: 1000 } });
  for (let i = 0; i < 300; i++) w.send("alice", "bob", `m${i}`, "x".repeat(100));
  const before = [w.mailbox("alice"), w.mailbox("bob")];
  evict(w);
  assert.deepEqual([w.mailbox("alice"), w.mailbox("bob")], before);
  evict(w);
  // The same ids once more: the dedupe window is read back from the store.
  const sent = before[0]!.filter((e) => e.kind === "message");
  for (const i of [0, 128, 299]) {
    assert.deepEqual(w.send("alice", "bob", `m${i}`, "x".repeat(100)).seq, sent[i]!.seq);
  }
  w.send("alice", "bob", "new");
  w.settle();
  assert.equal(w.bodies("bob").length, 301);
});

Deno.test("a log that was cut and checkpoints that follow it survive a kill at any time", () => {
  const w = contacts({ limits: { cacheIdleMs: 2000, checkpointMs: 300 } });
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < 40; i++) w.send("alice", "bob", `r${round}-${i}`, "y".repeat(300));
    w.settle(round * 137);
    w.kill();
    w.start();
  }
  w.settle(5000);
  const wanted = Array.from({ length: 320 }, (_, i) => `r${Math.floor(i / 40)}-${i % 40}`);
  const ids = (who: string) => w.mailbox(who).flatMap((e) => e.kind === "message" ? [e.id] : []);
  assert.deepEqual(ids("alice"), wanted);
  assert.deepEqual(ids("bob"), wanted);
  const rows = w.disk.rows(["log"]).length;
  assert.ok(rows < 200, `${rows} log rows are left`);
});

Deno.test("conversation.history pages both ways over blocks of several conversations", () => {
  const w = contacts({ limits: { cacheIdleMs: 500, checkpointMs: 200 } });
  w.account("carol");
  w.befriend("alice", "carol");
  for (let i = 0; i < 400; i++) {
    w.send(i % 4 === 3 ? "bob" : "alice", i % 4 === 3 ? "alice" : i % 2 ? "carol" : "bob", `m${i}`);
  }
  w.settle(5000);
  const all = w.mailbox("alice").filter((e) => e.kind === "message" && e.with === "bob");
  const page = (before: number | null, after: number | null) =>
    w.must("alice", "conversation.history", {
      with: name("bob"),
      before,
      after,
      limit: 37,
      bytesMax: 65_536,
    });
  const back = [];
  for (let before: number | null = null;;) {
    const p = page(before, null);
    back.unshift(...p.events);
    if (!p.more) break;
    before = p.events[0]!.seq;
  }
  assert.deepEqual(back, all);
  const forth = [];
  for (let after = 0;;) {
    const p = page(null, after);
    forth.push(...p.events);
    if (!p.more) break;
    after = p.events.at(-1)!.seq;
  }
  assert.deepEqual(forth, all);
});

Deno.test("retention drops the oldest events, and cursors before them are reset", () => {
  const w = contacts({ limits: { mailboxEventsMax: 200, checkpointMs: 200 } });
  const first = w.mailbox("bob")[0]!.seq;
  for (let i = 0; i < 1000; i++) {
    const { seq } = w.mailbox("bob").at(-1)!;
    if (i % 50 === 0) w.must("bob", "conversation.read", { with: name("alice"), upTo: seq });
    w.send("alice", "bob", `m${i}`, "z".repeat(80));
  }
  w.settle();
  const kept = w.mailbox("bob");
  assert.ok(kept.length >= 200 && kept.length < 400, `${kept.length} events are kept`);
  assert.equal(kept.at(-1)!.seq - kept[0]!.seq, kept.length - 1);
  const read = (mailboxId: string, seq: number) =>
    w.ask("bob", "mailbox.read", {
      cursor: { mailboxId: mailboxId as MailboxId, seq },
      limit: 10,
      bytesMax: 1000,
    });
  const { mailboxId } = w.must("bob", "mailbox.snapshot", {});
  const codes = [
    read(mailboxId, first),
    read(mailboxId, kept.at(-1)!.seq + 1),
    read("another000000000", kept[5]!.seq),
  ].map((r) => r.ok ? "ok" : r.code);
  assert.deepEqual(codes, ["reset", "reset", "reset"]);
  assert.ok(read(mailboxId, kept[0]!.seq - 1).ok);
  // The dedupe window outlives retention.
  assert.equal(w.send("alice", "bob", "m0", "z".repeat(80)).num, 1);
  w.settle();
  assert.equal(w.disk.rows(["m"]).length <= 2 * 6, true);
});

Deno.test("retention by age empties an idle mailbox, and the dedupe window ends", () => {
  const w = contacts({ limits: { retentionMs: 86_400_000, dedupeWindowMs: 3_600_000 } });
  for (let i = 0; i < 50; i++) w.send("alice", "bob", `m${i}`);
  w.settle(1000);
  w.process.jumpWall(2 * 86_400_000);
  // A jump ahead is not believed at once.
  w.settle(660_000);
  assert.deepEqual(w.mailbox("bob"), []);
  const again = w.send("alice", "bob", "m0");
  assert.equal(again.num, 51);
  w.settle(10_000);
  assert.deepEqual(w.bodies("bob"), ["m0"]);
});

Deno.test("unread counts, read marks and snapshots follow the messages", () => {
  const w = contacts();
  const seqs: number[] = [];
  for (let i = 0; i < 130; i++) w.send("alice", "bob", `m${i}`);
  w.settle();
  for (const e of w.mailbox("bob")) if (e.kind === "message") seqs.push(e.seq);
  const unread = () =>
    w.must("bob", "mailbox.snapshot", {}).snapshot.conversations
      .find((c) => c.with === "alice")!.unread;
  assert.equal(unread(), 130);
  const mark = (upTo: number) =>
    w.must("bob", "conversation.read", { with: name("alice"), upTo }).unread;
  assert.equal(mark(seqs[99]!), 30);
  assert.equal(mark(seqs[50]!), 30, "a mark never goes back");
  assert.equal(mark(seqs[129]!), 0);
  w.settle();
  const mine = w.must("alice", "mailbox.snapshot", {}).snapshot.conversations[0]!;
  assert.deepEqual([mine.delivered, mine.read, mine.unread], [130, 130, 0]);
});

Deno.test("session.attach resumes from a valid cursor and resets from others", () => {
  const w = contacts();
  const { mailboxId, seq } = w.attach("bob");
  w.send("alice", "bob", "m1");
  w.settle();
  const attach = (cursor: { mailboxId: MailboxId; seq: number } | null) =>
    w.must("bob", "session.attach", {
      session: "session00000000x" as SessionId,
      device: "desk" as DeviceId,
      auth: { kind: "issuer", expiresAt: w.process.clock.wallMs() + 1e6 },
      cursor,
      presence: ONLINE,
    });
  const resumed = attach({ mailboxId, seq });
  assert.equal(resumed.mode, "resume");
  assert.equal(resumed.snapshot, null);
  assert.equal(attach({ mailboxId, seq: 10_000 }).mode, "reset");
  assert.ok(attach({ mailboxId: "another000000000" as MailboxId, seq: 0 }).snapshot);
  assert.equal(attach(null).mode, "snapshot");
});

Deno.test("a wall clock that jumps far ahead and back leaves no stamps ahead (A7)", () => {
  const w = new NodeFixture({ limits: { retentionMs: 86_400_000 } });
  for (const user of ["a", "b"]) w.account(user);
  w.befriend("a", "b");
  w.send("a", "b", "m1");
  w.process.jumpWall(365 * 86_400_000);
  for (let i = 2; i < 100; i++) {
    w.send("a", "b", `m${i}`, "x".repeat(1000));
    w.settle(100);
  }
  w.process.jumpWall(-365 * 86_400_000);
  w.send("a", "b", "last");
  w.settle();
  const events = w.mailbox("b");
  const last = events.at(-1)!;
  assert.ok(last.at <= w.process.clock.wallMs(), `${last.at} is ahead`);
  // Nor was anything dropped for its age.
  assert.equal(events.length, w.must("b", "mailbox.snapshot", {}).snapshot.seq);
});
