/** Alice and Bob in two cells of two nodes each. */
import { ok } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { Cluster } from "../sim/cluster.ts";
import type { Device } from "../sim/device.ts";
import { EDGE_LIMITS, SHARD_LIMITS } from "../sim/limits.ts";
import { LAN } from "../sim/network.ts";
import type { SimNode } from "../sim/sim_node.ts";

const STEP_MS = 10;
/** Within so long a watcher in another cell sees what is new (ms). */
const SEEN_MS = 5000;
/** A link is broken so long after its ways were cut (ms). */
export const BROKEN_MS = 4000;
export const ALICE = "alice" as AccountName;
export const BOB = "bob" as AccountName;

/** Alice and Bob, contacts with their homes in different cells. */
export class Pair {
  readonly cluster: Cluster;
  readonly alice: Device;
  readonly bob: Device;
  /** Times that Bob was shown Alice as offline. */
  offline = 0;
  #status = "";

  /** `near`: Bob is at the node that stands for Alice in his cell. */
  constructor(near = false) {
    const cluster = this.cluster = new Cluster(7, {
      ...{ cells: 2, nodes: 2, sizes: [2, 2], shards: 6, users: 2, devicesPerUser: 1 },
      ...{
        faults: [],
        reshards: 0,
        orders: 0,
        claimants: 0,
        cellReloads: 0,
        lateCalls: 0,
        loss: 0,
      },
      ...{ edge: EDGE_LIMITS, limits: SHARD_LIMITS, network: LAN, storeServed: false, bugs: 0 },
    });
    [this.alice, this.bob] = cluster.people.map((p) => p.devices[0]!) as [Device, Device];
    cluster.nodeFor = (device) =>
      device === this.alice ? this.other(this.home) : near ? this.proxy : this.other(this.proxy);
    for (const node of cluster.nodes) node.start();
    this.until("a start", () => cluster.nodes.every((n) => n.serving), 5000);
    const even = () => cluster.nodes.every((n) => n.running.node.shards.length === 3);
    this.until("even shares", even, 20_000);
    let left = 2;
    for (const person of cluster.people) {
      person.kindness = 1;
      person.devices[0]!.wanted = true;
      cluster.register(person, () => left--);
    }
    this.until("sign-ins", () => left === 0 && this.alice.online && this.bob.online, 20_000);
    this.bob.person.subscription(this.bob, "alice", "subscribe");
    this.until("her presence", () => this.shown !== "offline", 10_000);
    cluster.time.runFor(2000);
  }

  /** The node that serves Alice in her cell, and that which stands for it in Bob's. */
  get home(): SimNode {
    return this.owner("alice", ALICE);
  }

  get proxy(): SimNode {
    return this.owner("bob", ALICE);
  }

  /** The node that serves a name in the cell of a user. */
  owner(of: string, name: AccountName): SimNode {
    return this.cluster.groupOf(of).nodes.find((n) => n.running.node.owns(name))!;
  }

  /** The other node of its cell. */
  other(node: SimNode): SimNode {
    return this.cluster.groupAt(node).nodes.find((n) => n !== node)!;
  }

  get shown(): string {
    return this.bob.seen.get("alice")?.show ?? "offline";
  }

  /** Lets time run until it holds, and counts how often Bob is shown Alice as offline meanwhile. */
  until(what: string, holds: () => boolean, forMs: number): void {
    const { time } = this.cluster;
    for (const endMs = time.nowMs + forMs; !holds(); time.runFor(STEP_MS)) {
      ok(time.nowMs < endMs, `${what} not within ${forMs} ms`);
      if (this.shown === "offline") this.offline++;
    }
  }

  /** Alice shows something else. */
  show(): void {
    const presence = this.alice.person.presence();
    this.alice.show(presence);
    this.#status = presence.status ?? "";
  }

  /** Bob is to see what she shows. */
  seen(): void {
    const seen = () => this.bob.seen.get("alice")?.status === this.#status;
    this.until(`${this.#status} at Bob`, seen, SEEN_MS);
  }

  /** Cuts two nodes of different cells off from each other, until the link is broken; or mends it. */
  cut(one: SimNode, other: SimNode, cut: boolean): void {
    const { time, wan } = this.cluster;
    wan!.cutWay(one.id, other.id, cut);
    wan!.cutWay(other.id, one.id, cut);
    if (cut) time.runFor(BROKEN_MS);
  }

  /** Moves the shard of Alice's point from a node to the other one of its cell. */
  move(from: SimNode): void {
    const to = this.other(from);
    const { node } = from.running;
    let moved = false;
    const { id } = node.shardOf(ALICE);
    node.coordinator.orders.move(id, to.id, (result) => moved = result.ok);
    this.until("a move", () => moved && to.running.node.owns(ALICE), 10_000);
  }
}
