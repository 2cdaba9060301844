/** Opening sessions: bounds, and every race between the shard's answer and its packets. */
import assert from "node:assert/strict";
import { fail } from "../../shard/errors.ts";
import { OpenRate } from "../../server/edge/open_rate.ts";
import type { SessionId } from "../../shard/name/ids.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import {
  codeOf,
  device,
  EMPTY_SNAPSHOT,
  EXPIRES_AT,
  idOf,
  name,
  on,
  opened,
  poll,
  type Rig,
  rig,
} from "./edge_fixture.ts";

/** The id that the last attach asked for. */
function askedSession({ router }: Rig): SessionId {
  const { input } = router.asked.findLast(({ op }) => op === "session.attach")!;
  return (input as { session: SessionId }).session;
}

function detached({ router }: Rig): readonly SessionId[] {
  return router.asked.filter(({ op }) => op === "session.detach")
    .map(({ input }) => (input as { session: SessionId }).session);
}

Deno.test("open gives what the shard says, and pushes nothing before start", () => {
  const r = rig();
  r.router.append("alice", ["one", "two"]);
  r.router.contacts.set("alice", ["bob"]);
  r.router.online.set("bob", on("away"));
  const opening = r.open();
  const { session, resumed, mode, seq, snapshot, expiresAt } = opened(opening);
  assert.deepEqual({ resumed, mode, seq, expiresAt }, {
    resumed: false,
    mode: "snapshot",
    seq: 2,
    expiresAt: EXPIRES_AT,
  });
  assert.equal(snapshot?.seq, 2);
  assert.equal(session.userId, idOf("alice"));
  r.push(session, ["three"]);
  r.time.runFor(1000);
  assert.deepEqual(opening.sink.frames, []);
  session.start();
  r.time.runFor(0);
  // The presence of all contacts is in the first frame, what was missed follows.
  assert.deepEqual(opening.sink.events().map(({ k, seq, user }) => seq ?? `${k} ${user}`), [
    "presence bob",
    3,
  ]);
});

Deno.test("open refuses an account's sessions over the limit, not the same device's", () => {
  const r = rig({ sessionsPerAccountMax: 2 });
  r.start({ device: device("a") });
  r.start({ device: device("b") });
  assert.equal(codeOf(r.open({ device: device("c") }).results), "limit_reached");
  assert.ok(r.open({ device: device("b") }).results[0]!.ok);
  assert.ok(r.open({ user: name("bob") }).results[0]!.ok);
  assert.equal(r.counters.refused, 1);
});

Deno.test("10.8: open tells only those who have proved a token that an account is full", () => {
  const r = rig({ sessionsPerAccountMax: 1 });
  r.start({ device: device("a") });
  const wrong = fail("unauthorized", "no such token");
  r.router.failing.set("auth.token", wrong);
  assert.deepEqual(r.open({ device: device("b") }).results, [wrong]);
  r.router.failing.delete("auth.token");
  assert.equal(codeOf(r.open({ device: device("b") }).results), "limit_reached");
});

Deno.test("10.4: open refuses an account that opens too much, until it has waited, and no other", () => {
  const r = rig({ opens: { perSecond: 1, burst: 5 } });
  const codes = () => r.open({ device: device("a") }).results.map((x) => x.ok ? "ok" : x.code);
  const first = Array.from({ length: 6 }, () => codes()[0]);
  assert.deepEqual(first, ["ok", "ok", "ok", "ok", "ok", "rate_limited"]);
  assert.ok(r.open({ user: name("bob") }).results[0]!.ok);
  // A client that has not proved a token learns nothing of it.
  const wrong = fail("unauthorized", "no such token");
  r.router.failing.set("auth.token", wrong);
  assert.deepEqual(r.open({ device: device("b") }).results, [wrong]);
  r.router.failing.delete("auth.token");
  r.time.runFor(1000);
  assert.deepEqual([codes(), codes()], [["ok"], ["rate_limited"]]);
});

Deno.test("10.4: OpenRate takes the size of a snapshot, up to another burst in debt", () => {
  const { clock } = rig().time.global;
  const rate = new OpenRate(clock, { perSecond: 1, burst: 10 });
  const blocked = Array.from({ length: 500 }, (_, i) => name(`person${i}`));
  const snapshot = { ...EMPTY_SNAPSHOT, blocked };
  for (let i = 0; i < 2; i++) {
    assert.equal(rate.refusal("alice"), null);
    rate.charge("alice", snapshot);
  }
  assert.equal(rate.refusal("alice")?.retryAfterMs, 3000);
  rate.charge("alice", { ...snapshot, blocked: [...blocked, ...blocked, ...blocked, ...blocked] });
  assert.equal(rate.refusal("alice")?.retryAfterMs, 11_000);
  assert.equal(rate.refusal("bob"), null);
});

Deno.test("10.10: open counts no session whose token is not proved yet", () => {
  const r = rig({ sessionsPerAccountMax: 1 });
  r.router.held.add("session.attach");
  const first = r.open({ device: device("a") });
  const second = r.open({ device: device("b") });
  assert.deepEqual([first.results, second.results], [[], []]);
  r.router.release();
  // The one that comes second is over the bound.
  assert.ok(first.results[0]!.ok);
  assert.equal(codeOf(second.results), "limit_reached");
  assert.equal(detached(r).length, 1);
  assert.equal(r.edge.gauges().sessions, 1);
});

Deno.test("open does not count the session of a device that the shard is to end (A11)", () => {
  const r = rig({ sessionsPerAccountMax: 2 });
  r.start({ device: device("a") });
  r.start({ device: device("b") });
  const ends = device("a");
  assert.equal(codeOf(r.open({ device: device("c"), ends: device("d") }).results), "limit_reached");
  assert.ok(r.open({ device: device("c"), ends }).results[0]!.ok);
  const { input } = r.router.asked.findLast(({ op }) => op === "session.attach")!;
  assert.equal((input as Ops["session.attach"]["in"]).ends, ends);
});

Deno.test("open refuses with a wait when the node has as many sessions as it may", () => {
  const r = rig({ sessionsMax: 1 });
  const { session } = r.start();
  const [refused] = r.open({ user: name("bob") }).results;
  assert.ok(refused !== undefined && !refused.ok && refused.code === "busy");
  assert.ok((refused.retryAfterMs ?? 0) >= 1000);
  session.end("signed_out");
  assert.ok(r.open({ user: name("bob") }).results[0]!.ok);
});

Deno.test("open hands the shard's refusal on and keeps no session", () => {
  const r = rig();
  r.router.failing.set("session.attach", fail("unauthorized", "no such token"));
  const opening = r.open();
  assert.deepEqual(opening.results, [fail("unauthorized", "no such token")]);
  assert.equal(r.edge.gauges().sessions, 0);
  assert.deepEqual(detached(r), []);
  // The sink stays the caller's, to say why.
  assert.equal(opening.sink.closed, null);
});

Deno.test("open detaches where it cannot know whether the shard has attached", () => {
  const r = rig();
  r.router.failing.set("session.attach", fail("unavailable", "lost", 1000));
  r.open();
  assert.deepEqual(detached(r), [askedSession(r)]);
});

Deno.test("packets that overtake the attach answer are not lost", () => {
  const r = rig();
  r.router.held.add("session.attach");
  const opening = r.open();
  const id = askedSession(r);
  r.router.append("alice", ["one"]);
  r.deliver({
    kind: "events",
    owner: name("alice"),
    sinceMs: 0,
    sessions: [id],
    events: r.router.append("alice", ["two"]),
  });
  r.router.online.set("carol", on("dnd"));
  const target = { name: name("carol"), id: idOf("carol") };
  r.deliver({ kind: "watch", sessions: [id], target });
  // The answer was made before either.
  const seqThen = r.router.seq;
  r.router.seq = () => 1;
  r.router.release();
  r.router.seq = seqThen;
  const { session, seq } = opened(opening);
  assert.equal(seq, 1);
  session.start();
  r.time.runFor(1000);
  assert.deepEqual(opening.sink.of("message").map((event) => event["seq"]), [2]);
  assert.deepEqual(opening.sink.of("presence").map((event) => event["user"]), ["carol"]);
});

Deno.test("a session that is closed while attaching is refused, detached and gone", () => {
  const r = rig();
  r.router.held.add("session.attach");
  const opening = r.open();
  const id = askedSession(r);
  r.deliver({ kind: "closed", sessions: [id], reason: "replaced" });
  assert.equal(r.edge.gauges().sessions, 0);
  assert.deepEqual(opening.results, []);
  assert.deepEqual(detached(r), [], "the detach must not overtake the attach");
  r.router.release();
  assert.equal(codeOf(opening.results), "conflict");
  assert.deepEqual(detached(r), [id]);
  assert.equal(r.edge.session(id), null);
});

Deno.test("a session that is not attached yet cannot be found or taken up", () => {
  const r = rig();
  r.router.held.add("session.attach");
  r.open();
  const id = askedSession(r);
  assert.equal(r.edge.session(id), null);
  assert.equal(r.edge.find(id, name("alice"), device("phone")), null);
  r.open({ resume: id });
  assert.equal(r.router.count("session.attach"), 2);
});

Deno.test("find wants the same user and device", () => {
  const r = rig();
  const { session } = r.start();
  assert.equal(r.edge.find(session.id, name("alice"), device("phone")), session);
  assert.equal(r.edge.find(session.id, name("bob"), device("phone")), null);
  assert.equal(r.edge.find(session.id, name("alice"), device("desk")), null);
});

Deno.test("closed packets end a session in the same turn, without detaching it", () => {
  for (const reason of ["replaced", "revoked", "expired"] as const) {
    const r = rig();
    const { session, sink } = r.start();
    assert.equal(r.deliver({ kind: "closed", sessions: [session.id], reason }), 1);
    assert.deepEqual(sink.closed, { reason, retryAfterMs: undefined });
    assert.equal(r.edge.session(session.id), null);
    assert.equal(r.router.count("session.detach"), 0);
  }
});

Deno.test("a session ends within a second of its token", () => {
  const r = rig();
  r.router.expiresAt = r.time.global.clock.wallMs() + 3_600_000 * 5 + 123;
  const { session, sink } = r.start();
  r.time.runUntil(3_600_000 * 5 + 122);
  assert.equal(sink.closed, null);
  r.time.runFor(1001);
  assert.equal(sink.reason(), "expired");
  assert.deepEqual(detached(r), [session.id]);
  assert.equal(r.counters.ended.expired, 1);
});

Deno.test("a session ends soon after its token where the wall clock has jumped ahead", () => {
  const r = rig();
  const { sink } = r.start();
  r.time.global.jumpWall(EXPIRES_AT);
  r.time.runFor(3_600_000);
  assert.equal(sink.reason(), "expired");
});

Deno.test("end closes the sink, detaches, and is done once", () => {
  const r = rig();
  const { session, sink } = r.start();
  session.end("signed_out");
  session.end("expired");
  session.lost(sink);
  r.push(session, ["too late"]);
  r.time.runFor(60_000);
  assert.equal(sink.reason(), "signed_out");
  assert.deepEqual(detached(r), [session.id]);
  assert.deepEqual(sink.frames, []);
  assert.deepEqual([r.counters.ended.signed_out, r.counters.ended.expired], [1, 0]);
});

Deno.test("a detach is repeated until the shard has heard it", () => {
  const r = rig();
  const { session } = r.start();
  r.router.failing.set("session.detach", fail("unavailable", "lost"));
  session.end("signed_out");
  r.time.runFor(60_000);
  const tries = r.router.count("session.detach");
  assert.ok(tries >= 4 && tries <= 12, `${tries} tries in a minute`);
  assert.equal(r.edge.gauges().detaching, 1);
  r.router.failing.delete("session.detach");
  r.time.runFor(60_000);
  assert.equal(r.edge.gauges().detaching, 0);
  const done = r.router.count("session.detach");
  r.time.runFor(600_000);
  assert.equal(r.router.count("session.detach"), done);
});

Deno.test("drain sends everybody away spread over the time, with a jittered wait", () => {
  const r = rig();
  const sinks = ["a", "b", "c", "d", "e", "f", "g", "h"].map((user) =>
    r.start({ user: name(user) }).sink
  );
  const parked = poll(r.start({ sink: null }).session);
  let done = false;
  r.edge.drain({ spreadMs: 400, retryAfterMs: 10_000 }, () => done = true);
  const closedNow = () => sinks.filter((sink) => sink.closed !== null).length;
  r.time.runFor(0);
  assert.ok(closedNow() > 0 && closedNow() < 8, `${closedNow()} closed at once`);
  assert.equal(codeOf(r.open({ user: name("late") }).results), "busy");
  r.time.runFor(450);
  assert.equal(closedNow(), 8);
  assert.ok(done);
  const waits = sinks.map((sink) => sink.closed!.retryAfterMs!);
  assert.ok(waits.every((ms) => ms >= 5000 && ms <= 15_000), `${waits}`);
  assert.equal(new Set(waits).size, 8);
  assert.equal(codeOf(parked.answers), "busy");
  assert.equal(r.router.count("session.detach"), 9);
});

Deno.test("drain is done with no sessions, and does not wait for a silent shard for ever", () => {
  const empty = rig();
  let done = 0;
  empty.edge.drain({ spreadMs: 1000, retryAfterMs: 1000 }, () => done++);
  assert.equal(done, 1);
  const r = rig();
  r.start();
  r.router.held.add("session.detach" satisfies OpName);
  r.edge.drain({ spreadMs: 0, retryAfterMs: 1000 }, () => done++);
  r.time.runFor(1000);
  assert.equal(done, 1);
  r.time.runFor(5000);
  assert.equal(done, 2);
});

Deno.test("signals reach the named sessions that have a transport, and no others", () => {
  const r = rig();
  const alice = r.start();
  const other = r.start({ device: device("desk") });
  const lost = r.start({ device: device("lost") });
  lost.session.lost(lost.sink);
  const signal = {
    kind: "signal" as const,
    from: name("bob"),
    fromDevice: device("d"),
    type: "typing",
    body: "",
    id: "",
  };
  r.deliver({ ...signal, sessions: [alice.session.id, lost.session.id] });
  r.time.runFor(0);
  assert.deepEqual(alice.sink.events(), [
    { k: "signal", from: "bob", device: "d", type: "typing" },
  ]);
  assert.deepEqual([...other.sink.frames, ...lost.sink.frames], []);
  assert.equal(r.counters.signalsDropped, 1);
  assert.equal(r.deliver({ ...signal, sessions: ["nobody" as SessionId] }), 0);
});

Deno.test("gauges count lost, polled and behind sessions and the bytes that wait", () => {
  const r = rig({ outboxBytesMax: 1000 });
  r.start({ user: name("polled"), sink: null });
  const lost = r.start({ user: name("lost") });
  lost.session.lost(lost.sink);
  const slow = r.start();
  slow.sink.taking = false;
  r.push(slow.session, ["x".repeat(600)]);
  r.time.runFor(0);
  r.push(slow.session, ["x".repeat(600)]);
  const { sessions, lost: isLost, polling, behind, outboxBytes, outboxBytesTop } = r.edge.gauges();
  assert.deepEqual({ sessions, isLost, polling, behind }, {
    sessions: 3,
    isLost: 1,
    polling: 1,
    behind: 1,
  });
  assert.equal(outboxBytes, slow.sink.bufferedBytes());
  assert.equal(outboxBytesTop, outboxBytes);
  assert.ok(outboxBytes > 600);
});
