/** Losing a transport and coming back. */
import assert from "node:assert/strict";
import { fail } from "../../shard/errors.ts";
import type { MailboxId, SessionId } from "../../shard/name/ids.ts";
import { codeOf, device, type FakeSink, MAILBOX, name, on, opened, rig } from "./edge_fixture.ts";

const seqs = (sink: FakeSink) => sink.of("message").map((event) => event["seq"]);
const at = (seq: number) => ({ mailboxId: MAILBOX, seq });

Deno.test("a lost session lives for the grace, then is detached", () => {
  const r = rig({ graceMs: 10_000 });
  const { session, sink } = r.start();
  session.lost(sink);
  assert.equal(r.edge.gauges().lost, 1);
  r.time.runFor(8900);
  assert.equal(r.router.count("session.detach"), 0);
  r.time.runFor(2300);
  assert.equal(r.router.count("session.detach"), 1);
  assert.equal(r.edge.session(session.id), null);
});

Deno.test("graces differ, so that sessions lost together do not end together", () => {
  const r = rig({ graceMs: 10_000 });
  for (let i = 0; i < 50; i++) {
    const { session, sink } = r.start({ user: name(`user${i}`) });
    session.lost(sink);
  }
  const ends = new Set<number>();
  for (let ms = 8900; ms < 11_200; ms += 100) {
    r.time.runUntil(ms);
    ends.add(r.router.count("session.detach"));
  }
  assert.ok(ends.size > 8, `${ends.size} different moments`);
  assert.equal(r.router.count("session.detach"), 50);
});

Deno.test("resume within the grace attaches nothing, detaches nothing, tells all presence", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob", "carol", "dave"]);
  r.router.online.set("bob", on("online"));
  r.router.online.set("carol", on("away"));
  const { session, sink } = r.start();
  r.push(session, ["one"]);
  r.time.runFor(10);
  session.lost(sink);
  r.presence("carol", [], 7000);
  r.push(session, ["two", "three"]);
  r.time.runFor(5000);
  const opening = r.open({ resume: session.id, cursor: at(1) });
  const { resumed, mode, seq, snapshot } = opened(opening);
  assert.deepEqual({ resumed, mode, seq, snapshot }, {
    resumed: true,
    mode: "resume",
    seq: 1,
    snapshot: null,
  });
  assert.deepEqual(opening.sink.frames, [], "the welcome goes first");
  session.start();
  r.time.runFor(100);
  // Dave too: the client may have known him online from a frame that nobody can take back.
  const events = opening.sink.events().map(({ user, show, seq }) => seq ?? `${user} ${show}`);
  assert.deepEqual(events, ["bob online", "carol offline", "dave offline", 2, 3]);
  assert.equal(r.router.count("session.attach"), 1);
  r.time.runFor(60_000);
  assert.equal(r.router.count("session.detach"), 0);
  assert.equal(r.counters.resumed, 1);
});

Deno.test("resume at the end of the mailbox reads nothing", () => {
  const r = rig();
  const { session, sink } = r.start();
  r.push(session, ["one"]);
  r.time.runFor(10);
  session.lost(sink);
  r.start({ resume: session.id, cursor: at(1) });
  assert.equal(r.router.count("mailbox.read"), 0);
});

Deno.test("resume without a cursor starts from a snapshot, with a wrong one it is reset", () => {
  const r = rig();
  r.router.append("alice", ["one", "two"]);
  const { session } = r.start();
  const none = opened(r.open({ resume: session.id }));
  assert.deepEqual([none.resumed, none.mode, none.snapshot?.seq], [true, "snapshot", 2]);
  for (const cursor of [at(5), { mailboxId: "anotherMAILBOX00" as MailboxId, seq: 1 }]) {
    const wrong = opened(r.open({ resume: session.id, cursor }));
    assert.deepEqual([wrong.resumed, wrong.mode, wrong.seq], [true, "reset", 2]);
  }
});

Deno.test("a session lives as long as what was last proved for it, longer or shorter", () => {
  for (const lastsMs of [60_000, 3_600_000]) {
    const r = rig();
    r.router.expiresAt = r.time.global.clock.wallMs() + 600_000;
    const { session, sink } = r.start();
    r.time.runFor(1000);
    session.lost(sink);
    const provedUntil = r.time.global.clock.wallMs() + lastsMs;
    const again = r.open({ resume: session.id, cursor: at(0), provedUntil });
    assert.equal(opened(again).expiresAt, provedUntil, "the welcome tells the new one");
    session.start();
    r.time.runFor(lastsMs - 1000);
    assert.equal(again.sink.reason(), "");
    r.time.runFor(1500);
    assert.equal(again.sink.reason(), "expired");
  }
});

Deno.test("a resume that fails has proved something all the same", () => {
  const r = rig();
  const { session, sink } = r.start();
  r.push(session, ["one"]);
  session.lost(sink);
  r.router.failing.set("mailbox.read", fail("unavailable", "no answer", 1000));
  const provedUntil = r.time.global.clock.wallMs() + 2000;
  r.open({ resume: session.id, cursor: at(0), provedUntil });
  r.time.runFor(2500);
  assert.equal(r.counters.ended.expired, 1);
});

Deno.test("proved without an end that is known leaves the session its own", () => {
  const r = rig();
  r.router.expiresAt = r.time.global.clock.wallMs() + 60_000;
  const { session, sink } = r.start();
  session.proved(null);
  const again = r.start({ resume: session.id, cursor: at(0) });
  assert.equal(sink.reason(), "replaced");
  r.time.runFor(59_000);
  assert.equal(again.sink.reason(), "");
  r.time.runFor(1500);
  assert.equal(again.sink.reason(), "expired");
  session.proved(r.time.global.clock.wallMs() + 60_000);
  assert.equal(r.edge.session(session.id), null);
});

Deno.test("resume of an unknown session, or another device's, is a new attach", () => {
  const r = rig();
  const { session } = r.start();
  const unknown = "AAAAAAAAAAAAAAAA" as SessionId;
  assert.equal(opened(r.open({ resume: unknown, device: device("x") })).resumed, false);
  assert.equal(opened(r.open({ resume: session.id, device: device("y") })).resumed, false);
  const bob = r.open({ resume: session.id, user: name("bob") });
  assert.equal(opened(bob).resumed, false);
  assert.equal(r.edge.session(session.id), session);
});

Deno.test("resume takes over from a sink that does not know yet that it is dead", () => {
  const r = rig();
  const { session, sink } = r.start();
  const again = r.start({ resume: session.id, cursor: at(0) });
  assert.equal(sink.reason(), "replaced");
  session.lost(sink);
  r.push(session, ["one"]);
  r.time.runFor(100);
  assert.deepEqual(seqs(again.sink), [1]);
  assert.equal(r.edge.gauges().lost, 0);
});

Deno.test("of two resumes under way, the later one gets the session", () => {
  const r = rig();
  const { session, sink } = r.start();
  r.push(session, ["one"]);
  session.lost(sink);
  r.router.held.add("mailbox.read");
  const first = r.open({ resume: session.id, cursor: at(0) });
  const second = r.open({ resume: session.id, cursor: at(0) });
  assert.equal(first.sink.reason(), "replaced");
  r.router.release();
  assert.equal(codeOf(first.results), "conflict");
  opened(second).session.start();
  r.time.runFor(100);
  assert.deepEqual(seqs(second.sink), [1]);
  assert.deepEqual(first.sink.frames, []);
});

Deno.test("a session that is closed during its resume is refused", () => {
  const r = rig();
  const { session, sink } = r.start();
  r.push(session, ["one"]);
  session.lost(sink);
  r.router.held.add("mailbox.read");
  const opening = r.open({ resume: session.id, cursor: at(0) });
  r.deliver({ kind: "closed", sessions: [session.id], reason: "revoked" });
  assert.equal(opening.sink.reason(), "revoked");
  r.router.release();
  assert.equal(codeOf(opening.results), "unauthorized");
});

Deno.test("a resume that the shard does not answer leaves the session in its grace", () => {
  const r = rig({ graceMs: 10_000 });
  const { session, sink } = r.start();
  r.push(session, ["one"]);
  session.lost(sink);
  r.router.failing.set("mailbox.read", fail("unavailable", "no answer", 1000));
  const failed = r.open({ resume: session.id, cursor: at(0) });
  assert.equal(codeOf(failed.results), "unavailable");
  assert.equal(failed.sink.closed, null, "the sink stays the caller's, to say why");
  assert.equal(r.edge.gauges().lost, 1);
  r.router.failing.delete("mailbox.read");
  const again = r.start({ resume: session.id, cursor: at(0) });
  r.time.runFor(100);
  assert.deepEqual(seqs(again.sink), [1]);
});

Deno.test("a transport lost before its session starts loses nothing", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.router.online.set("bob", on("online"));
  const opening = r.open();
  const { session } = opened(opening);
  session.lost(opening.sink);
  r.push(session, ["one"]);
  const again = r.start({ resume: session.id, cursor: at(0) });
  r.time.runFor(100);
  assert.deepEqual(again.sink.events().map(({ seq, user }) => seq ?? user), ["bob", 1]);
});

Deno.test("a lost session keeps no events and no presence", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  const { session, sink } = r.start();
  r.push(session, ["x".repeat(1000)]);
  session.lost(sink);
  r.push(session, ["y".repeat(1000)]);
  r.presence("bob", on("away"));
  r.time.runFor(1000);
  assert.equal(r.edge.gauges().outboxBytes, 0);
  assert.equal(r.counters.presenceDeliveries, 0);
  assert.deepEqual(sink.frames, []);
});
