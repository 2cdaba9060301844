/** A cell of three nodes over one store, as its users see it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { CellStory } from "./cell_story.ts";
import { type AccountName, pointOf } from "../../shard/name/ids.ts";
import type { SimNode } from "../sim/sim_node.ts";

/** Within so long all shards of a dead node serve at others (ms). */
const TAKEOVER_BOUND_MS = 2000;

Deno.test("11: a node of a cell is killed: shards serve soon, nobody who returns is shown offline", () => {
  const story = new CellStory();
  const { cluster, alice, bob } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  story.befriend(0, 1);
  const [first] = cluster.nodes;
  cluster.kill(first!);
  // Her device notices at once, and knows where else to go.
  if (alice.online) alice.drop("reset");
  story.homes.set(alice, cluster.nodes[2]!);
  let shownOffline = false;
  const look = () => shownOffline ||= !story.sees(bob, "alice");
  const serve = () => {
    look();
    return story.shares.reduce((sum, n) => sum + n, 0) === 6;
  };
  ok(story.await("all shards", serve, TAKEOVER_BOUND_MS) <= TAKEOVER_BOUND_MS);
  const returned = () => {
    look();
    return alice.online;
  };
  story.await("her return", returned, 14_000);
  for (let i = 0; i < 300; i++) {
    cluster.time.runFor(100);
    look();
  }
  equal(shownOffline, false, "alice returned within the grace");
  equal(story.sees(alice, "bob"), true);
  deepEqual(story.shares, [0, 3, 3]);
  first!.start();
  story.await("its share", () => story.shares.join() === "2,2,2", 15_000);
});

Deno.test("11: messages reach users at other nodes, and a stopped owner says nothing stale", () => {
  const story = new CellStory();
  const { cluster, alice, bob } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  const owner = cluster.nodes.find((n) => n.running.node.owns("alice" as never))!;
  const others = cluster.nodes.filter((n) => n !== owner);
  story.befriend(cluster.nodes.indexOf(others[0]!), cluster.nodes.indexOf(others[1]!));
  bob.person.write(bob, "alice", 40);
  story.await("an ack", () => bob.person.unsent === 0, 5000);
  owner.process.pause();
  const taken = () => others.some((n) => n.running.node.owns("alice" as never));
  story.await("another owner", taken, 8000);
  bob.person.write(bob, "alice", 40);
  story.await("an ack of the next owner", () => bob.person.unsent === 0, 20_000);
  // What it is asked as soon as it goes on is replied to as the others know it.
  let seq: number | null = null;
  owner.running.node.request("alice" as never, "mailbox.snapshot", {}, (result) => {
    if (result.ok) seq = result.value.snapshot.seq;
  });
  owner.process.resume();
  story.await("a reply", () => seq !== null, 10_000);
  const known = () => alice.view?.seq === seq;
  story.await("the same at her device", known, 5000);
});

Deno.test("11: while the store is away for all, presence and reads go on, and no shard moves", () => {
  const story = new CellStory();
  const { cluster, alice, bob } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  story.befriend(0, 1);
  cluster.time.runFor(3000);
  const { owners } = story;
  story.keepFromStore([0, 1, 2], true);
  // What is under way to the store waits: its shard goes on with the rest.
  bob.person.write(bob, "alice", 40);
  // The leases end within 3 s; the last is the first that anybody can vouch for.
  const all = () => story.served.join() === "2,2,2";
  cluster.time.runFor(4500);
  let worstMs = 0;
  for (const show of ["away", "dnd", "chat", "xa", "away", "dnd"] as const) {
    const presence = { ...bob.person.presence(), show };
    bob.show(presence);
    const ms = story.await("his presence", () => alice.seen.get("bob")?.show === show, 1000);
    worstMs = Math.max(worstMs, ms);
    let read = false;
    const { node } = cluster.nodes[2]!.running;
    node.request("alice" as never, "mailbox.snapshot", {}, (result) => read = result.ok);
    worstMs = Math.max(worstMs, story.await("a read", () => read, 1000));
    ok(all(), `nodes serve ${story.served}`);
    cluster.time.runFor(1500);
  }
  ok(worstMs < 500, `the slowest took ${worstMs} ms`);
  cluster.time.runFor(3000);
  equal(bob.person.unsent, 1, "nothing is acked without the store");
  story.keepFromStore([0, 1, 2], false);
  story.await("an ack", () => bob.person.unsent === 0, 15_000);
  cluster.time.runFor(10_000);
  equal(story.owners.replaceAll(/ \d+(,|$)/g, ""), owners.replaceAll(/ \d+(,|$)/g, ""));
  ok(all());
});

Deno.test("11: an owner that alone has lost the store serves nothing when its lease has ended", () => {
  const story = new CellStory();
  const { cluster } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  story.keepFromStore([0], true);
  story.await("its end", () => story.served[0] === 0, 3100);
  const taken = () => story.served.join() === "0,3,3";
  story.await("a takeover", taken, 3500);
  for (let i = 0; i < 100; i++) {
    cluster.time.runFor(100);
    equal(story.served[0], 0);
  }
  story.keepFromStore([0], false);
  story.await("its share", () => story.served.join() === "2,2,2", 15_000);
});

Deno.test("11: a node that alone reaches the store takes over once nobody is vouched for", () => {
  const story = new CellStory();
  const { cluster } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  const [a, b, c] = cluster.nodes.map(({ id }) => id);
  story.keepFromStore([0, 1], true);
  for (const other of [a, b]) cluster.cell!.cut(other!, c!, true);
  cluster.time.runFor(5000);
  for (let i = 0; i < 120; i++) {
    cluster.time.runFor(100);
    equal(story.served.join(), "2,2,2");
  }
  story.await("the end of their time", () => story.served.join() === "0,0,2", 6000);
  story.await("a takeover", () => story.served.join() === "0,0,6", 10_000);
});

Deno.test("11: gossip shows who is reached, who is suspected and who is dead, and what they say", () => {
  const story = new CellStory();
  const { cluster } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  const seen = () => cluster.nodes[0]!.running.node.nodes.map(({ gossip }) => gossip?.state ?? "-");
  cluster.time.runFor(3000);
  equal(seen().join(), "-,alive,alive");
  const [own, second] = cluster.nodes[0]!.running.node.nodes;
  equal(own!.healthScore, 0);
  equal(second!.gossip!.says!.leased, true);
  ok(second!.gossip!.rttMs! < 10 && second!.gossip!.silentMs < 3000);
  // It has no link, but the third node reaches it.
  const [a, b] = cluster.nodes.map(({ id }) => id);
  cluster.cell!.cut(a!, b!, true);
  cluster.time.runFor(10_000);
  equal(seen().join(), "-,alive,alive");
  cluster.nodes[1]!.process.pause();
  const states = new Set<string>();
  story.await("its death", () => {
    states.add(seen()[1]!);
    return seen()[1] === "dead";
  }, 10_000);
  ok(states.has("suspect"));
});

/** What all nodes that are up agree on; -1 while they do not. */
function shardsOf({ cluster }: CellStory): number {
  const up = cluster.nodes.filter((n) => n.up).map((n) => n.running.node);
  const counts = new Set(up.map((node) => node.table.shards.length));
  const served = up.reduce((sum, node) => sum + node.shards.filter((s) => s.ready).length, 0);
  return counts.size === 1 && counts.has(served) ? served : -1;
}

Deno.test("11: any node changes the number of shards over all nodes; another goes on when it dies", () => {
  const story = new CellStory();
  const { cluster, alice, bob } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  story.befriend(1, 2);
  const [first, second] = cluster.nodes;
  const begin = (node: SimNode, count: number) => {
    let code = "none";
    node.running.node.coordinator.begin({ kind: "count", count }, (result) => {
      code = result.ok ? "begun" : result.code;
    });
    story.await("a reply", () => code !== "none", 2000);
    return code;
  };
  equal(begin(second!, 24), "begun");
  equal(begin(first!, 7), "conflict");
  const work = () => second!.running.node.coordinator.work;
  story.await("24 shards", () => work()?.state === "done" && shardsOf(story) === 24, 20_000);
  const before = alice.view!.seq;
  for (let i = 0; i < 5; i++) bob.person.write(bob, "alice", 40);
  equal(begin(first!, 5), "begun");
  const made = () => first!.running.node.coordinator.work!.changesMs.length;
  story.await("a step", () => made() >= 2, 10_000);
  equal(first!.running.node.coordinator.work?.state, "running");
  cluster.kill(first!);
  story.await("5 shards", () => work()?.state === "done" && shardsOf(story) === 5, 30_000);
  ok(work()!.movesMs.length > 0, "shards of several nodes are merged");
  story.await("acks", () => bob.person.unsent === 0, 20_000);
  story.await("their messages", () => alice.view!.seq >= before + 5, 5000);
});

Deno.test("11: a split and a merge of shards of several nodes are made for any node", () => {
  const story = new CellStory();
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  const change = (node: number, of: readonly number[], at: readonly number[]) => {
    let outcome = "none";
    story.cluster.nodes[node]!.running.node.coordinator.change({ of, at }, (result) => {
      outcome = result.ok ? "ok" : result.code;
    });
    story.await("a reply", () => outcome !== "none", 10_000);
    return outcome;
  };
  const { shards } = story.cluster.nodes[0]!.running.node.table;
  const other = shards.find(({ owner }) => owner?.id !== story.cluster.nodes[0]!.id)!;
  equal(change(0, [other.id], [other.lo + 5]), "ok");
  equal(change(0, [other.id], [other.lo + 7]), "conflict");
  story.await("7 shards", () => shardsOf(story) === 7, 5000);
  const ids = story.cluster.nodes[2]!.running.node.table.shards.map(({ id }) => id);
  equal(change(1, ids, []), "ok");
  story.await("one shard", () => shardsOf(story) === 1, 5000);
});

Deno.test("11: the pauses of a change of shards are all noted, though writes of them have failed", () => {
  const story = new CellStory();
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  const { node, ports: { store } } = story.cluster.nodes[0]!.running;
  const cas = store.cas.bind(store);
  let tries = 0;
  Object.assign(store, {
    cas: (...args: Parameters<typeof cas>) => {
      const failed = args[0] === "cluster" && ++tries % 2 === 0;
      if (failed) args[4]({ kind: "failed", message: "a fault of the test" }, false);
      else cas(...args);
    },
  });
  node.coordinator.begin({ kind: "count", count: 24 }, () => {});
  const work = () => node.coordinator.work;
  story.await("24 shards", () => work()?.state === "done", 60_000);
  equal(work()!.changesMs.length, work()!.steps);
});

Deno.test("11: a node that is slow gets a bounded number of requests, and others go on", () => {
  const story = new CellStory();
  const [first, second, third] = story.cluster.nodes as [SimNode, SimNode, SimNode];
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  const { node } = first.running;
  const at = (peer: SimNode) =>
    Array.from({ length: 100 }, (_, i) => `user${i}`).find((name) =>
      node.table.shards.some(({ lo, hi, owner }) =>
        pointOf(name) >= lo && pointOf(name) < hi && owner!.id === peer.id
      )
    )!;
  const replies = { busy: 0, others: 0 };
  const ask = (name: string) =>
    node.request(name as AccountName, "account.info", {}, (r) => {
      if (!r.ok && r.code === "busy") replies.busy++;
      else replies.others++;
    });
  // No time passes: it replies to nothing.
  for (let i = 0; i < 10_500; i++) ask(at(second));
  ask(at(third));
  deepEqual(replies, { busy: 500, others: 0 });
  story.await("all replies", () => replies.others === 10_001, 5000);
  ask(at(second));
  story.await("another", () => replies.others === 10_002, 5000);
});

Deno.test("10.10: requests wait for an owner of all accounts, however many one has", () => {
  const story = new CellStory();
  const { nodes: [first, ...others] } = story.cluster;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  const { node } = first!.running;
  const away = (name: string) =>
    node.table.shards.some(({ lo, hi, owner }) =>
      pointOf(name) >= lo && pointOf(name) < hi && owner!.id !== first!.id
    );
  const [many, one] = Array.from({ length: 100 }, (_, i) => `user${i}`).filter(away);
  for (const other of others) story.cluster.kill(other);
  story.await("no links", () => node.nodes.every(({ state }) => state !== "linked"), 5000);
  const replies = { busy: 0, others: 0, one: "" };
  const ask = (name: string, done: (code: string) => void) =>
    node.request(name as AccountName, "account.info", {}, (r) => done(r.ok ? "ok" : r.code));
  for (let i = 0; i < 10_500; i++) {
    ask(many!, (code) => code === "busy" ? replies.busy++ : replies.others++);
  }
  ask(one!, (code) => replies.one = code);
  deepEqual(replies, { busy: 9500, others: 0, one: "" }, "before there is an owner");
  story.await("all replies", () => replies.others === 1000 && replies.one !== "", 5000);
  equal(replies.one, "not_found");
});
