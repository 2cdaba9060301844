/** A cell of three nodes over one store, as its users see it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { Cluster } from "../sim/cluster.ts";
import type { Device } from "../sim/device.ts";
import type { SimNode } from "../sim/sim_node.ts";
import { EDGE_LIMITS } from "../sim/limits.ts";
import { LAN } from "../sim/network.ts";

/** Within so long all shards of a dead node serve at others (ms). */
const TAKEOVER_BOUND_MS = 2000;

class CellStory {
  readonly cluster = new Cluster(11, {
    nodes: 3,
    shards: 6,
    reshards: 0,
    users: 2,
    devicesPerUser: 1,
    faults: [],
    edge: EDGE_LIMITS,
    network: LAN,
    loss: 0,
  });
  readonly alice = this.#device(0);
  readonly bob = this.#device(1);
  /** Where devices connect. */
  readonly homes = new Map<Device, SimNode>();

  constructor() {
    const { cluster } = this;
    cluster.nodeFor = (device) => this.homes.get(device)!;
    for (const node of cluster.nodes) node.start();
    this.await("a start", () => cluster.nodes.every((n) => n.serving), 5000);
  }

  #device(at: number): Device {
    return this.cluster.people[at]!.devices[0]!;
  }

  /** Lets time run until `reached`; returns how long it took (ms). */
  await(what: string, reached: () => boolean, forMs: number): number {
    const beganMs = this.cluster.time.nowMs;
    ok(this.cluster.runWhile(() => !reached(), forMs), `${what} not within ${forMs} ms`);
    return this.cluster.time.nowMs - beganMs;
  }

  /** How many shards each node serves; 0 for one that is down. */
  get shares(): readonly number[] {
    return this.cluster.nodes.map((n) => {
      return n.up ? n.running.node.shards.filter((s) => s.ready).length : 0;
    });
  }

  /** The two sign in at these nodes and become contacts of each other. */
  befriend(alice: number, bob: number): void {
    const { cluster } = this;
    this.homes.set(this.alice, cluster.nodes[alice]!).set(this.bob, cluster.nodes[bob]!);
    let left = 2;
    for (const person of cluster.people) {
      person.kindness = 1;
      person.devices[0]!.wanted = true;
      cluster.register(person, () => left--);
    }
    this.await("registration", () => left === 0, 5000);
    this.await("sign-ins", () => this.alice.online && this.bob.online, 5000);
    this.alice.person.subscription(this.alice, "bob", "subscribe");
    const sees = () => this.sees(this.alice, "bob") && this.sees(this.bob, "alice");
    this.await("their presence", sees, 5000);
  }

  sees(device: Device, user: string): boolean {
    const show = device.seen.get(user)?.show;
    return show !== undefined && show !== "offline";
  }
}

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
