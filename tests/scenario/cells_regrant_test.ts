/** Rights that are withdrawn and given again, between two cells of two nodes each. */
import { equal, notEqual } from "node:assert/strict";
import { ALICE, Watching } from "./cells_watching.ts";
import { ask } from "../sim/dump.ts";
import { BOB, BROKEN_MS, Pair } from "./cells_pair.ts";
import { keepBack } from "./kept_back.ts";

/** What follows is known everywhere so long after it can arrive (ms). */
const KNOWN_MS = 3000;

/** A pair whose frames go to the nodes that have their shards; what Alice's home says of her does not. */
class Delayed extends Pair {
  /** `near`: Bob is at the node that stands for Alice. */
  constructor(near = false) {
    super(near);
    const { cluster } = this;
    cluster.wan!.pick = (cell, point, nodes) => {
      const owner = cluster.wan!.ownerOf(cell, point);
      return nodes.find(({ node }) => node === owner) ?? nodes[0]!;
    };
    // Bob's own shard is reached by another link.
    notEqual(this.owner("bob", BOB), this.proxy);
  }

  /** Delays what Alice's home sends to the node that stands for her, or lets it arrive. */
  delay(delayed: boolean): void {
    this.cluster.wan!.cutWay(this.home.id, this.proxy.id, delayed);
  }

  block(blocked: boolean): void {
    equal(
      ask(this.cluster, this.home, "alice", "roster.block", { contact: BOB, blocked }).ok,
      true,
    );
  }
}

Deno.test("12: who was blocked and unblocked sees the user again, though the block comes last", () => {
  const pair = new Delayed();
  const { cluster: { time } } = pair;
  pair.delay(true);
  pair.block(true);
  pair.block(false);
  time.runFor(1000);
  pair.delay(false);
  time.runFor(KNOWN_MS);
  notEqual(pair.shown, "offline");
  pair.show();
  pair.seen();
});

Deno.test("12: who was refused and accepted again sees the user, though the refusal comes last", () => {
  const pair = new Delayed();
  const { bob, cluster } = pair;
  pair.delay(true);
  const refused = { contact: BOB, type: "unsubscribed" } as const;
  equal(ask(cluster, pair.home, "alice", "roster.subscription", refused).ok, true);
  pair.until("a refusal at Bob", () => pair.shown === "offline", 1000);
  bob.person.subscription(bob, "alice", "subscribe");
  pair.until("her presence", () => pair.shown !== "offline", 1000);
  pair.delay(false);
  cluster.time.runFor(KNOWN_MS);
  notEqual(pair.shown, "offline");
  pair.show();
  pair.seen();
});

Deno.test("12: a watcher that was granted the right while a refusal was under way sees the user", () => {
  const w = new Watching();
  w.watch();
  w.b.must("bob", "roster.block", { contact: ALICE, blocked: true });
  w.f.settle(10_000);
  const kept = keepBack(w.f.wan, "answers");
  // A new session asks, and the reply is late.
  equal(w.ask().presence, null);
  w.f.until("a refusal", () => kept.count === 1);
  w.b.must("bob", "roster.block", { contact: ALICE, blocked: false });
  w.f.settle(1000);
  // That is what the end of the block has its edge do.
  equal(w.ask().presence, null);
  const before = w.a.packets.length;
  kept.release();
  w.f.settle(1000);
  equal(w.a.packets.slice(before).some(({ kind }) => kind === "ask_again"), true);
  equal(w.ask().presence?.devices.length, 1);
});

Deno.test("12: a refusal that comes after the user was accepted again takes nothing back", () => {
  const pair = new Delayed();
  const { bob, cluster } = pair;
  const wan = cluster.wan!;
  const { name } = cluster.groupOf("bob");
  wan.isolate(name!, true);
  cluster.time.runFor(BROKEN_MS);
  const refused = { contact: BOB, type: "unsubscribed" } as const;
  equal(ask(cluster, pair.home, "alice", "roster.subscription", refused).ok, true);
  const kept = keepBack(wan, "answers");
  wan.isolate(name!, false);
  pair.until("a refusal", () => kept.count > 0 && pair.shown === "offline", 2000);
  bob.person.subscription(bob, "alice", "subscribe");
  pair.until("her presence", () => pair.shown !== "offline", 1000);
  kept.release();
  cluster.time.runFor(KNOWN_MS);
  notEqual(pair.shown, "offline");
  pair.show();
  pair.seen();
});

Deno.test("12: who is unblocked while the cells are apart sees the user once they are linked", () => {
  const pair = new Delayed();
  const { cluster } = pair;
  const wan = cluster.wan!;
  const { name } = cluster.groupOf("bob");
  pair.block(true);
  cluster.time.runFor(10_000);
  equal(pair.shown, "offline");
  wan.isolate(name!, true);
  cluster.time.runFor(20_000);
  pair.block(false);
  cluster.time.runFor(1000);
  wan.isolate(name!, false);
  pair.until("her presence", () => pair.shown !== "offline", 10_000);
});

/**
 * A withdrawal comes after the grant that followed it, and `end` ends what stands for Alice before her
 * home has replied that it does not hold.
 */
function endsAtWithdrawal(near: boolean, end: (pair: Delayed) => void): void {
  const pair = new Delayed(near);
  const { bob, cluster } = pair;
  pair.delay(true);
  const refused = { contact: BOB, type: "unsubscribed" } as const;
  equal(ask(cluster, pair.home, "alice", "roster.subscription", refused).ok, true);
  pair.until("a refusal at Bob", () => pair.shown === "offline", 1000);
  bob.person.subscription(bob, "alice", "subscribe");
  pair.until("her presence", () => pair.shown !== "offline", 1000);
  const kept = keepBack(cluster.wan!, "answers");
  pair.delay(false);
  pair.until("the withdrawal at Bob", () => pair.shown === "offline" && kept.count > 0, 2000);
  end(pair);
  kept.release();
  pair.until("her presence", () => pair.shown !== "offline", 20_000);
  pair.show();
  pair.seen();
}

Deno.test("12: a watcher sees the user again whose stand-in has died after a late withdrawal", () => {
  endsAtWithdrawal(false, (pair) => pair.proxy.kill());
});

Deno.test("12: a watcher sees the user again whose stand-in has moved after a late withdrawal", () => {
  endsAtWithdrawal(true, (pair) => pair.move(pair.proxy));
});
