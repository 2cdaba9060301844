/** What a change of presence costs between the nodes of a cell. */
import { equal, ok } from "node:assert/strict";
import { Cluster } from "../sim/cluster.ts";
import type { Device } from "../sim/device.ts";
import { EDGE_LIMITS, SHARD_LIMITS } from "../sim/limits.ts";
import { LAN } from "../sim/network.ts";
import type { SimNode } from "../sim/sim_node.ts";

const CHANGES = 20;
/** Between two changes: their rate is limited (ms). */
const PAUSE_MS = 3000;

/** A user with seven contacts, each at the node that `home` names; all see each other. */
function talk(home: (contact: number, others: readonly SimNode[], owner: SimNode) => SimNode) {
  const cluster = new Cluster(5, {
    nodes: 3,
    shards: 6,
    reshards: 0,
    users: 8,
    devicesPerUser: 2,
    faults: [],
    edge: EDGE_LIMITS,
    limits: SHARD_LIMITS,
    network: LAN,
    loss: 0,
  });
  const wait = (what: string, reached: () => boolean) =>
    ok(cluster.runWhile(() => !reached(), 20_000), what);
  const homes = new Map<Device, SimNode>();
  cluster.nodeFor = (device) => homes.get(device)!;
  for (const node of cluster.nodes) node.start();
  const shares = () => cluster.nodes.map((n) => n.up ? n.running.node.shards.length : 0).join();
  wait("even shares", () => cluster.nodes.every((n) => n.serving) && shares() === "2,2,2");
  const [alice, ...contacts] = cluster.people;
  const owner = cluster.nodes.find((n) => n.running.node.owns(alice!.name as never))!;
  const others = cluster.nodes.filter((n) => n !== owner);
  for (const device of alice!.devices) homes.set(device, owner);
  contacts.forEach(({ devices }, i) => {
    for (const device of devices) homes.set(device, home(i, others, owner));
  });
  let left = cluster.people.length;
  for (const person of cluster.people) {
    person.kindness = 1;
    for (const device of person.devices) device.wanted = true;
    cluster.register(person, () => left--);
  }
  wait("registrations", () => left === 0);
  wait("sign-ins", () => cluster.people.every((p) => p.online.length === p.devices.length));
  const [device] = alice!.devices;
  for (const { name } of contacts) alice!.subscription(device!, name, "subscribe");
  const watchers = contacts.flatMap(({ devices }) => devices);
  const see = (status: string) => watchers.every((d) => d.seen.get(alice!.name)?.status === status);
  const shown = () =>
    watchers.every((d) => (d.seen.get(alice!.name)?.show ?? "offline") !== "offline");
  wait("her presence", shown);
  return { cluster, device: device!, see, wait };
}

/** Frames with her presence between nodes, for so many changes that all contacts see. */
function framesOf({ cluster, device, see, wait }: ReturnType<typeof talk>): number {
  let frames = 0;
  cluster.cell!.onSent = (frame) => {
    if (frame.kind === "edge" && frame.packet.kind === "presence") frames++;
  };
  for (let i = 0; i < CHANGES; i++) {
    cluster.time.runFor(PAUSE_MS);
    const status = cluster.oracle.mark(device.person.life!);
    device.command("presence", { show: "away", status }, () => {});
    wait(`change ${i}`, () => see(status));
  }
  return frames;
}

Deno.test("11.9: a change of presence costs one frame for each other node with a watcher", () => {
  // Fourteen sessions watch her at both other nodes, at one of them, and at her own alone.
  equal(framesOf(talk((i, others) => others[i % 2]!)), 2 * CHANGES);
  equal(framesOf(talk((_, others) => others[0]!)), CHANGES);
  equal(framesOf(talk((_, _others, owner) => owner)), 0);
});
