import assert from "node:assert/strict";
import type { AccountName, SessionId } from "../../shard/name/ids.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import { NodeFixture, ONLINE } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

/** Ann may see bob and cid. */
function friends(limits: Partial<ShardLimits> = {}): NodeFixture {
  const w = new NodeFixture({ limits });
  for (const n of ["ann", "bob", "cid"]) w.account(n);
  w.befriend("ann", "bob");
  w.befriend("ann", "cid");
  w.settle(1000);
  return w;
}

const block = (w: NodeFixture, who: string, contact: string, blocked = true) =>
  w.must(who, "roster.block", { contact: name(contact), blocked });
const detach = (w: NodeFixture, who: string, session: SessionId) =>
  w.must(who, "session.detach", { session });
const wall = (w: NodeFixture) => w.process.clock.wallMs();

/** What a new session of `watcher` gets of `watched`; null: nothing. */
function shown(w: NodeFixture, watched: string, watcher = "ann", device = "new"): number | null {
  const answers = w.watch(watcher, w.attach(watcher, device));
  const answer = answers.find((a) => a.watched === watched)!;
  if (answer.presence !== null) assert.deepEqual(answer.presence.devices, []);
  return answer.presence?.lastSeen ?? answer.lastSeen;
}

function revokes(w: NodeFixture, watcher: string) {
  return w.packets.flatMap((p) => p.kind === "revoke" && p.watcher === watcher ? [p.lastSeen] : []);
}

Deno.test("roster.block of somebody online shows the same as a sign-out, then and for ever", () => {
  const w = friends({ cacheIdleMs: 2000 });
  w.watch("ann", w.attach("ann"));
  const bob = w.attach("bob");
  const cid = w.attach("cid");
  const before = wall(w);
  w.packets = [];
  block(w, "bob", "ann");
  const [at] = revokes(w, "ann");
  assert.ok(typeof at === "number" && at >= before && at <= wall(w), `${at}`);
  detach(w, "cid", cid.session);
  const signedOut = shown(w, "cid");
  assert.ok(signedOut !== null && signedOut >= before);
  assert.equal(shown(w, "bob"), at);
  // Whatever bob does, it stays so: his presence, his absence.
  w.must("bob", "presence.set", { session: bob.session, presence: { ...ONLINE, show: "away" } });
  w.settle(1000);
  w.packets = [];
  detach(w, "bob", bob.session);
  w.settle(1000);
  assert.equal(shown(w, "bob"), at);
  w.settle(30_000);
  assert.equal(shown(w, "bob"), at, "once his account has left memory");
  w.settle(10_000);
  w.kill();
  w.start();
  assert.equal(shown(w, "bob"), at, "after a restart");
});

Deno.test("roster.remove behind a block shows the same as one by who has signed out (A6)", () => {
  const w = friends();
  w.watch("ann", w.attach("ann"));
  const sessions = { bob: w.attach("bob"), cid: w.attach("cid") };
  block(w, "bob", "ann");
  detach(w, "cid", sessions.cid.session);
  w.settle(1000);
  const told = (who: "bob" | "cid") => {
    const { seq } = w.must("ann", "mailbox.snapshot", {}).snapshot;
    w.must(who, "roster.remove", { contact: name("ann") });
    w.settle(5000);
    const events = w.mailbox("ann").filter((e) => e.seq > seq).map(({ seq: _s, at: _a, ...e }) =>
      e
    );
    const seen = w.attach("ann", `after ${who}`).watch.map((t) => t.name);
    return JSON.stringify({ events, watched: seen.includes(name(who)) })
      .replaceAll(who, "him");
  };
  assert.equal(told("bob"), told("cid"));
});

Deno.test("a blocking account that has left memory while it is watched answers the same", () => {
  const w = friends({ cacheIdleMs: 2000 });
  w.watch("cid", w.attach("cid"));
  w.befriend("bob", "cid");
  w.watch("cid", w.attach("cid"));
  w.attach("bob");
  block(w, "bob", "ann");
  const at = shown(w, "bob");
  assert.ok(at !== null && at > 0);
  w.settle(60_000);
  assert.equal(shown(w, "bob"), at);
});

Deno.test("who came while a blocking account was disabled looks again when it is enabled", () => {
  const w = friends();
  const { id } = w.attach("bob");
  block(w, "bob", "ann");
  w.must("bob", "account.setDisabled", { disabled: true });
  const ann = w.attach("ann", "new");
  assert.equal(w.watch("ann", ann).find((a) => a.watched === "bob")!.lastSeen, null);
  w.packets = [];
  w.must("bob", "account.setDisabled", { disabled: false });
  w.settle(1000);
  const target = { name: name("bob"), id };
  assert.deepEqual(w.packets.filter((p) => p.kind === "watch"), [
    { kind: "watch", sessions: [ann.session], target },
  ]);
  assert.ok(shown(w, "bob", "ann", "another")! > 0);
});

Deno.test("roster.block by who is not seen changes nothing of what is shown", () => {
  const w = friends();
  const first = w.attach("bob");
  w.settle(5000);
  detach(w, "bob", first.session);
  const left = shown(w, "bob");
  assert.ok(left !== null && left > 0);
  w.settle(5000);
  const hidden = w.attach("bob", "phone", null);
  block(w, "bob", "ann");
  assert.equal(shown(w, "bob"), left);
  detach(w, "bob", hidden.session);
  assert.equal(shown(w, "bob"), left);
  block(w, "bob", "ann", false);
  assert.equal(shown(w, "bob"), left);
});

Deno.test("a block shows nothing to who could not see before, nor to a later account", () => {
  const w = friends();
  w.account("eve");
  w.must("eve", "roster.subscription", { contact: name("bob"), type: "subscribe" });
  w.attach("bob");
  block(w, "bob", "eve");
  block(w, "bob", "ann");
  const ask = (watcher: string, watcherId: string) => {
    let answer: unknown;
    const bob = w.must("bob", "account.info", {}).id;
    w.node.interest(
      [{
        watcher: name(watcher),
        watcherId: watcherId as never,
        watched: name("bob"),
        watchedId: bob,
      }],
      ([a]) => answer = [a!.presence, a!.lastSeen !== null],
    );
    w.settle(1000);
    return answer;
  };
  assert.deepEqual(ask("ann", w.must("ann", "account.info", {}).id), [null, true]);
  assert.deepEqual(ask("ann", "AAAAAAAAAAAAAAAA"), [null, false]);
  assert.deepEqual(ask("eve", w.must("eve", "account.info", {}).id), [null, false]);
});
