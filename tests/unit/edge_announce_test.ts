/** What an edge does when a shard has another owner: it announces sessions, then interests. */
import assert from "node:assert/strict";
import { ANNOUNCE_STEP, ANNOUNCE_STEP_MS } from "../../server/edge/announcer.ts";
import { codeOf, device, idOf, name, on, presenceOf, type Rig, rig } from "./edge_fixture.ts";
import { fail } from "../../shard/errors.ts";
import type { Ops } from "../../shard/ops.ts";
import { POINT_SPACE, pointOf } from "../../shard/name/ids.ts";

/** Every shard has another owner. */
function takeOver(r: Rig, epoch = r.router.epoch + 1): void {
  r.router.epoch = epoch;
  r.router.version = 1;
  r.deliver({ kind: "announce", lo: 0, hi: POINT_SPACE, epoch });
}

const attaches = (r: Rig) =>
  r.router.asked.filter(({ op }) => op === "session.attach")
    .map(({ input }) => input as Ops["session.attach"]["in"])
    .filter(({ announced }) => announced === true);

function withBob(): Rig {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.router.online.set("bob", on("away"));
  return r;
}

Deno.test("announce attaches sessions with their present presence, then says so, then asks again", () => {
  const r = withBob();
  const { session, sink } = r.start();
  session.present(presenceOf("dnd", "busy"), () => {});
  r.time.runFor(1000);
  const frames = sink.frames.length;
  const asked = r.router.interests.length;
  r.router.held.add("session.attach");
  takeOver(r);
  assert.deepEqual(attaches(r).map((a) => [a.session, a.presence]), [
    [session.id, presenceOf("dnd", "busy")],
  ]);
  // Before all sessions are known, the shard has nothing to say.
  assert.deepEqual([r.router.announcements.length, r.router.interests.length], [0, asked]);
  r.router.release();
  assert.deepEqual(r.router.announcements, [[0, POINT_SPACE, 2]]);
  const items = r.router.interests.slice(asked).flat();
  assert.deepEqual(items.map((i) => i.watched), ["bob"]);
  r.time.runFor(1000);
  assert.equal(sink.frames.length, frames, "nobody notices");
});

Deno.test("announce: what has changed meanwhile is shown, with a lower version of a higher epoch", () => {
  const r = withBob();
  const { sink } = r.start();
  for (let i = 0; i < 5; i++) r.presence("bob", on("away", `${i}`));
  r.time.runFor(100);
  r.router.online.set("bob", on("dnd", "new"));
  const old = { ...r.router, kind: "presence", sinceMs: 0, lastSeen: 0, devices: [] } as const;
  takeOver(r);
  r.time.runFor(100);
  assert.equal(sink.of("presence").at(-1)?.["status"], "new");
  const { epoch, version } = old;
  const late = { ...old, epoch: epoch - 1, version: version + 99 };
  assert.equal(r.deliver({ ...late, watched: name("bob"), watchedId: idOf("bob") }), 0);
  r.time.runFor(100);
  assert.equal(sink.of("presence").at(-1)?.["status"], "new");
});

Deno.test("announce: sessions catch up with what was committed meanwhile", () => {
  const r = withBob();
  const { session, sink } = r.start();
  r.router.append("alice", ["one", "two"]);
  takeOver(r);
  r.time.runFor(1000);
  assert.deepEqual(sink.of("message").map((event) => event["body"]), ["one", "two"]);
  r.push(session, ["three"]);
  r.time.runFor(100);
  assert.equal(sink.of("message").length, 3);
});

Deno.test("announce: rights that have ended or begun meanwhile are taken back and asked for", () => {
  const r = withBob();
  r.router.contacts.set("alice", ["bob", "carol", "dave"]);
  for (const user of ["carol", "dave", "erin"]) r.router.online.set(user, on("chat"));
  const { sink } = r.start();
  r.time.runFor(100);
  // alice has removed bob and got erin; dave has taken back what she could see.
  r.router.contacts.set("alice", ["carol", "dave", "erin"]);
  r.router.denied.add("alice>dave");
  takeOver(r);
  r.time.runFor(1000);
  const last = (user: string) =>
    sink.of("presence").findLast((event) => event["user"] === user)?.["show"];
  assert.deepEqual(["bob", "carol", "dave", "erin"].map(last), [
    "offline",
    "chat",
    "offline",
    "chat",
  ]);
  // What was refused is asked for again by the next owner.
  r.router.denied.clear();
  takeOver(r);
  r.time.runFor(1000);
  assert.equal(last("dave"), "chat");
});

const REFUSALS = [
  ["unauthorized", "revoked"],
  ["conflict", "replaced"],
  // Its token is good in the cell that its account has moved to.
  ["moved", "shutdown"],
] as const;

Deno.test("announce: a session whose right has ended ends, one that was replaced, one that has moved", () => {
  for (const [code, reason] of REFUSALS) {
    const r = withBob();
    const { sink } = r.start();
    r.router.failing.set("session.attach", fail(code, "no"));
    takeOver(r);
    r.time.runFor(100);
    assert.equal(sink.reason(), reason);
    assert.equal(r.router.announcements.length, 1);
  }
});

Deno.test("announce is repeated until the shard has an answer, and not for an earlier owner", () => {
  const r = withBob();
  r.start();
  r.router.failing.set("session.attach", fail("unavailable", "not now"));
  takeOver(r);
  r.time.runFor(3000);
  assert.ok(attaches(r).length > 2);
  assert.deepEqual(r.router.announcements, []);
  r.router.failing.clear();
  takeOver(r);
  r.time.runFor(60_000);
  assert.deepEqual(r.router.announcements, [[0, POINT_SPACE, 3]]);
});

Deno.test("announce goes on at a bounded rate, sessions that come meanwhile included", () => {
  const r = rig({ sessionsMax: 10_000 });
  const count = ANNOUNCE_STEP * 2 + 10;
  for (let i = 0; i < count; i++) r.start({ user: name(`user${i}`), device: device("phone") });
  takeOver(r);
  assert.equal(attaches(r).length, ANNOUNCE_STEP);
  const late = r.open({ user: name("late") });
  assert.equal(codeOf(late.results), "ok");
  r.time.runFor(ANNOUNCE_STEP_MS);
  assert.equal(attaches(r).length, ANNOUNCE_STEP * 2);
  assert.deepEqual(r.router.announcements, []);
  r.time.runFor(ANNOUNCE_STEP_MS);
  assert.equal(attaches(r).length, count);
  assert.equal(r.router.announcements.length, 1);
});

Deno.test("announce concerns the points of one shard only", () => {
  const r = withBob();
  r.start();
  r.router.epoch = 2;
  r.deliver({ kind: "announce", lo: 0, hi: 1, epoch: 2 });
  assert.deepEqual(attaches(r), []);
  assert.deepEqual(r.router.announcements, [[0, 1, 2]]);
});

Deno.test("announce: where a shard was split meanwhile, the new owner of a part leaves the rest", () => {
  const r = withBob();
  const { sink } = r.start();
  r.time.runFor(1000);
  r.router.held.add("session.attach");
  r.router.epoch = 2;
  r.deliver({ kind: "announce", lo: 0, hi: POINT_SPACE, epoch: 2, lossy: true });
  // The part has neither alice nor bob.
  const points = ["alice", "bob"].map((user) => pointOf(name(user)));
  const [lo, hi] = [Math.min(...points) + 1, Math.max(...points)];
  r.deliver({ kind: "announce", lo, hi, epoch: 3, lossy: true });
  r.router.release();
  r.time.runFor(1000);
  assert.deepEqual(
    r.router.announcements.toSorted(([a], [b]) => a - b),
    [[0, lo, 2], [lo, hi, 3], [hi, POINT_SPACE, 2]],
  );
  r.router.version = 9;
  r.presence("bob", on("dnd", "new"));
  r.time.runFor(1000);
  assert.equal(sink.of("presence").at(-1)?.["status"], "new");
});

Deno.test("announce: a session that ends meanwhile is detached after its announcement is taken", () => {
  for (const answer of ["taken", "unknown"] as const) {
    const r = withBob();
    const { session } = r.start();
    r.time.runFor(1000);
    r.router.held.add("session.attach");
    takeOver(r);
    session.end("signed_out");
    r.time.runFor(1000);
    const detaches = () => r.router.asked.filter(({ op }) => op === "session.detach").length;
    const before = detaches();
    if (answer === "unknown") r.router.failing.set("session.attach", fail("unavailable", "?"));
    r.router.release();
    r.time.runFor(1000);
    assert.equal(detaches(), before + 1, answer);
  }
});

Deno.test("announce: whom a session may see by now is asked again, though only its own shard was taken over", () => {
  const r = withBob();
  r.router.denied.add("alice>bob");
  const { sink } = r.start();
  r.time.runFor(1000);
  assert.equal(sink.of("presence").length, 0);
  // That he may be seen was lost with the former owner.
  r.router.denied.clear();
  const lo = pointOf(name("alice"));
  r.deliver({ kind: "announce", lo, hi: lo + 1, epoch: 2 });
  r.time.runFor(1000);
  assert.equal(sink.of("presence").at(-1)?.["user"], "bob");
});

/** While it is asked for bob, alice gives him up: her shard says so, or when it is announced to. */
const GIVEN_UP: readonly ((r: Rig) => void)[] = [
  (r) => {
    r.deliver({ kind: "revoke", watched: name("bob"), watcher: name("alice"), lastSeen: null });
  },
  (r) => {
    const lo = pointOf(name("alice"));
    r.deliver({ kind: "announce", lo, hi: lo + 1, epoch: 2 });
    r.time.runFor(100);
  },
];

Deno.test("announce: who is given up while it is asked for is not asked for again, whatever the answer", () => {
  for (const giveUp of GIVEN_UP) {
    for (const answer of ["seen", "refused", "blocked", "blocked again"]) {
      for (const before of ["seen", "refused", "asked"]) {
        const r = withBob();
        if (before === "refused") r.router.denied.add("alice>bob");
        if (before === "asked") r.router.held.add("interest");
        const { sink } = r.start();
        r.time.runFor(1000);
        r.router.denied.clear();
        r.router.held.add("interest");
        const lo = pointOf(name("bob"));
        if (before !== "asked") r.deliver({ kind: "announce", lo, hi: lo + 1, epoch: 2 });
        r.time.runFor(100);
        r.router.contacts.set("alice", []);
        giveUp(r);
        if (answer !== "seen") r.router.denied.add("alice>bob");
        if (answer.startsWith("blocked")) r.router.frozen.set("alice>bob", 7000);
        if (answer === "blocked again") {
          const about = { watched: name("bob"), watcher: name("alice"), lastSeen: 7000 };
          r.deliver({ kind: "revoke", ...about });
        }
        r.router.release("interest");
        const asked = r.router.interests.length;
        r.router.denied.clear();
        r.deliver({ kind: "announce", lo, hi: lo + 1, epoch: 3 });
        r.router.release("interest");
        r.time.runFor(1000);
        const which = `${before}, then ${answer}`;
        assert.equal(r.router.interests.length, asked, which);
        const shows = sink.of("presence").map(({ show }) => show);
        // One who asked for so long was shown him as pending.
        const seen = { seen: ["away", "offline"], refused: [], asked: ["offline"] }[before];
        assert.deepEqual(shows, seen, which);
      }
    }
  }
});

Deno.test("a session that its shard does not know is attached again, with the presence that was refused", () => {
  const r = withBob();
  const { session, sink } = r.start();
  const results: string[] = [];
  const present = (show: "dnd" | "away" | "xa") =>
    session.present(presenceOf(show), (result) => results.push(result.ok ? "ok" : result.code));
  r.router.failing.set("presence.set", fail("unauthorized", "The session has ended"));
  r.router.held.add("session.attach").add("presence.set");
  present("dnd");
  present("away");
  r.router.release("presence.set");
  assert.deepEqual([results, attaches(r).map((a) => a.presence)], [["unavailable"], [
    presenceOf("dnd"),
  ]]);
  r.router.failing.delete("presence.set");
  r.router.append("alice", ["one"]);
  r.router.release("session.attach");
  r.router.release("presence.set");
  r.time.runFor(100);
  assert.deepEqual([results, attaches(r).length], [["unavailable", "ok"], 1]);
  assert.equal(sink.of("message").length, 1, "it has what it was not told of");
  // One that may not be attached any more ends.
  r.router.failing.set("presence.set", fail("unauthorized", "The session has ended"));
  r.router.failing.set("session.attach", fail("unauthorized", "The token is not valid"));
  present("xa");
  r.router.release("presence.set");
  r.router.release("session.attach");
  assert.deepEqual([attaches(r).length, sink.reason()], [2, "revoked"]);
});
