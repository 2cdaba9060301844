/** Rights that are withdrawn and given again, between two cells of two nodes each. */
import { equal, notEqual } from "node:assert/strict";
import { ALICE, BOB, Pair } from "./cells_pair.ts";
import { ask } from "../sim/dump.ts";

/** What follows is known everywhere so long after it can arrive (ms). */
const KNOWN_MS = 3000;

/** A pair whose frames go to the nodes that have their shards; what Alice's home says of her does not. */
class Delayed extends Pair {
  constructor() {
    super();
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
    equal(ask(this.cluster, this.home, "alice", "roster.block", { contact: BOB, blocked }).ok, true);
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
