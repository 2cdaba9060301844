/** What an edge does where a withdrawal comes after the grant that followed it. */
import assert from "node:assert/strict";
import { ASK_REFUSED_MS } from "../../server/edge/announcer.ts";
import { idOf, name, on, type Rig, rig } from "./edge_fixture.ts";
import { POINT_SPACE, pointOf } from "../../shard/name/ids.ts";

const ABOUT = { watched: name("bob"), watcher: name("alice") };
const TARGET = { name: name("bob"), id: idOf("bob") };

function withBob(): Rig {
  const r = rig();
  r.router.contacts.set("alice", ["bob"]);
  r.router.online.set("bob", on("away"));
  return r;
}

/** Bob's shard withdraws the right, late. */
function revoke(r: Rig, lastSeen: number | null): void {
  r.deliver({ kind: "revoke", ...ABOUT, lastSeen, theirs: true });
}

for (const lastSeen of [null, 7000]) {
  Deno.test(`a grant that came before the withdrawal (${lastSeen}) is asked for again, once`, () => {
    const r = withBob();
    const { session, sink } = r.start();
    r.time.runFor(1000);
    r.router.held.add("interest");
    r.deliver({ kind: "watch", sessions: [session.id], target: TARGET });
    revoke(r, lastSeen);
    const before = r.router.interests.length;
    r.router.release();
    assert.equal(r.router.interests.length, before + 1);
    r.router.release();
    r.time.runFor(1000);
    assert.equal(r.router.interests.length, before + 1);
    assert.equal(sink.of("presence").at(-1)?.["show"], "away");
  });
}

Deno.test("the shard of another user does not keep a session that has not started from asking", () => {
  const r = withBob();
  const { results, sink } = r.open();
  revoke(r, null);
  const [opened] = results;
  assert.ok(opened?.ok);
  opened.value.session.start();
  r.time.runFor(1000);
  assert.equal(sink.of("presence").at(-1)?.["show"], "away");
});

Deno.test("a refusal does not make void for good what was asked after it", () => {
  const r = withBob();
  const { session, sink } = r.start();
  r.time.runFor(1000);
  const replies: ((denied: boolean) => void)[] = [];
  const interest = r.router.interest.bind(r.router);
  r.router.interest = (...asked) =>
    replies.push((denied) => {
      if (denied) r.router.denied.add("alice>bob");
      interest(...asked);
      r.router.denied.clear();
    });
  r.deliver({ kind: "ask_again", ...ABOUT, watchedId: TARGET.id });
  // The right is given again while the refusal is on its way.
  r.deliver({ kind: "watch", sessions: [session.id], target: TARGET });
  for (const denied of [true, false, false]) {
    replies.shift()!(denied);
    r.time.runFor(100);
  }
  assert.deepEqual(replies, []);
  assert.deepEqual(sink.of("presence").map(({ show }) => show), ["away", "offline", "away"]);
});

Deno.test("who was refused is asked for again where another cell may have granted it", () => {
  const r = withBob();
  r.router.denied.add("alice>bob");
  const { sink } = r.start();
  r.time.runFor(1000);
  const before = r.router.interests.length;
  r.router.denied.clear();
  const about = { lo: 0, hi: POINT_SPACE, epoch: 0, refused: true } as const;
  // Each of its links says so.
  for (let i = 0; i < 3; i++) r.deliver({ kind: "announce", ...about });
  r.time.runFor(ASK_REFUSED_MS);
  assert.equal(r.router.interests.length, before + 1);
  r.time.runFor(1000);
  assert.equal(sink.of("presence").at(-1)?.["show"], "away");
  r.deliver({ kind: "announce", ...about });
  r.time.runFor(2 * ASK_REFUSED_MS);
  assert.equal(r.router.interests.length, before + 1, "who is seen is not asked for");
});

Deno.test("a new owner of a user's shard is asked for those who have blocked the user, too", () => {
  const r = withBob();
  const { sink } = r.start();
  r.time.runFor(1000);
  r.deliver({ kind: "revoke", ...ABOUT, lastSeen: 7000 });
  r.time.runFor(1000);
  assert.equal(sink.of("presence").at(-1)?.["show"], "offline");
  // That Bob has unblocked her was lost with the former owner.
  const lo = pointOf(name("alice"));
  r.deliver({ kind: "announce", lo, hi: lo + 1, epoch: 2 });
  r.time.runFor(1000);
  assert.equal(sink.of("presence").at(-1)?.["show"], "away");
});
