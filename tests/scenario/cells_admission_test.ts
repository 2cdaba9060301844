/** What a cell takes from others at a bounded rate, or not at all. */
import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import type { ArrivalRate } from "../../server/node/arrival_rate.ts";
import { CellsFixture, type OneCell } from "../sim/cells_fixture.ts";

/** Users that a shard asks a home for again at one tick, and the time between two (ms). */
const AGAIN_MAX = 100;
const TICK_MS = 100;
const COUNT = 120;

/** Cells `a` and `b`, the second one with other options. */
function cellsWith(options: OneCell["options"]) {
  const f = new CellsFixture();
  const [a, b] = f.cells as [OneCell, OneCell, OneCell];
  b.kill();
  b.options = options;
  b.start();
  f.settle();
  return { f, a, b };
}

/** Alice of `a` begins to move to `b`; returns why that refuses her so far. */
function refused(f: CellsFixture, a: OneCell, b: OneCell): string {
  assert.ok(a.register("alice").ok);
  a.must("alice", "move.begin", { to: b.name, move: "m1" });
  f.settle();
  const state = a.must("alice", "move.state", {});
  return state?.refused ?? assert.fail(state?.phase);
}

Deno.test("12: an account that is offered to a busy cell waits, and moves once it is admitted", () => {
  let againMs = 1000;
  const arrivals = { take: () => againMs } as ArrivalRate;
  const { f, a, b } = cellsWith({ arrivals });
  assert.equal(refused(f, a, b), "busy");
  assert.ok(a.ask("alice", "account.info", {}).ok);
  againMs = 0;
  f.until("the move", () => b.ask("alice", "account.info", {}).ok);
});

Deno.test("12: a witness has no accounts: none is made there, and none moves there", () => {
  const { f, a, b } = cellsWith({ noAccounts: "It is a witness." });
  const made = b.register("bob");
  assert.equal(made.ok ? "ok" : made.code, "forbidden");
  assert.equal(refused(f, a, b), "witness");
  assert.ok(a.ask("alice", "account.info", {}).ok);
  // It votes all the same.
  f.wan.isolate(f.cells[2]!.name, true);
  assert.ok(a.register("carol").ok);
});

Deno.test("12: after a cut a shard asks for the users that it stands for at a bounded rate", () => {
  const f = new CellsFixture({ limits: { subscriptionRequestBurst: 1000, rosterMax: 1000 } });
  const [a, b] = f.cells as [OneCell, OneCell, OneCell];
  const alice = "alice" as AccountName;
  const own = a.register(alice);
  const watcherId = own.ok ? own.value.id : assert.fail();
  const { id: shard } = a.node.shardOf(alice);
  const all = Array.from({ length: 8 * AGAIN_MAX }, (_, i) => `user${i}` as AccountName);
  const users = all.filter((name) => a.node.shardOf(name).id === shard).slice(0, COUNT);
  assert.equal(users.length, COUNT);
  const made = users.map((name) => b.begin(name, "account.create", { credentials: null }));
  f.settle();
  const ids = made.map((result) => {
    const of = result();
    return of?.ok ? of.value.id : assert.fail(of?.code);
  });
  const befriend = (one: OneCell, name: AccountName, contact: AccountName) =>
    one.begin(name, "roster.subscription", {
      contact,
      type: one === a ? "subscribe" : "subscribed",
    });
  for (const name of users) befriend(a, alice, name);
  f.settle();
  for (const name of users) befriend(b, name, alice);
  f.settle();
  const items = users.map((watched, i) => ({
    ...{ watcher: alice, watcherId },
    ...{ watched, watchedId: ids[i]! },
  }));
  for (let times = 0; times < 2; times++) {
    a.node.interest(items, () => {});
    f.settle();
  }
  f.wan.isolate(b.name, true);
  f.settle(20_000);
  const askedMs: number[] = [];
  const { onSaid } = f.wan;
  f.wan.onSaid = (...said) => {
    onSaid(...said);
    if (said[3].kind === "interest") askedMs.push(f.time.nowMs);
  };
  f.wan.isolate(b.name, false);
  f.settle(3000);
  assert.ok(askedMs.length >= users.length, `${askedMs.length} questions`);
  const busiest = Math.max(...askedMs.map((fromMs) => {
    return askedMs.filter((ms) => ms >= fromMs && ms < fromMs + TICK_MS / 2).length;
  }));
  assert.ok(busiest <= AGAIN_MAX, `${busiest} questions at one tick`);
});
