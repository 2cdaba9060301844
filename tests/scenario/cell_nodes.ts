/** A cell of simulated nodes with two users, for tests of what its nodes do together. */
import { ok } from "node:assert/strict";
import { Cluster } from "../sim/cluster.ts";
import type { Device } from "../sim/device.ts";
import type { SimNode } from "../sim/sim_node.ts";
import { EDGE_LIMITS, SHARD_LIMITS } from "../sim/limits.ts";
import { LAN } from "../sim/network.ts";

/** See the head of this file. */
export class CellNodes {
  readonly cluster: Cluster;
  readonly alice: Device;
  readonly bob: Device;
  /** Where devices connect. */
  readonly #homes = new Map<Device, SimNode>();

  /**
   * Starts `nodes` nodes, the last `older` of which speak the version before this program's, and
   * waits until the shards are divided evenly.
   */
  constructor(
    nodes: number,
    shards: number,
    older = 0,
    limits: Partial<typeof SHARD_LIMITS> = {},
  ) {
    this.cluster = new Cluster(11, {
      nodes,
      older,
      shards,
      reshards: 0,
      users: 2,
      devicesPerUser: 1,
      faults: [],
      edge: EDGE_LIMITS,
      limits: { ...SHARD_LIMITS, ...limits },
      network: LAN,
      loss: 0,
    });
    this.alice = this.cluster.people[0]!.devices[0]!;
    this.bob = this.cluster.people[1]!.devices[0]!;
    this.cluster.nodeFor = (device) => this.#homes.get(device)!;
    for (const node of this.cluster.nodes) node.start();
    this.await("a start", () => this.cluster.nodes.every((n) => n.serving), 5000);
    const share = shards / nodes;
    const even = () => this.cluster.nodes.every((n) => n.answering.length === share);
    this.await("even shares", even, 10_000);
  }

  /** Lets time run until `reached`; returns how long it took (ms). */
  await(what: string, reached: () => boolean, forMs: number): number {
    const beganMs = this.cluster.time.nowMs;
    ok(this.cluster.runWhile(() => !reached(), forMs), `${what} not within ${forMs} ms`);
    return this.cluster.time.nowMs - beganMs;
  }

  /** The JSON of a response that needs virtual time to pass. */
  async ask<T>(asked: Response | Promise<Response>): Promise<T> {
    let response: Response | null = null;
    void Promise.resolve(asked).then((found) => response = found);
    for (let step = 0; response === null; step++) {
      ok(step < 1000, "a response not within 10 s");
      this.cluster.time.runFor(10);
      // What the request awaits goes on.
      for (let i = 0; i < 20; i++) await Promise.resolve();
    }
    return await (response as Response).json();
  }

  /** The two sign in at these nodes and become contacts of each other. */
  befriend(alice: SimNode, bob: SimNode): void {
    const { cluster } = this;
    this.#homes.set(this.alice, alice).set(this.bob, bob);
    let left = 2;
    for (const person of cluster.people) {
      person.kindness = 1;
      person.devices[0]!.wanted = true;
      cluster.register(person, () => left--);
    }
    this.await("registration", () => left === 0, 5000);
    this.await("sign-ins", () => this.alice.online && this.bob.online, 5000);
    this.alice.person.subscription(this.alice, "bob", "subscribe");
    const sees = (device: Device, user: string) => {
      const show = device.seen.get(user)?.show;
      return show !== undefined && show !== "offline";
    };
    const both = () => sees(this.alice, "bob") && sees(this.bob, "alice");
    this.await("their presence", both, 5000);
  }
}
