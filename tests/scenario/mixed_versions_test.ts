/** A cell in the middle of an upgrade: some nodes speak the version before (issue 11). */
import { deepEqual, equal, ok } from "node:assert/strict";
import { CellNodes } from "./cell_nodes.ts";
import type { Device } from "../sim/device.ts";
import { question } from "../../server/node/asks.ts";
import type { SimNode } from "../sim/sim_node.ts";

const NAME = question<null, string>("name of the node");

/** The highest number of an event that a device has got. */
function received(device: Device): number {
  return device.person.devices.reduce((n, d) => Math.max(n, d.view?.seq ?? 0), 0);
}

/** Changes the number of shards through one node. */
function reshape(cell: CellNodes, at: SimNode, count: number): void {
  const { coordinator } = at.running.node;
  let begun = false;
  coordinator.begin({ kind: "count", count }, ({ ok }) => begun = ok);
  const done = () => {
    const tables = cell.cluster.nodes.map(({ running: { node } }) => node.table.shards.length);
    return coordinator.work?.state === "done" && tables.every((n) => n === count);
  };
  cell.await(`${count} shards`, done, 30_000);
  ok(begun);
}

for (const older of [1, 2]) {
  Deno.test(`11: ${older} of 3 nodes at the version before: presence, messages, shards and takeovers`, () => {
    const cell = new CellNodes(3, 6, older);
    const { alice, bob, cluster } = cell;
    const [first, , third] = cluster.nodes as [SimNode, SimNode, SimNode];
    cell.befriend(0, 2);
    const talk = (from: Device, to: Device, name: string) => {
      const before = received(to);
      from.person.write(from, name, 40);
      cell.await("an ack", () => from.person.unsent === 0, 5000);
      cell.await("a message", () => received(to) > before, 5000);
    };
    talk(alice, bob, "bob");
    talk(bob, alice, "alice");
    reshape(cell, third, 4);
    reshape(cell, first, 6);
    for (const node of [first, third]) {
      cluster.kill(node);
      // Clients notice at once.
      for (const device of [alice, bob]) {
        if (device.online && cell.homes.get(device) === node) device.drop("reset");
      }
      const served = (each: SimNode) => each.up ? each.answering.length : 0;
      const all = () => cluster.nodes.reduce((n, each) => n + served(each), 0) === 6;
      cell.await("a takeover", all, 8000);
      node.start();
      cell.await("its share", () => cluster.nodes.every((n) => n.up && served(n) === 2), 20_000);
      cell.await("both", () => alice.online && bob.online, 30_000);
    }
    talk(alice, bob, "bob");
    talk(bob, alice, "alice");
  });
}

Deno.test("11: what the version before does not know is missing in replies, and no link breaks", () => {
  const cell = new CellNodes(3, 6, 1);
  const [first, second, third] = cell.cluster.nodes as [SimNode, SimNode, SimNode];
  for (const { id, running: { node } } of [first, second, third]) {
    node.asks.on(NAME, (_, done) => done({ ok: true, value: id }));
  }
  for (const [asking, missing] of [[first, [third]], [third, [first, second]]] as const) {
    const began = cell.cluster.time.nowMs;
    let replies: readonly string[] = [];
    let why: readonly string[] = [];
    asking.running.node.asks.all(NAME, null, (all) => {
      replies = all.replies.map(({ value }) => value);
      why = all.missing.map(({ node, why }) => `${node}: ${why}`);
    });
    cell.await("replies", () => replies.length > 0, 5000);
    ok(cell.cluster.time.nowMs - began < 1000, "it has waited for those that cannot reply");
    equal(replies.length, 3 - missing.length);
    deepEqual(why.map((w) => w.split(":")[0]), missing.map(({ id }) => id));
    for (const each of why) ok(/version 1/.test(each), each);
  }
  const linked = first.running.node.nodes.filter(({ state }) => state === "linked");
  equal(linked.length, 2);
});
