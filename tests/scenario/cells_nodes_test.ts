/** Presence between two cells of two nodes each. */
import { equal } from "node:assert/strict";
import { ALICE, BOB, BROKEN_MS, Pair } from "./cells_pair.ts";
import { ask } from "../sim/dump.ts";

Deno.test("12: where one of several links between two cells breaks, changes go on over the others", () => {
  const pair = new Pair();
  pair.cut(pair.home, pair.other(pair.proxy), true);
  for (let i = 0; i < 2; i++) {
    pair.show();
    pair.seen();
  }
});

Deno.test("12: a node that was cut off from a new owner of a shard asks it who is online once it is linked", () => {
  const pair = new Pair();
  const { home, proxy } = pair;
  const next = pair.other(home);
  pair.cut(next, proxy, true);
  pair.move(home);
  pair.show();
  pair.cluster.time.runFor(1000);
  pair.cut(next, proxy, false);
  pair.seen();
});

Deno.test("12: watchers of users of other cells see nobody go while shards move", () => {
  const pair = new Pair();
  pair.offline = 0;
  for (let i = 0; i < 2; i++) {
    pair.move(pair.proxy);
    const { time } = pair.cluster;
    const endMs = time.nowMs + 2000;
    pair.until("what follows", () => time.nowMs >= endMs, 3000);
    pair.show();
    pair.seen();
  }
  equal(pair.offline, 0);
});

Deno.test("12: who has unsubscribed is not shown a user of another cell whose home replies late", () => {
  const pair = new Pair();
  const { bob, cluster } = pair;
  const [near, far] = ["bob", "alice"].map((name) => cluster.groupOf(name).name!);
  // What the home has not learned yet cannot keep it from granting.
  cluster.wan!.cutWay(near!, far!, true);
  bob.person.subscription(bob, "alice", "unsubscribe");
  pair.until("her sign-out", () => pair.shown === "offline", 1000);
  const info = ask(cluster, pair.home, "alice", "account.info", {});
  const watchedId = info.ok ? info.value.id : null;
  const who = { watched: ALICE, watchedId: watchedId!, watcher: BOB };
  const packet = { kind: "ask_again", ...who } as const;
  equal(pair.other(pair.proxy).running.edge.deliver(packet), 0);
  cluster.time.runFor(500);
  equal(pair.shown, "offline");
});

Deno.test("12: what another cell has sent by way of a node is asked for again where it was lost in between", () => {
  const pair = new Pair(true);
  const { cluster, proxy } = pair;
  const other = pair.other(proxy);
  const wan = cluster.wan!;
  wan.pick = (_cell, _point, nodes) => nodes.find(({ node }) => node === other.id) ?? nodes[0]!;
  const { cell } = cluster.groupOf("bob");
  cell!.cutOneWay(other.id, proxy.id, true);
  pair.show();
  // It waits for the end of the cut, until the link is broken.
  cluster.time.runFor(BROKEN_MS);
  cell!.cutOneWay(other.id, proxy.id, false);
  pair.seen();
});
