/** What operators order of the nodes of a cell: drain, leave, move, rebalance. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { CellStory } from "./cell_story.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import type { ClusterOrders, OrderedMove } from "../../server/node/cluster_orders.ts";
import { KEEPER_LOOK_MS, keepShardsEven } from "../../server/node/shard_keeper.ts";
import type { Result } from "../../shard/errors.ts";
import type { SimNode } from "../sim/sim_node.ts";

type Order<T> = (orders: ClusterOrders, done: (result: Result<T>) => void) => void;

/** Orders it of a node; returns "ok" and what it returned, or the code. */
function order<T>(story: CellStory, at: number, run: Order<T>): readonly [string, T | null] {
  let got: readonly [string, T | null] | null = null;
  run(story.cluster.nodes[at]!.running.node.coordinator.orders, (result) => {
    got = result.ok ? ["ok", result.value] : [result.code, null];
  });
  story.await("a reply", () => got !== null, 15_000);
  return got!;
}

const code = (...args: Parameters<typeof order<unknown>>) => order<unknown>(...args)[0];

function evenStory(...args: ConstructorParameters<typeof CellStory>): CellStory {
  const story = new CellStory(...args);
  story.await("even shares", () => isEven(story.shares, [0, 1, 2]), 15_000);
  story.await("no moves", () => spread(story.cluster.nodes[0]!).moving === 0, 15_000);
  return story;
}

/** Whether these nodes have all shards, and none has so many that some would be moved. */
function isEven(shares: readonly number[], nodes: readonly number[]): boolean {
  const all = shares.reduce((a, b) => a + b);
  const own = nodes.map((n) => shares[n]!);
  return own.reduce((a, b) => a + b) === all && Math.max(...own) <= 1.25 * all / nodes.length;
}

function spread(node: SimNode) {
  return node.running.node.coordinator.orders.spread;
}

Deno.test("11: a drained node gives its shards away, gets none by itself, and has them back on undo", () => {
  const story = evenStory();
  const { cluster, alice, bob } = story;
  story.befriend(1, 2);
  const [first, second] = cluster.nodes;
  equal(code(story, 1, (orders, done) => orders.drain(first!.id, done)), "ok");
  for (let i = 0; i < 5; i++) bob.person.write(bob, "alice", 40);
  story.await("its end", () => story.shares[0] === 0 && story.shares[1] === 3, 15_000);
  story.await("acks", () => bob.person.unsent === 0, 5000);
  equal(alice.online && bob.online, true);
  deepEqual(second!.running.node.nodes.map(({ drained }) => drained), [false, true, false]);
  // Started again, it is still drained.
  cluster.kill(first!);
  cluster.time.runFor(3000);
  first!.start();
  story.await("its start", () => first!.serving, 5000);
  cluster.time.runFor(8000);
  equal(story.shares[0], 0);
  // The shards of another node that dies are not for it either.
  cluster.kill(cluster.nodes[2]!);
  story.await("a takeover", () => story.shares[1] === 6, 10_000);
  equal(code(story, 1, (orders, done) => orders.drain(second!.id, done)), "conflict");
  equal(code(story, 1, (orders, done) => orders.undrain(first!.id, done)), "ok");
  story.await("its share", () => story.shares.join() === "3,3,0", 30_000);
});

Deno.test("11: a drain goes on when the drained node, or the one that was asked, dies in it", () => {
  const story = evenStory({ shards: 24 });
  const { cluster } = story;
  const [first, second] = cluster.nodes;
  equal(code(story, 1, (orders, done) => orders.drain(first!.id, done)), "ok");
  story.await("a move", () => story.shares[0]! < 8, 5000);
  cluster.kill(second!);
  cluster.time.runFor(20);
  cluster.kill(first!);
  story.await("all at the third", () => story.shares.join() === "0,0,24", 15_000);
  first!.start();
  second!.start();
  story.await("shares", () => isEven(story.shares, [1, 2]), 40_000);
});

Deno.test("11: where only drained nodes live they serve; the shards leave them when others return", () => {
  const story = evenStory();
  const { cluster } = story;
  const [first] = cluster.nodes;
  const sendsAway = () => first!.running.node.coordinator.orders.sendsClientsAway;
  equal(code(story, 0, (orders, done) => orders.drain(first!.id, done)), "ok");
  story.await("its end", () => story.shares[0] === 0, 15_000);
  equal(sendsAway(), true);
  for (const other of cluster.nodes.slice(1)) cluster.kill(other);
  story.await("all here", () => story.shares[0] === 6, 15_000);
  equal(sendsAway(), false);
  cluster.nodes[1]!.start();
  story.await("none here", () => story.shares.join() === "0,6,0", 20_000);
  equal(sendsAway(), true);
});

Deno.test("11: a node that leaves gives its shards away and ends; started again, it is a new one", () => {
  const story = evenStory();
  const { cluster } = story;
  const [first, second] = cluster.nodes;
  equal(code(story, 0, (orders, done) => orders.leave(first!.id, done)), "ok");
  story.await("its end", () => !first!.up, 20_000);
  equal(story.shares.join(), "0,3,3");
  cluster.time.runFor(3000);
  deepEqual(second!.running.node.nodes.map(({ id }) => id), [second!.id, cluster.nodes[2]!.id]);
  first!.start();
  story.await("its share", () => story.shares.join() === "2,2,2", 20_000);
});

Deno.test("11: a node that dies while it leaves is taken out by another one, as a dead one is", () => {
  const story = evenStory({ shards: 24 });
  const { cluster } = story;
  const [first, second, third] = cluster.nodes;
  equal(code(story, 1, (orders, done) => orders.leave(first!.id, done)), "ok");
  story.await("a move", () => story.shares[0]! < 8, 5000);
  cluster.kill(first!);
  const seen = () => second!.running.node.nodes.map(({ id }) => id);
  story.await("its row", () => !seen().includes(first!.id), 20_000);
  equal(isEven(story.shares, [1, 2]), true);
  cluster.kill(third!);
  story.await("a takeover", () => story.shares[1] === 24, 15_000);
  equal(code(story, 1, (orders, done) => orders.leave(second!.id, done)), "conflict");
  first!.start();
  story.await("its share", () => isEven(story.shares, [0, 1]), 30_000);
  equal(code(story, 1, (orders, done) => orders.leave(third!.id, done)), "ok");
  story.await("its row", () => !seen().includes(third!.id), 20_000);
});

Deno.test("11: a process that others took out while it was paused ends when it goes on", () => {
  const story = evenStory();
  const { cluster } = story;
  const [first] = cluster.nodes;
  first!.process.pause();
  story.await("a takeover", () => story.shares.slice(1).join() === "3,3", 15_000);
  equal(code(story, 1, (orders, done) => orders.leave(first!.id, done)), "ok");
  const seen = () => cluster.nodes[1]!.running.node.nodes.map(({ id }) => id);
  story.await("its row", () => !seen().includes(first!.id), 20_000);
  first!.process.resume();
  story.await("its end", () => !first!.up, 10_000);
  equal(story.shares.join(), "0,3,3");
});

Deno.test("11: a shard that an operator moves stays where it is, until the shares are evened out", () => {
  const story = evenStory();
  const { cluster, bob } = story;
  story.befriend(1, 2);
  const [first, second, third] = cluster.nodes;
  const shard = third!.running.node.shards[0]!.id;
  bob.person.write(bob, "alice", 40);
  // Asked of a node that has nothing to do with it.
  const [how, moved] = order<OrderedMove>(
    story,
    0,
    (orders, done) => orders.move(shard, second!.id, done),
  );
  equal(how, "ok");
  equal(moved!.from, third!.id);
  ok(moved!.pauseMs !== null && moved!.pauseMs < 100, `held up for ${moved!.pauseMs} ms`);
  const others = [first!, third!].map((node) => node.running.node.shards[0]!.id);
  for (const id of others) {
    equal(code(story, 1, (orders, done) => orders.move(id, second!.id, done)), "ok");
  }
  cluster.time.runFor(10_000);
  const ids = second!.running.node.shards.map(({ id }) => id);
  ok([shard, ...others].every((id) => ids.includes(id)), `it has ${ids}`);
  equal(code(story, 0, (orders, done) => orders.move(99, second!.id, done)), "not_found");
  equal(code(story, 0, (orders, done) => orders.move(shard, "who" as never, done)), "not_found");
  equal(code(story, 1, (orders, done) => orders.rebalance(done)), "ok");
  story.await("even shares", () => story.shares.join() === "2,2,2", 15_000);
  story.await("an ack", () => bob.person.unsent === 0, 5000);
  equal(code(story, 0, (orders, done) => orders.drain(first!.id, done)), "ok");
  equal(code(story, 0, (orders, done) => orders.move(shard, first!.id, done)), "conflict");
});

Deno.test("11.6: a shard serves where it is until the next owner has rehearsed the takeover", () => {
  const story = evenStory();
  const { cluster } = story;
  story.befriend(0, 0);
  const alice = "alice" as AccountName;
  const owner = cluster.nodes.find((node) => node.running.node.owns(alice))!;
  const target = cluster.nodes.find((node) => node !== owner)!;
  const { id } = owner.running.node.shardOf(alice);
  target.process.pause();
  let how = "none";
  const { orders } = owner.running.node.coordinator;
  orders.move(id, target.id, (result) => how = result.ok ? "ok" : result.code);
  cluster.time.runFor(100);
  let read = false;
  owner.running.node.request(alice, "mailbox.snapshot", {}, (result) => read = result.ok);
  const ms = story.await("a read", () => read, 500);
  ok(ms < 50, `it took ${ms} ms`);
  equal(how, "none");
  target.process.resume();
  story.await("the move", () => how === "ok", 5000);
  equal(target.running.node.owns(alice), true);
});

Deno.test("11: a shard whose inputs are held for another node is not changed meanwhile", () => {
  const { node } = evenStory().cluster.nodes[0]!.running;
  const [shard] = node.shards;
  const changed = () => {
    let code = "none";
    node.reshape({ of: [shard!.id], at: [shard!.lo + 5] }, (r) => code = r.ok ? "ok" : r.message);
    return code;
  };
  shard!.ending = true;
  equal(changed(), "A shard is being moved to another node");
  shard!.ending = false;
  equal(changed(), "none", "under way");
});

Deno.test("11: a change of shards that wait for sessions of a dead node does not hold them up", () => {
  const story = evenStory();
  const { cluster } = story;
  const alice = "alice" as AccountName;
  const owner = cluster.nodes.find((node) => node.running.node.owns(alice))!;
  const homes = cluster.nodes.filter((node) => node !== owner).map((n) => cluster.nodes.indexOf(n));
  story.befriend(homes[0]!, homes[1]!);
  cluster.kill(owner);
  const next = () => cluster.nodes.find((node) => node.up && node.running.node.owns(alice));
  story.await("a takeover", () => next()?.running.node.shardOf(alice).ready === true, 10_000);
  const { node } = next()!.running;
  const shard = node.shardOf(alice);
  equal(shard.presence.settling.active, true);
  let code = "none";
  node.reshape(
    { of: [shard.id], at: [shard.lo + 5] },
    (result) => code = result.ok ? "ok" : result.code,
  );
  let read = false;
  node.request(alice, "mailbox.snapshot", {}, (result) => read = result.ok);
  const ms = story.await("a read", () => read, 2000);
  ok(ms < 300, `it took ${ms} ms`);
  equal(code, "busy");
});

Deno.test("11: 256 shards of a new cell are spread within seconds, and at once when all nodes restart", () => {
  const story = new CellStory({ shards: 256 });
  const { cluster } = story;
  const all = () => isEven(story.shares, [0, 1, 2]) && shardsOf() === 256;
  const shardsOf = () => story.shares.reduce((a, b) => a + b);
  story.await("a spread of the first node's shards", all, 8000);
  cluster.time.runFor(5000);
  let left = 3;
  for (const node of cluster.nodes) node.stop(() => left--);
  story.await("a stop", () => left === 0, 5000);
  for (const node of cluster.nodes) node.start();
  story.await("a spread after a stop", all, 1000);
  cluster.time.runFor(5000);
  for (const node of cluster.nodes) cluster.kill(node);
  for (const node of cluster.nodes) node.start();
  story.await("a spread after a crash", all, 1000);
});

Deno.test("11: a node that has just begun takes at once what an owner had that it has met", () => {
  // In the second case it has not looked since they met.
  for (const [metMs, takenMs] of [[600, 200], [10, 200]] as const) {
    const story = new CellStory({ shards: 256 });
    const { cluster } = story;
    const shardsOf = () => story.shares.reduce((a, b) => a + b);
    const all = () => isEven(story.shares, [0, 1, 2]) && shardsOf() === 256;
    story.await("a spread of the first node's shards", all, 8000);
    cluster.time.runFor(5000);
    const [first, second, third] = [cluster.nodes[0]!, cluster.nodes[1]!, cluster.nodes[2]!];
    cluster.kill(first);
    cluster.time.runFor(500);
    first.start();
    const linked = (node: SimNode) => cluster.cell!.linkedMs(first.id, node.id) > 0;
    story.await("its links", () => linked(second) && linked(third), 2000);
    cluster.time.runFor(metMs);
    // It leaves to others for longer those that had what is left.
    equal(story.shares.join(), "0,128,128");
    cluster.kill(second);
    story.await("all shards", () => shardsOf() === 256, takenMs);
    equal(story.shares.join(), "128,0,128");
  }
});

Deno.test("11: shards that follow the load are split where they are hot, at whichever node", () => {
  const story = evenStory();
  const { cluster } = story;
  for (const { running } of cluster.nodes) {
    keepShardsEven(running.node, running.ports, 6);
  }
  const alice = "alice" as AccountName;
  const owner = () => cluster.nodes.find((node) => node.running.node.owns(alice))!;
  const [asked] = cluster.nodes.filter((node) => node !== owner());
  const hot = owner().running.node.shardOf(alice).id;
  const ask = () => {
    for (let i = 0; i < 70; i++) {
      asked!.running.node.request(alice, "mailbox.snapshot", {}, () => {});
    }
    cluster.time.global.timers.after(100, ask);
  };
  ask();
  const shards = () => cluster.nodes[0]!.running.node.table.shards;
  story.await("a split", () => shards().length > 6, 3 * KEEPER_LOOK_MS);
  equal(shards().some(({ id }) => id === hot), false);
});
