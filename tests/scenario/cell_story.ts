/** A cell of three nodes over one store in simulated time, with two users; for tests. */
import { ok } from "node:assert/strict";
import { Cluster } from "../sim/cluster.ts";
import type { Device } from "../sim/device.ts";
import type { SimNode } from "../sim/sim_node.ts";
import type { SimConfig } from "../sim/config.ts";
import { EDGE_LIMITS, SHARD_LIMITS } from "../sim/limits.ts";
import { LAN } from "../sim/network.ts";

/** See the head of this file. */
export class CellStory {
  readonly cluster: Cluster;
  /** Where devices connect. */
  readonly homes = new Map<Device, SimNode>();

  /** Starts all nodes but the last `later`. */
  constructor(change: Partial<SimConfig> = {}, later = 0) {
    const cluster = new Cluster(11, {
      nodes: 3,
      shards: 6,
      reshards: 0,
      orders: 0,
      lateCalls: 0,
      cellReloads: 0,
      claimants: 0,
      storeServed: false,
      users: 2,
      devicesPerUser: 1,
      faults: [],
      edge: EDGE_LIMITS,
      limits: SHARD_LIMITS,
      network: LAN,
      loss: 0,
      ...change,
    });
    this.cluster = cluster;
    cluster.nodeFor = (device) => this.homes.get(device)!;
    const first = cluster.nodes.slice(0, cluster.nodes.length - later);
    for (const node of first) node.start();
    this.await("a start", () => first.every((n) => n.serving), 5000);
  }

  get alice(): Device {
    return this.#device(0);
  }

  get bob(): Device {
    return this.#device(1);
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

  /** How many shards each node answers for now. */
  get served(): readonly number[] {
    return this.cluster.nodes.map((n) => n.answering.length);
  }

  /** Whose each shard is, and at which epoch. */
  get owners(): string {
    const { shards } = this.cluster.nodes[0]!.running.node.table;
    return shards.map(({ id, epoch, owner }) => `${id}: ${owner?.id} ${epoch}`).join();
  }

  keepFromStore(nodes: readonly number[], away: boolean): void {
    for (const n of nodes) this.cluster.cell!.store.keepFrom(this.cluster.nodes[n]!.id, away);
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
