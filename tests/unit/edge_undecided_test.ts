/** Contacts of whom nobody has said in time whether they are online: clients do not take them for offline. */
import assert from "node:assert/strict";
import type { InterestAnswer, InterestItem } from "../../shard/edge_packet.ts";
import { newEdgeCounters } from "../../server/edge/types.ts";
import type { Watched, Watcher } from "../../server/edge/watched.ts";
import { Watchers } from "../../server/edge/watchers.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import { batch, idOf, MAILBOX, name, on, opened, poll, rig } from "./edge_fixture.ts";
import type { FakeSink, Rig, Wire } from "./edge_fixture.ts";

/** Alice, whose contact bob is of a cell that has not replied. */
function withBob() {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.router.undecided.add("bob");
  return r;
}

const brief = (events: readonly Wire[]) =>
  events.filter(({ k }) => String(k).startsWith("presence")).map(({ k, show, lastSeen, unknown }) =>
    [k === "presence_pending" ? "pending" : show, lastSeen, unknown].filter(Boolean).join(" ")
  );
const seen = (sink: FakeSink) => brief(sink.events());

/** Bob's home replies. */
function replies(r: Rig): void {
  r.router.undecided.delete("bob");
  const about = { watched: name("bob"), watchedId: idOf("bob"), watcher: name("alice") };
  r.deliver({ kind: "ask_again", ...about });
  r.time.runFor(100);
}

/** Nobody has heard of bob's cell for long. */
function unknown(r: Rig): number {
  const count = r.deliver({ kind: "unknown", watched: name("bob"), watchedId: idOf("bob") });
  r.time.runFor(100);
  return count;
}

Deno.test("a contact whose home has not replied is pending from the first frame on, then as it is", () => {
  const cases: readonly [string, (r: Rig) => void, string][] = [
    ["online", (r) => r.router.online.set("bob", on("away")), "away"],
    ["never seen online", () => {}, "offline"],
    ["offline", (r) => r.router.lastSeen.set("bob", 5000), "offline 5000"],
    ["refused", (r) => r.router.denied.add("alice>bob"), "offline"],
    ["blocked", (r) => {
      r.router.denied.add("alice>bob");
      r.router.frozen.set("alice>bob", 7000);
    }, "offline 7000"],
  ];
  for (const [what, reply, shown] of cases) {
    const r = withBob();
    const { sink } = r.start();
    assert.deepEqual(seen(sink), ["pending"], what);
    r.time.runFor(5000);
    reply(r);
    replies(r);
    replies(r);
    assert.deepEqual(seen(sink), ["pending", shown], what);
    r.presence("bob", on("online"));
    r.time.runFor(100);
    const denied = r.router.denied.size > 0;
    assert.deepEqual(seen(sink).slice(2), denied ? [] : ["online"], what);
  }
});

Deno.test("who is decided before the first frame leaves is never pending", () => {
  const r = withBob();
  const opening = r.open();
  const { session } = opened(opening);
  session.start();
  replies(r);
  assert.deepEqual(seen(opening.sink), []);
  r.router.undecided.add("bob");
  const second = r.open({ device: "tablet" as never });
  opened(second).session.start();
  r.router.online.set("bob", on("away"));
  r.router.version++;
  replies(r);
  assert.deepEqual(seen(second.sink), ["away"]);
});

Deno.test("shards that do not answer within a second leave contacts pending, not offline", () => {
  const r = rig();
  r.router.contacts.set("alice", ["bob", "carol"]);
  r.router.online.set("bob", on("away"));
  r.router.held.add("interest");
  const { sink } = r.start();
  r.time.runFor(900);
  assert.deepEqual(seen(sink), []);
  r.time.runFor(300);
  assert.deepEqual(seen(sink), ["pending", "pending"]);
  r.router.release("interest");
  r.time.runFor(100);
  assert.deepEqual(seen(sink).slice(2), ["away", "offline"]);
  r.time.runFor(5000);
  assert.deepEqual(seen(sink).length, 4);
});

Deno.test("one's own other devices are pending, too, where nobody answers", () => {
  const r = rig();
  r.router.contacts.set("alice", ["alice"]);
  r.router.held.add("interest");
  const { sink } = r.start();
  r.time.runFor(1200);
  assert.deepEqual(seen(sink), ["pending"]);
  r.router.online.set("alice", on("online", "", "phone"));
  r.router.release("interest");
  r.time.runFor(100);
  assert.deepEqual(seen(sink), ["pending", "offline"]);
});

Deno.test("a pending contact whose cell is away for long is unknown", () => {
  const r = withBob();
  const { sink } = r.start();
  assert.equal(unknown(r), 1);
  assert.equal(unknown(r), 0);
  assert.deepEqual(seen(sink), ["pending", "offline true"]);
  r.router.online.set("bob", on("away"));
  replies(r);
  assert.deepEqual(seen(sink).slice(2), ["away"]);
  assert.equal(unknown(r), 1);
  assert.deepEqual(seen(sink).slice(3), ["offline true"]);
});

Deno.test("who was unknown before anything was sent is shown as it is at last", () => {
  const r = withBob();
  const opening = r.open();
  opened(opening).session.start();
  assert.equal(r.deliver({ kind: "unknown", watched: name("bob"), watchedId: idOf("bob") }), 1);
  r.time.runFor(100);
  replies(r);
  assert.deepEqual(seen(opening.sink), ["offline true", "offline"]);
});

Deno.test("one who has blocked the watcher stays as that saw it while its cell is away", () => {
  const r = withBob();
  r.router.undecided.clear();
  r.router.denied.add("alice>bob");
  r.router.frozen.set("alice>bob", 7000);
  const { sink } = r.start();
  r.router.undecided.add("bob");
  const about = { watched: name("bob"), watchedId: idOf("bob"), watcher: name("alice") };
  r.deliver({ kind: "ask_again", ...about });
  r.time.runFor(2000);
  assert.deepEqual(seen(sink), ["offline 7000"]);
});

Deno.test("only those are pending late of whom shards have said nothing", () => {
  const { clock, timers } = new VirtualTime().global;
  let answer = (_: readonly InterestAnswer[]) => {};
  const router = {
    interest: (_: readonly InterestItem[], done: typeof answer) => answer = done,
    uninterest: () => {},
  };
  const deps = { router, clock, timers, counters: newEdgeCounters() };
  const watchers = new Watchers(deps as never);
  const shown: string[] = [];
  const show = (what: string) => (user: Watched) => void shown.push(`${what} ${user.name}`);
  const alice: Watcher = {
    user: name("alice"),
    userId: idOf("alice"),
    watched: [],
    frozen: null,
    refused: null,
    undecided: null,
    alive: true,
    presenceChanged: (user, news) => show(user.pending ? "pending" : news)(user),
    presenceRevoked: show("revoked"),
    presenceFrozen: (_, user) => show("frozen")(user),
    presenceThawed: show("thawed"),
  };
  const names = ["seen", "refused", "blocked", "silent"];
  const targets = names.map((user) => ({ name: name(user), id: idOf(user) }));
  watchers.register([alice], targets, () => {});
  const of = (user: string) => ({ watcher: alice.user, watched: name(user), lastSeen: null });
  const presence = { watchedId: idOf("seen"), epoch: 1, version: 1, devices: [], lastSeen: 1 };
  answer([
    { ...of("seen"), presence },
    { ...of("refused"), presence: null },
    { ...of("blocked"), presence: null, lastSeen: 5 },
  ]);
  assert.deepEqual(shown.splice(0), ["first seen", "frozen blocked"]);
  watchers.late(alice);
  watchers.late(alice);
  assert.deepEqual(shown, ["pending silent"]);
});

Deno.test("a session that is taken up again learns again who is pending, or unknown", () => {
  for (const away of [false, true]) {
    const r = withBob();
    const { session, sink } = r.start();
    r.time.runFor(1000);
    session.lost(sink);
    if (away) unknown(r);
    const again = r.open({ resume: session.id, cursor: { mailboxId: MAILBOX, seq: 0 } });
    opened(again).session.start();
    r.time.runFor(100);
    assert.deepEqual(seen(again.sink), [away ? "offline true" : "pending"]);
    replies(r);
    assert.deepEqual(seen(again.sink).slice(1), ["offline"]);
  }
});

Deno.test("a poll that has not arrived tells it again", () => {
  const r = withBob();
  const { session } = r.start({ sink: null });
  assert.deepEqual(brief(batch(poll(session, { seq: 0 })).events), ["pending"]);
  assert.deepEqual(brief(batch(poll(session, { seq: 0 })).events), ["pending"]);
});

Deno.test("a pending contact that is given up, or a session that has ended, is shown nothing more", () => {
  const r = withBob();
  const { session, sink } = r.start();
  r.deliver({ kind: "revoke", watched: name("bob"), watcher: name("alice"), lastSeen: null });
  r.time.runFor(100);
  assert.deepEqual(seen(sink), ["pending", "offline"]);
  assert.equal(unknown(r), 0);
  replies(r);
  assert.deepEqual(seen(sink).length, 2);
  session.end("signed_out" as never);
  const other = withBob();
  other.start().session.end("signed_out" as never);
  assert.equal(unknown(other), 0);
});
