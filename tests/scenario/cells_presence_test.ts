/** Presence between cells: one frame per interested cell and change, and `unknown` after a long cut. */
import assert from "node:assert/strict";
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import { ALICE, BOB, SESSION, Watching } from "./cells_watching.ts";
import { cellNode } from "../../shard/federation/cell_node.ts";
import { keepBack } from "./kept_back.ts";
import type { ProxyMessage } from "../../shard/federation/proxy_message.ts";
import type { InterestAnswer } from "../../shard/edge_packet.ts";
import { isUndecided } from "../../shard/presence/returning.ts";

Deno.test("12: a watcher in another cell sees each change, by one frame for the cell", () => {
  const w = new Watching();
  const { presence } = w.watch();
  assert.equal(presence?.devices[0]?.presence.show, "online");
  let frames = 0;
  w.f.wan.onCarried = (kind) => frames += kind === "proxy" ? 1 : 0;
  for (const show of ["away", "dnd", "chat"] as const) {
    w.show(show);
    w.f.settle(1000);
    assert.equal(w.shown, show);
  }
  assert.equal(frames, 3);
  w.b.must("bob", "session.detach", { session: SESSION });
  w.f.settle(1000);
  assert.equal(w.shown, "none");
  // Nobody watches any more: nothing is sent.
  w.a.node.uninterest([BOB]);
  w.f.settle(1000);
  w.signIn();
  w.f.settle(1000);
  assert.equal(w.shown, "none");
  assert.equal(w.b.node.shardOf(BOB).presence.get(BOB)?.nodes.length, 0);
});

Deno.test("12: whom its home has not granted it is not shown, and a block takes it back", () => {
  const w = new Watching();
  w.watch();
  w.b.must("bob", "roster.block", { contact: ALICE, blocked: true });
  w.f.settle(1000);
  const revoked = w.last("revoke");
  assert.equal(revoked?.watcher, ALICE);
  assert.ok(revoked.lastSeen! > 0);
  w.show("dnd");
  w.f.settle(1000);
  // A session that comes now is shown the same, as in one cell.
  assert.deepEqual(w.ask(), {
    watcher: ALICE,
    watched: BOB,
    presence: null,
    lastSeen: revoked.lastSeen,
  });
  w.b.must("bob", "roster.block", { contact: ALICE, blocked: false });
  w.b.must("bob", "roster.subscription", { contact: ALICE, type: "unsubscribed" });
  w.f.settle(1000);
  const fresh = new Watching();
  fresh.b.must("bob", "roster.subscription", { contact: ALICE, type: "unsubscribed" });
  fresh.f.settle(1000);
  assert.ok(isUndecided(fresh.ask().presence!));
  fresh.f.settle(1000);
  assert.notEqual(fresh.last("ask_again"), undefined);
  assert.equal(fresh.ask().presence, null);
});

Deno.test("12: presence of another cell that comes after newer one is not taken", () => {
  const w = new Watching();
  w.watch();
  const late: ProxyMessage[] = [];
  const { onSaid } = w.f.wan;
  w.f.wan.onSaid = (...said) => {
    onSaid(...said);
    if (said[3].kind === "presence") late.push(said[3]);
  };
  for (const show of ["away", "dnd", "chat"] as const) {
    w.show(show);
    w.f.settle(1000);
  }
  const { clock } = w.a.process;
  const before = w.a.packets.length;
  for (const message of late) {
    const now = { mono: clock.monoMs(), wall: clock.wallMs() };
    const packet = { kind: "proxy", from: BOB, to: BOB, cell: w.b.name, message } as const;
    w.a.node.shardOf(BOB).step(now, { kind: "packet", packet, hops: 1 });
  }
  w.f.settle(1000);
  assert.deepEqual(w.a.packets.slice(before), []);
  assert.equal(w.ask().presence?.devices[0]?.presence.show, "chat");
  assert.equal(late.length, 3);
});

Deno.test("12: no interest overtakes what a home has said while the account is not in memory", () => {
  const w = new Watching({ cacheIdleMs: 1000 });
  w.watch();
  const shard = w.a.node.shardOf(BOB);
  const inMemory = () => [...shard.inspect().accounts].some(({ name }) => name === BOB);
  w.f.until("that the account leaves memory", () => !inMemory());
  const { clock } = w.a.process;
  const now = { mono: clock.monoMs(), wall: clock.wallMs() };
  // Bob has blocked Alice, and unblocked her: her edge asks again right behind the first.
  const { epoch } = w.ask().presence!;
  const of = { epoch, after: 8, revoked: 9 };
  const message = { kind: "revoke", watcher: ALICE, lastSeen: 5, ...of } as const;
  const packet = { kind: "proxy", from: BOB, to: BOB, cell: w.b.name, message } as const;
  shard.step(now, { kind: "packet", packet, hops: 1 });
  assert.deepEqual(w.ask(), { watcher: ALICE, watched: BOB, presence: null, lastSeen: 5 });
  const before = w.a.packets.length;
  // What the step asks is not sent here: it is asked again.
  w.f.settle(6000);
  assert.deepEqual(w.a.packets.slice(before).map(({ kind }) => kind), ["ask_again"]);
  assert.equal(w.ask().presence?.devices.length, 1);
});

Deno.test("12: presence of a cell that is away is unknown after a while, and right after a cut", () => {
  const w = new Watching();
  w.watch();
  w.f.wan.isolate(w.b.name, true);
  w.show("away");
  w.f.settle(50_000);
  assert.equal(w.last("unknown"), undefined);
  w.f.settle(20_000);
  assert.equal(w.last("unknown")?.watched, BOB);
  assert.deepEqual(w.ask().presence?.devices, []);
  w.f.wan.isolate(w.b.name, false);
  w.f.settle(5000);
  assert.equal(w.shown, "away");
  assert.equal(w.ask().presence?.devices[0]?.presence.show, "away");
});

Deno.test("12: a right that was lost during a cut is lost after it", () => {
  const w = new Watching();
  w.watch();
  w.f.wan.isolate(w.b.name, true);
  w.f.settle(10_000);
  w.b.must("bob", "roster.subscription", { contact: ALICE, type: "unsubscribed" });
  w.f.wan.isolate(w.b.name, false);
  w.f.settle(10_000);
  assert.equal(w.last("revoke")?.watcher, ALICE);
  assert.ok(isUndecided(w.ask().presence!));
  w.f.settle(1000);
  assert.equal(w.ask().presence, null);
});

Deno.test("12: what follows a block is not shown to the blocked, though the block is not known yet", () => {
  const w = new Watching();
  w.watch();
  const kept = keepBack(w.f.wan, "revoke");
  w.b.must("bob", "roster.block", { contact: ALICE, blocked: true });
  w.f.settle(1000);
  assert.equal(kept.count, 1);
  w.show("dnd");
  w.f.settle(2000);
  assert.equal(w.shown, "none");
  // It has asked, and the home has refused it.
  assert.equal(w.last("revoke")?.watcher, ALICE);
  assert.equal(w.ask().presence, null);
});

Deno.test("12: a block that comes after the word of its end takes nothing back", () => {
  const w = new Watching();
  w.watch();
  const kept = keepBack(w.f.wan, "revoke");
  w.b.must("bob", "roster.block", { contact: ALICE, blocked: true });
  w.b.must("bob", "roster.block", { contact: ALICE, blocked: false });
  w.show("away");
  w.f.settle(2000);
  assert.equal(w.shown, "away");
  assert.equal(kept.count, 1);
  kept.release();
  w.f.settle(1000);
  assert.equal(w.last("revoke"), undefined);
  w.show("dnd");
  w.f.settle(1000);
  assert.equal(w.shown, "dnd");
});

Deno.test("12: a late reply of a home does not grant what a later one has refused", () => {
  const w = new Watching();
  w.b.must("bob", "roster.subscription", { contact: ALICE, type: "unsubscribed" });
  w.f.settle(1000);
  w.ask();
  w.f.settle(1000);
  assert.equal(w.ask().presence, null);
  const { clock } = w.a.process;
  const now = { mono: clock.monoMs(), wall: clock.wallMs() };
  const [, watchedId] = w.ids;
  const presence = { watchedId, epoch: 9, version: 9, devices: [], lastSeen: 0, revoked: 9 };
  const answers = [{ watcher: ALICE, presence, lastSeen: null }];
  const message = { kind: "answers", asked: 1, answers } as const;
  const packet = { kind: "proxy", from: BOB, to: BOB, cell: w.b.name, message } as const;
  w.a.node.shardOf(BOB).step(now, { kind: "packet", packet, hops: 1 });
  assert.equal(w.ask().presence, null);
});

Deno.test("12: what a former owner of a shard says late ends no interest that its successor has", () => {
  const w = new Watching();
  w.watch();
  const { clock } = w.b.process;
  const now = { mono: clock.monoMs(), wall: clock.wallMs() };
  const message = { kind: "uninterest", epoch: 1, asked: 1 } as const;
  const packet = { kind: "proxy", from: BOB, to: BOB, cell: w.a.name, message } as const;
  w.b.node.shardOf(BOB).step(now, { kind: "packet", packet, hops: 1 });
  w.show("dnd");
  w.f.settle(1000);
  assert.equal(w.shown, "dnd");
});

Deno.test("12: the next account of a name is watched where the former one was watched before", () => {
  const w = new Watching();
  w.watch();
  w.b.must("bob", "account.remove", {});
  w.f.settle(5000);
  w.f.until("its release", () => w.b.ask("bob", "account.release", {}).ok);
  const made = w.b.register("bob");
  const { id } = made.ok ? made.value : assert.fail();
  w.a.must("alice", "roster.subscription", { contact: BOB, type: "subscribe" });
  w.f.settle();
  w.b.must("bob", "roster.subscription", { contact: ALICE, type: "subscribed" });
  w.f.settle();
  w.signIn();
  // An edge asks for the former one first.
  w.ask();
  w.f.settle(1000);
  assert.equal(w.ask().presence, null);
  w.f.settle(1000);
  w.ask(id);
  w.f.settle(1000);
  assert.equal(w.ask(id).presence?.devices.length, 1);
  // A question about the former one takes nothing away.
  w.ask();
  w.f.settle(1000);
  assert.equal(w.ask(id).presence?.devices.length, 1);
});

Deno.test("12: an edge asks again for another account of a name once nobody watches this one", () => {
  const w = new Watching();
  w.watch();
  const other = "another account" as AccountId;
  assert.equal(w.ask(other).presence, null);
  w.f.settle(10_000);
  assert.notEqual(w.last("ask_again")?.watchedId, other);
  w.a.node.uninterest([BOB]);
  w.f.settle(10_000);
  assert.equal(w.last("ask_again")?.watchedId, other);
});

for (const when of ["after", "before"] as const) {
  Deno.test(`12: a user who moves away and blocks a watcher is not shown, ${when} its edge asks again`, () => {
    const w = new Watching();
    w.move(w.b, w.a);
    w.move(w.a, w.b);
    // It could watch when its own cell was the home, and goes on.
    if (when === "after") assert.ok(w.ask().presence !== null);
    w.f.settle(1000);
    w.signIn();
    w.b.must("bob", "roster.block", { contact: ALICE, blocked: true });
    w.f.settle(1000);
    for (let asked = 0; asked < 3; asked++) {
      assert.deepEqual(w.ask().presence?.devices ?? [], []);
      w.f.settle(300);
    }
    assert.equal(w.ask().presence, null);
  });
}

Deno.test("12: who could watch a user that has moved does not see what it shows after a block (seed 31452)", () => {
  const w = new Watching();
  const { a, b, f, ids } = w;
  const carol = a.register("carol");
  assert.ok(carol.ok);
  a.must("carol", "roster.subscription", { contact: BOB, type: "subscribe" });
  f.settle();
  b.must("bob", "roster.subscription", { contact: "carol" as AccountName, type: "subscribed" });
  f.settle();
  w.move(b, a);
  w.move(a, b);
  // Another one watches already, by whom the cell learns what is shown; nothing tells of the block.
  const item = { watcher: "carol" as AccountName, watcherId: carol.value.id };
  const asks = () => a.node.interest([{ ...item, watched: BOB, watchedId: ids[1] }], () => {});
  asks();
  b.must("bob", "roster.block", { contact: ALICE, blocked: true });
  w.signIn();
  f.settle(1000);
  asks();
  w.show("dnd");
  f.settle(500);
  assert.equal(w.shown, "dnd", "to the other one");
  for (let asked = 0; asked < 3; asked++) {
    assert.deepEqual(w.ask().presence?.devices ?? [], []);
    f.settle(300);
  }
  assert.equal(w.ask().presence, null);
});

Deno.test("12: an edge whose question a move has made void asks again once the user is here", () => {
  const w = new Watching();
  w.askAsItMoves();
  w.f.until("the arrival", () => w.a.ask("bob", "account.info", {}).ok);
  w.f.settle(1000);
  assert.equal(w.last("rewatch")?.watchedId, w.ids[1]);
  assert.equal(w.ask().presence?.watchedId, w.ids[1]);
});

Deno.test("12: watchers see a user again whose cell has restarted", () => {
  const w = new Watching();
  w.watch();
  w.b.kill();
  w.b.start();
  w.f.settle(2000);
  w.signIn();
  w.show("xa");
  w.f.settle(5000);
  assert.equal(w.shown, "xa");
});

Deno.test("12: a user whose home is not known here is watched once other cells have said it", () => {
  const w = new Watching();
  w.forgetHome();
  w.f.wan.isolate(w.b.name, true);
  assert.equal(w.ask().presence, null);
  w.f.settle(20_000);
  w.f.wan.isolate(w.b.name, false);
  w.f.until("the home is known", () => w.last("ask_again") !== undefined);
  w.f.settle(1000);
  w.ask();
  w.f.settle(1000);
  assert.equal(w.ask().presence?.devices[0]?.presence.show, "online");
});

Deno.test("12: interest in an account ends though its name was released meanwhile (seed 1768)", () => {
  const { a, b, f, ids } = new Watching();
  b.must("bob", "account.remove", {});
  f.settle();
  b.must("bob", "account.release", {});
  const shard = b.node.shardOf(BOB);
  const [, id] = ids;
  shard.presence.addInterest(shard.presence.ensure(BOB, id, 0, 0), cellNode(a.name));
  const message = { kind: "uninterest", epoch: 1, asked: Number.MAX_SAFE_INTEGER } as const;
  const packet = { kind: "proxy", from: BOB, to: BOB, cell: a.name, message } as const;
  shard.step({ mono: f.time.nowMs, wall: f.time.nowMs }, { kind: "packet", packet });
  // It does not wait until the other cells have said who has the name: that may be lost.
  assert.equal(shard.presence.get(BOB), undefined);
});

Deno.test("12: an account that stands still when its shard is taken over is shown at its home's epoch", () => {
  const { a, b, f, ids } = new Watching();
  const carol = b.register("carol");
  assert.ok(carol.ok);
  b.must("carol", "roster.subscription", { contact: BOB, type: "subscribe" });
  f.settle();
  b.must("bob", "roster.subscription", { contact: "carol" as AccountName, type: "subscribed" });
  f.settle();
  const item = { watcher: "carol" as AccountName, watcherId: carol.value.id };
  const epoch = () => {
    let answer: InterestAnswer | null = null;
    b.node.interest([{ ...item, watched: BOB, watchedId: ids[1] }], ([first]) => answer = first!);
    f.until("an answer", () => answer !== null);
    return answer!.presence?.epoch ?? assert.fail("she sees him not");
  };
  const before = epoch();
  // The other cells do not learn that they are to decide.
  f.wan.onSaid = (_from, _to, name, { kind }) => {
    if (name === BOB && kind === "prepare") f.wan.isolate(b.name, true);
  };
  b.must("bob", "move.begin", { to: a.name, move: "to a" });
  f.until("the decision", () => b.must("bob", "move.state", {})?.phase === "deciding");
  b.kill();
  b.start();
  f.until("the start", () => b.node.shards.every(({ ready }) => ready));
  assert.equal(b.must("bob", "move.state", {})?.phase, "deciding");
  const after = epoch();
  assert.ok(after > before, `epoch ${after} after ${before}`);
});
