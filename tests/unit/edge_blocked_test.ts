import assert from "node:assert/strict";
import { POINT_SPACE } from "../../shard/name/ids.ts";
import type { WatchTarget } from "../../shard/ops.ts";
import { batch, idOf, name, on, poll, type Rig, rig } from "./edge_fixture.ts";

const BLOCKED_AT = 7000;

/** Alice watches bob, who is online, and carol. */
function watching(): Rig {
  const r = rig();
  r.router.contacts.set("alice", ["bob", "carol"]);
  r.router.online.set("bob", on("online"));
  r.router.online.set("carol", on("online"));
  return r;
}

/** Bob blocks alice. */
function block(r: Rig, lastSeen = BLOCKED_AT): void {
  r.router.denied.add("alice>bob");
  r.router.frozen.set("alice>bob", lastSeen);
  r.deliver({ kind: "revoke", watched: name("bob"), watcher: name("alice"), lastSeen });
}

const offline = (user: string, lastSeen = BLOCKED_AT) => ({
  k: "presence",
  user,
  show: "offline",
  lastSeen,
});
const bob: WatchTarget = { name: name("bob"), id: idOf("bob") };

Deno.test("a block and a sign-out look alike, now and at every later sign-in", () => {
  const r = watching();
  const { sink, session } = r.start();
  block(r);
  r.presence("carol", [], BLOCKED_AT);
  r.time.runFor(100);
  const told = sink.of("presence").slice(2);
  assert.deepEqual(told, [offline("bob"), offline("carol")]);
  r.presence("bob", on("dnd"));
  r.time.runFor(100);
  session.end("signed_out");
  assert.deepEqual(r.start().sink.events(), [offline("bob"), offline("carol")]);
});

Deno.test("a resumed session sees who has blocked it as signed out", () => {
  const r = watching();
  const { sink, session } = r.start();
  block(r);
  r.presence("carol", [], BLOCKED_AT);
  r.time.runFor(100);
  session.lost(sink);
  const { sink: again } = r.start({ resume: session.id });
  const events = [...again.events()].sort((a, b) => `${a["user"]}` < `${b["user"]}` ? -1 : 1);
  assert.deepEqual(events, [offline("bob"), offline("carol")]);
});

Deno.test("a session that is lost while it is blocked is notified when it resumes", () => {
  const r = watching();
  const { sink, session } = r.start();
  session.lost(sink);
  block(r);
  const { sink: again } = r.start({ resume: session.id });
  assert.deepEqual(again.events().filter((e) => e["user"] === "bob"), [offline("bob")]);
});

Deno.test("a block by who is offline already sends nothing, and is remembered", () => {
  const r = watching();
  const { sink, session } = r.start();
  r.presence("bob", [], BLOCKED_AT);
  r.time.runFor(100);
  const before = sink.frames.length;
  block(r);
  r.time.runFor(100);
  assert.equal(sink.frames.length, before);
  session.lost(sink);
  const { sink: again } = r.start({ resume: session.id });
  assert.deepEqual(again.events().filter((e) => e["user"] === "bob"), [offline("bob")]);
});

Deno.test("a block by who went offline while the session was doubted is shown", () => {
  for (const by of ["answer", "packet"]) {
    const r = watching();
    const { sink } = r.start();
    // A takeover by another node: what bob's shard has said before may be lost.
    r.router.held.add("session.attach");
    r.deliver({ kind: "announce", lo: 0, hi: POINT_SPACE, epoch: 1, lossy: true });
    r.presence("bob", [], BLOCKED_AT);
    r.time.runFor(100);
    assert.equal(sink.of("presence").length, 2, "not before it is known whether she may see it");
    if (by === "packet") block(r);
    r.router.denied.add("alice>bob");
    r.router.frozen.set("alice>bob", BLOCKED_AT);
    r.router.release();
    r.time.runFor(100);
    const told = sink.of("presence").slice(2).filter((e) => e["user"] === "bob");
    assert.deepEqual(told, [offline("bob")], by);
  }
});

Deno.test("a block stops pending presence, whatever state that was", () => {
  for (const devices of [on("away", "secret"), []]) {
    const r = watching();
    const { sink } = r.start();
    r.presence("bob", devices, devices.length === 0 ? BLOCKED_AT : 0);
    block(r);
    r.time.runFor(100);
    assert.deepEqual(sink.of("presence").slice(2), [offline("bob")]);
    assert.ok(!sink.frames.join().includes("secret"));
  }
});

Deno.test("a session that is blocked before it has asked, or while it asks, gets the same", () => {
  const asked = watching();
  asked.router.held.add("interest");
  const { sink } = asked.start();
  // The answer that is on its way was given before the block.
  asked.deliver({ kind: "revoke", ...{ watched: bob.name, watcher: name("alice"), lastSeen: 9 } });
  asked.router.release();
  asked.time.runFor(100);
  const shown = () => sink.events().filter((e) => e["user"] === "bob");
  assert.deepEqual(shown(), [offline("bob", 9)]);
  // The shard that is asked again says the same.
  asked.router.denied.add("alice>bob");
  asked.router.frozen.set("alice>bob", 9);
  asked.router.release();
  asked.time.runFor(100);
  assert.deepEqual(shown(), [offline("bob", 9)]);
  const attaching = watching();
  attaching.router.held.add("session.attach");
  const opening = attaching.open();
  block(attaching);
  attaching.router.release();
  const result = opening.results[0]!;
  assert.ok(result.ok);
  result.value.session.start();
  attaching.time.runFor(100);
  const told = opening.sink.events().filter((e) => e["user"] === "bob");
  assert.deepEqual(told, [offline("bob")]);
});

Deno.test("who is unblocked sees the user as it is, and a second block is another", () => {
  const r = watching();
  const { sink, session } = r.start();
  block(r);
  r.router.denied.clear();
  r.deliver({ kind: "watch", sessions: [session.id], target: bob });
  r.time.runFor(100);
  assert.deepEqual(sink.of("presence").slice(2).map((e) => e["show"]), ["online"]);
  block(r, 8000);
  block(r, 8000);
  r.time.runFor(100);
  assert.deepEqual(sink.of("presence").slice(3), [offline("bob", 8000)]);
});

Deno.test("a watcher that gives up who has blocked it is not told of it again", () => {
  const r = watching();
  const { sink, session } = r.start();
  block(r);
  r.time.runFor(100);
  r.deliver({ kind: "revoke", watched: bob.name, watcher: name("alice"), lastSeen: null });
  r.time.runFor(100);
  assert.deepEqual(sink.of("presence").at(-1), { k: "presence", user: "bob", show: "offline" });
  session.lost(sink);
  const { sink: again } = r.start({ resume: session.id });
  assert.deepEqual(again.events().filter((e) => e["user"] === "bob"), []);
});

Deno.test("a block of a user who is not watched shows nothing", () => {
  const r = rig();
  const { sink } = r.start();
  block(r);
  r.time.runFor(100);
  assert.deepEqual(sink.events(), []);
});

Deno.test("a poll that was not acknowledged is repeated without who has blocked meanwhile", () => {
  const r = watching();
  const { session } = r.start({ sink: null });
  const first = batch(poll(session, { seq: 0 }));
  assert.equal(first.events.length, 2);
  block(r);
  const again = batch(poll(session, { seq: 0, soft: 0 }));
  const told = again.events.filter((e) => e["user"] === "bob");
  assert.deepEqual(told, [offline("bob")]);
  r.router.denied.clear();
  r.deliver({ kind: "watch", sessions: [session.id], target: bob });
  const third = batch(poll(session, { seq: 0, soft: 0 }));
  const shows = third.events.filter((e) => e["user"] === "bob").map((e) => e["show"]);
  assert.deepEqual(shows, ["online"]);
});
