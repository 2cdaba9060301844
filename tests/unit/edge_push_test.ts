/** Pushing to sinks: order, bounds, catching up, and the end of those that take nothing. */
import assert from "node:assert/strict";
import { fail } from "../../shard/errors.ts";
import { EventBatch } from "../../server/edge/feed.ts";
import { HOLD_MS } from "../../server/edge/held.ts";
import { JSON_CODEC } from "../../server/v1/encode.ts";
import {
  type FakeSink,
  MAILBOX,
  message,
  name,
  on,
  opened,
  type Rig,
  rig,
} from "./edge_fixture.ts";

const seqs = (sink: FakeSink) => sink.of("message").map((event) => event["seq"]);
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

Deno.test("events of one turn share a frame, in the order of the mailbox", () => {
  const r = rig();
  const { session, sink } = r.start();
  r.push(session, ["one"]);
  r.push(session, ["two", "three"]);
  r.time.runFor(100);
  assert.equal(sink.frames.length, 1);
  assert.deepEqual(seqs(sink), [1, 2, 3]);
});

Deno.test("9 C2: a receipt alone waits up to HOLD_MS, and leaves with what is sent before", () => {
  const r = rig();
  const { session, sink } = r.start();
  const receipt = (seq: number) => {
    const body = { kind: "receipt", with: name("peer"), delivered: seq, read: 0 } as const;
    const events = [{ seq, at: 1000 + seq, ...body }];
    const owner = name("alice");
    r.deliver({ kind: "events", owner, sinceMs: 0, sessions: [session.id], events });
  };
  receipt(1);
  r.time.runFor(HOLD_MS / 2);
  assert.equal(sink.frames.length, 0);
  r.time.runFor(HOLD_MS);
  assert.equal(sink.frames.length, 1);
  receipt(2);
  const events = [message(3)];
  r.deliver({ kind: "events", owner: name("alice"), sinceMs: 0, sessions: [session.id], events });
  r.time.runFor(1000);
  assert.equal(sink.frames.length, 2);
  assert.deepEqual([sink.of("receipt").length, seqs(sink)], [2, [3]]);
});

Deno.test("EventBatch encodes an event once, and only when it is needed", () => {
  let encodings = 0;
  const codec = {
    ...JSON_CODEC,
    event: (event: Parameters<typeof JSON_CODEC.event>[0]) => {
      encodings++;
      return JSON_CODEC.event(event);
    },
  };
  const batch = new EventBatch(codec, [message(1), message(2)]);
  assert.equal(encodings, 0);
  assert.equal(batch.text(1), batch.text(1));
  assert.equal(encodings, 1);
});

Deno.test("a pushed event out of order is not sent: the gap is read", () => {
  const r = rig();
  const { session, sink } = r.start();
  r.router.append("alice", ["one", "two"]);
  r.push(session, ["three"]);
  r.time.runFor(100);
  assert.deepEqual(seqs(sink), [1, 2, 3]);
  assert.equal(r.counters.behind, 1);
  assert.equal(r.counters.caughtUp, 1);
  // What was read is not sent again when it is pushed late.
  const events = [message(1), message(2), message(3)];
  const owner = name("alice");
  r.deliver({ kind: "events", owner, sinceMs: 0, sessions: [session.id], events });
  r.time.runFor(100);
  assert.deepEqual(seqs(sink), [1, 2, 3]);
});

Deno.test("a resumed cursor is caught up in pages, as fast as the sink takes them", () => {
  const r = rig();
  r.router.append("alice", Array.from({ length: 950 }, (_, i) => `body ${i}`));
  const opening = r.open({ cursor: { mailboxId: MAILBOX, seq: 3 } });
  assert.deepEqual(opened(opening).seq, 3);
  opened(opening).session.start();
  r.time.runFor(500);
  assert.deepEqual(seqs(opening.sink), range(4, 950));
  assert.equal(r.counters.pagesRead, 10);
});

Deno.test("events that are pushed while a page is on its way are neither lost nor doubled", () => {
  const r = rig();
  r.router.append("alice", ["one", "two"]);
  r.router.held.add("mailbox.read");
  const opening = r.open({ cursor: { mailboxId: MAILBOX, seq: 0 } });
  const { session } = opened(opening);
  session.start();
  // The page is made of the mailbox as it is when it is released: it has the third event too.
  r.push(session, ["three"]);
  r.router.release();
  r.push(session, ["four"]);
  r.time.runFor(1000);
  r.router.release();
  r.time.runFor(1000);
  assert.deepEqual(seqs(opening.sink), [1, 2, 3, 4]);
});

function stall(r: Rig, bytes = 3000) {
  const { session, sink } = r.start();
  sink.taking = false;
  for (let i = 0; i < bytes / 100; i++) {
    r.push(session, ["x".repeat(50)]);
    r.time.runFor(1);
  }
  return { session, sink };
}

Deno.test("a sink that takes nothing holds no more than the bound and one frame", () => {
  const r = rig({ outboxBytesMax: 1000, stalledMs: 20_000 });
  r.router.contacts.set("alice", ["bob"]);
  r.router.online.set("bob", on("online"));
  const { sink } = stall(r, 50_000);
  for (let i = 0; i < 100; i++) {
    r.presence("bob", on("away", `${i}`));
    r.time.runFor(10);
  }
  assert.ok(sink.bufferedBytes() <= 1400, `${sink.bufferedBytes()} bytes wait`);
  assert.ok(r.edge.gauges().outboxBytesTop <= 1400);
  assert.equal(r.counters.behind, 1);
  assert.equal(r.router.count("mailbox.read"), 0, "nothing is read for who takes nothing");
});

Deno.test("presence that does not fit is sent in parts, as the sink takes them", () => {
  const r = rig({ outboxBytesMax: 1000, stalledMs: 20_000 });
  const contacts = Array.from({ length: 40 }, (_, i) => `bob${i}`);
  r.router.contacts.set("alice", contacts);
  for (const contact of contacts) r.router.online.set(contact, on("away", "x".repeat(50)));
  const { sink } = r.start();
  sink.taking = false;
  for (const contact of contacts) r.presence(contact, on("dnd", "y".repeat(50)));
  r.time.runFor(1000);
  assert.ok(sink.bufferedBytes() <= 1200, `${sink.bufferedBytes()} bytes wait`);
  sink.taking = true;
  sink.take();
  r.time.runFor(5000);
  const last = new Map(sink.of("presence").map((event) => [event["user"], event["show"]]));
  assert.deepEqual([...last.values()], contacts.map(() => "dnd"));
  assert.ok(sink.frames.every((frame) => frame.length < 1300));
});

Deno.test("who was behind gets everything once it takes again, presence as it is then", () => {
  const r = rig({ outboxBytesMax: 1000 });
  r.router.contacts.set("alice", ["bob"]);
  const { session, sink } = stall(r);
  for (let i = 0; i < 30; i++) {
    r.presence("bob", on("away", `try ${i}`));
    r.time.runFor(10);
  }
  sink.taking = true;
  sink.take();
  r.time.runFor(2000);
  assert.deepEqual(seqs(sink), range(1, 30));
  const statuses = sink.of("presence").map((event) => event["status"]);
  assert.equal(statuses.at(-1), "try 29");
  assert.ok(statuses.length <= 3, `${statuses.length} presence events`);
  assert.equal(r.edge.gauges().behind, 0);
  // Pushed events come directly again.
  const reads = r.counters.pagesRead;
  r.push(session, ["more"]);
  r.time.runFor(100);
  assert.deepEqual(seqs(sink), range(1, 31));
  assert.equal(r.counters.pagesRead, reads);
});

Deno.test("a sink that takes nothing for stalledMs is terminated, and its memory freed", () => {
  const r = rig({ outboxBytesMax: 1000, stalledMs: 5000 });
  const { session, sink } = stall(r);
  r.time.runFor(4000);
  assert.ok(!sink.terminated);
  r.time.runFor(2000);
  assert.ok(sink.terminated);
  assert.equal(r.counters.stalled, 1);
  assert.equal(r.edge.gauges().outboxBytes, 0);
  assert.equal(r.edge.gauges().lost, 1);
  // Its session lives for the grace: the client may return.
  const again = r.start({ resume: session.id, cursor: { mailboxId: MAILBOX, seq: 3 } });
  r.time.runFor(1000);
  assert.equal(again.session, session);
  assert.deepEqual(seqs(again.sink), range(4, 30));
});

Deno.test("a sink that takes little but something is not terminated", () => {
  const r = rig({ outboxBytesMax: 1000, stalledMs: 5000 });
  const { session, sink } = stall(r);
  for (let i = 0; i < 120; i++) {
    sink.take(20);
    r.push(session, ["y".repeat(50)]);
    r.time.runFor(500);
  }
  assert.ok(!sink.terminated);
  assert.equal(r.counters.stalled, 0);
});

Deno.test("a sink that takes less than it is sent is not terminated either", () => {
  const r = rig({ outboxBytesMax: 1_000_000, stalledMs: 5000 });
  const { session, sink } = r.start();
  sink.taking = false;
  for (let i = 0; i < 100; i++) {
    r.push(session, ["x".repeat(2000)]);
    r.time.runFor(250);
    sink.take(800);
  }
  assert.ok(sink.bufferedBytes() > 100_000);
  assert.ok(!sink.terminated);
});

Deno.test("a sink with little unsent is watched too, where that does not move", () => {
  const r = rig({ outboxBytesMax: 1_000_000, stalledMs: 5000 });
  const { session, sink } = r.start();
  sink.taking = false;
  for (let i = 0; i < 60; i++) {
    r.push(session, ["x".repeat(1000)]);
    r.time.runFor(200);
  }
  assert.ok(sink.terminated);
  assert.equal(r.counters.behind, 0, "it never came to the bound");
});

Deno.test("presence does not keep a slow reader's messages in the mailbox", () => {
  const r = rig({ outboxBytesMax: 1000 });
  r.router.contacts.set("alice", ["bob"]);
  const { session, sink } = stall(r);
  for (let i = 0; i < 200; i++) {
    sink.take(100);
    r.presence("bob", on("away", "z".repeat(80)));
    r.time.runFor(100);
  }
  assert.equal(session.user, "alice");
  assert.ok(seqs(sink).length >= 30, `${seqs(sink).length} messages arrived`);
});

Deno.test("a page that cannot be read is asked for again after the wait", () => {
  const r = rig();
  r.router.append("alice", ["one"]);
  r.router.failing.set("mailbox.read", fail("unavailable", "no answer", 2000));
  const opening = r.open({ cursor: { mailboxId: MAILBOX, seq: 0 } });
  opened(opening).session.start();
  r.time.runFor(1500);
  assert.equal(r.router.count("mailbox.read"), 1);
  r.router.failing.delete("mailbox.read");
  r.time.runFor(1500);
  assert.deepEqual(seqs(opening.sink), [1]);
});

Deno.test("presence that does not fit waits for the sink, not round after round", () => {
  const r = rig({ outboxBytesMax: 1000 });
  r.router.contacts.set("alice", ["bob"]);
  const { session, sink } = r.start();
  sink.taking = false;
  r.push(session, ["x".repeat(300)]);
  r.time.runFor(100);
  r.router.failing.set("mailbox.read", fail("unavailable", "no answer", 2000));
  r.router.append("alice", ["unseen"]);
  r.push(session, ["after a gap"]);
  r.presence("bob", on("away", "z".repeat(80)));
  const turns = r.time.runFor(1000);
  assert.equal(r.edge.gauges().behind, 1);
  assert.ok(turns < 100, `${turns} turns`);
});

Deno.test("a reader whose place is not retained any more is sent away for a snapshot", () => {
  const r = rig({ outboxBytesMax: 1000 });
  const { session, sink } = stall(r);
  r.router.firstSeq = 29;
  sink.taking = true;
  sink.take();
  r.time.runFor(1000);
  assert.equal(sink.reason(), "slow");
  assert.equal(r.edge.gauges().lost, 1);
  const last = seqs(sink).at(-1) as number;
  const again = r.open({ resume: session.id, cursor: { mailboxId: MAILBOX, seq: last } });
  assert.equal(opened(again).mode, "reset");
  assert.equal(opened(again).seq, 30);
});
