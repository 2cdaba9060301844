/** What the ends of sessions are counted as, and whose sessions are counted. */
import assert from "node:assert/strict";
import { fail } from "../../shard/errors.ts";
import { newEdgeCounters, SESSION_ENDS } from "../../server/edge/types.ts";
import { codeOf, device, name, opened, poll, type Rig, rig } from "./edge_fixture.ts";

/** The reasons that have been counted, with how often. */
function ends({ counters }: Rig): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(counters.ended).filter(([, count]) => count > 0));
}

/** A session whose reader takes nothing from now on, with more sent to it than there is room. */
function stalledSession(r: Rig) {
  const { session, sink } = r.start();
  sink.taking = false;
  for (let i = 0; i < 10; i++) {
    r.push(session, ["x".repeat(300)]);
    r.time.runFor(10);
  }
  return { session, sink };
}

Deno.test("newEdgeCounters has a count for each reason a session can end for", () => {
  assert.deepEqual(Object.keys(newEdgeCounters().ended), [...SESSION_ENDS]);
});

Deno.test("an end is counted once, by the reason that came first", () => {
  const r = rig();
  const { session } = r.start();
  session.end("signed_out");
  r.deliver({ kind: "closed", sessions: [session.id], reason: "revoked" });
  r.time.runFor(60_000);
  assert.deepEqual(ends(r), { signed_out: 1 });
});

Deno.test("ends that shards ask for are counted by the shard's reason", () => {
  const r = rig();
  for (const reason of ["replaced", "revoked", "revoked"] as const) {
    r.deliver({ kind: "closed", sessions: [r.start().session.id], reason });
  }
  assert.deepEqual(ends(r), { replaced: 1, revoked: 2 });
});

Deno.test("a session that nobody takes up again within the grace counts as lost", () => {
  const r = rig({ graceMs: 10_000 });
  const { session, sink } = r.start();
  session.lost(sink);
  r.time.runFor(8000);
  assert.deepEqual(ends(r), {}, "its grace is not over");
  r.time.runFor(4000);
  assert.deepEqual(ends(r), { lost: 1 });
});

Deno.test("a session whose reader stalled and did not return counts as slow", () => {
  const r = rig({ outboxBytesMax: 1000, stalledMs: 5000, graceMs: 10_000 });
  const { session, sink } = stalledSession(r);
  r.time.runFor(7000);
  assert.ok(sink.terminated);
  // The transport notices as well, as for every connection that is gone.
  session.lost(sink);
  r.time.runFor(12_000);
  assert.deepEqual(ends(r), { slow: 1 });
});

Deno.test("a stalled session that returned and then broke counts as lost", () => {
  const r = rig({ outboxBytesMax: 1000, stalledMs: 5000, graceMs: 10_000 });
  const { session } = stalledSession(r);
  r.time.runFor(7000);
  const again = r.start({ resume: session.id });
  assert.equal(again.session, session);
  session.lost(again.sink);
  r.time.runFor(12_000);
  assert.deepEqual(ends(r), { lost: 1 });
});

Deno.test("a session that is polled no more counts as idle, even if it once stalled", () => {
  const r = rig({ outboxBytesMax: 1000, stalledMs: 5000, graceMs: 10_000 });
  r.start({ sink: null, user: name("bob") });
  const { session } = stalledSession(r);
  r.time.runFor(7000);
  poll(session, { waitMs: 0 });
  r.time.runFor(12_000);
  assert.deepEqual(ends(r), { idle: 2 });
});

Deno.test("sessions of a node that goes away count as shutdown, those of old tokens as expired", () => {
  const r = rig();
  r.router.expiresAt = r.time.global.clock.wallMs() + 3_600_000;
  r.start({ user: name("bob") });
  r.time.runFor(3_601_000);
  r.router.expiresAt += 7_200_000;
  r.start();
  r.start({ device: device("desk") });
  r.edge.drain({ spreadMs: 0, retryAfterMs: 1000 }, () => {});
  r.time.runFor(1000);
  assert.deepEqual(ends(r), { expired: 1, shutdown: 2 });
});

Deno.test("all opened sessions are either live or counted as ended", () => {
  const r = rig({ graceMs: 1000 });
  r.router.failing.set("session.attach", fail("unauthorized", "no such token"));
  r.open();
  r.router.failing.clear();
  r.router.held.add("session.attach");
  r.open();
  const early = r.router.asked.at(-1)!.input as { readonly session: never };
  r.deliver({ kind: "closed", sessions: [early.session], reason: "replaced" });
  r.router.release();
  r.router.held.clear();
  assert.deepEqual([r.counters.opened, ends(r)], [0, {}], "neither was ever open");
  r.start();
  const gone = opened(r.open({ device: device("desk") }));
  gone.session.end("signed_out");
  const { sessions } = r.edge.gauges();
  const ended = Object.values(ends(r)).reduce((sum, count) => sum + count, 0);
  assert.deepEqual([r.counters.opened, sessions, ended], [2, 1, 1]);
});

Deno.test("gauges count users once, and the load tool's apart", () => {
  const r = rig();
  r.start();
  r.start({ device: device("desk") });
  r.start({ user: name("roost.fan") });
  const pooled = name("roost.dark.000001");
  r.start({ user: pooled });
  r.start({ user: pooled, device: device("poll"), sink: null });
  const lost = r.start({ user: name("roost.dark.000002") });
  lost.session.lost(lost.sink);
  const gauges = r.edge.gauges();
  const { users, sessions, lost: isLost, polling } = gauges;
  assert.deepEqual({ users, sessions, isLost, polling }, {
    users: 4,
    sessions: 6,
    isLost: 1,
    polling: 1,
  });
  const { syntheticUsers, syntheticSessions, syntheticLost, syntheticPolling } = gauges;
  const synthetic = [syntheticUsers, syntheticSessions, syntheticLost, syntheticPolling];
  assert.deepEqual(synthetic, [2, 3, 1, 1]);
});

Deno.test("11: a client that is sent away may return within the grace, and counts as lost after it", () => {
  const r = rig();
  const { session, sink } = r.start();
  const polled = r.start({ user: name("bob"), sink: null });
  const parked = poll(polled.session, {});
  let done = false;
  r.edge.sendAway({ spreadMs: 0, retryAfterMs: 1000 }, () => done = true);
  assert.deepEqual([done, sink.reason(), codeOf(parked.answers)], [true, "shutdown", "busy"]);
  assert.equal(codeOf(poll(polled.session, {}).answers), "not_found");
  assert.equal(codeOf(r.open({ resume: session.id }).results), "busy");
  r.edge.takeBack();
  assert.equal(opened(r.open({ resume: session.id })).resumed, true);
  assert.deepEqual(ends(r), {});
  r.time.runFor(20_000);
  assert.deepEqual(ends(r), { lost: 1 });
});

Deno.test("11: a node that stops leaves its sessions to one that begins while its clients are sent away", () => {
  const r = rig();
  r.start();
  r.start({ user: name("bob") });
  let linked = false;
  let done = false;
  const plan = { spreadMs: 100, retryAfterMs: 1000, leaving: () => linked };
  r.edge.drain(plan, () => done = true);
  linked = true;
  r.time.runFor(200);
  const detached = r.router.asked.filter(({ op }) => op === "session.detach");
  const left = detached.map(({ input }) => (input as { readonly leaving?: true }).leaving);
  assert.deepEqual([done, left, ends(r)], [true, [true, true], {}]);
});

Deno.test("11: a node that stops leaves its sessions to others: it detaches none, and announces all", () => {
  const r = rig();
  r.start();
  let done = false;
  r.edge.drain({ spreadMs: 0, retryAfterMs: 1000, leaving: () => true }, () => done = true);
  r.time.runFor(100);
  const { input } = r.router.asked.find(({ op }) => op === "session.detach")!;
  assert.equal((input as { readonly leaving?: true }).leaving, true);
  assert.deepEqual([done, r.edge.gauges().sessions, ends(r)], [true, 1, {}]);
  r.deliver({ kind: "announce", lo: 0, hi: 2 ** 32, epoch: 2 });
  r.time.runFor(100);
  assert.equal(r.router.asked.at(-1)!.op, "session.attach");
});
