/** What a shard that is given to another node takes along: what it was asked, who may return to it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { CellStory } from "./cell_story.ts";
import type { PeerFrame } from "../../server/node/peers.ts";
import type { SimNode } from "../sim/sim_node.ts";

const ALICE = "alice" as AccountName;
const BOB = "bob" as AccountName;
const DEVICE = "d1" as DeviceId;

function evenStory(): CellStory {
  const story = new CellStory();
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  story.await("no moves", () => ordersOf(story.cluster.nodes[0]!).spread.moving === 0, 15_000);
  return story;
}

function ordersOf({ running }: SimNode) {
  return running.node.coordinator.orders;
}

function ownerOf({ cluster: { nodes } }: CellStory, name: AccountName): number {
  return nodes.findIndex((n) => n.running.node.owns(name));
}

Deno.test("11.8: what is asked while a shard is held for another node is asked of that node once", () => {
  const story = evenStory();
  const { cluster } = story;
  const [from, to] = [ownerOf(story, ALICE), ownerOf(story, BOB)];
  story.befriend(from, (from + 1) % 3);
  const { node } = cluster.nodes[from]!.running;
  const target = cluster.nodes.find((_, n) => n !== from && n !== to)!;
  const shard = node.shardOf(ALICE);
  const frames: PeerFrame[] = [];
  cluster.cell!.onSent = (frame) => {
    if (frame.kind === "request" && frame.name === ALICE) frames.push(frame);
  };
  let moved = "none";
  ordersOf(cluster.nodes[from]!).move(shard.id, target.id, (r) => moved = r.ok ? "ok" : r.code);
  // Something is always under way, so that the shard is held for as long as its commit takes.
  for (let i = 0; !shard.ending; i++) {
    equal(shard.ended, false, "it was held for no time");
    const contact = { contact: BOB, label: `label ${i}`, groups: [] };
    node.request(ALICE, "roster.set", contact, () => {});
    cluster.time.runFor(0.1);
  }
  const body = cluster.oracle.signal(story.alice.person.life!, "bob");
  const signal = { device: DEVICE, to: BOB, toDevice: null, type: "typing", body, id: "" };
  let sent = "none";
  node.request(ALICE, "signal.send", signal, (r) => sent = r.ok ? "ok" : r.code);
  ok(shard.ending && !shard.ended);
  story.await("the move", () => moved !== "none", 3000);
  cluster.time.runFor(1000);
  deepEqual([moved, sent], ["ok", "ok"]);
  equal(story.bob.person.signals.has(body), true);
  equal(frames.filter((f) => f.kind === "request" && f.op === "signal.send").length, 1);
});

Deno.test("11.8: who may return to a shard is not shown offline by a new owner that began since", () => {
  const story = evenStory();
  const { cluster } = story;
  const owner = ownerOf(story, BOB);
  const [dead, watching] = [(owner + 1) % 3, (owner + 2) % 3];
  story.befriend(watching, dead);
  const { alice, bob } = story;
  const ended = cluster.nodes[dead]!;
  bob.wanted = false;
  cluster.kill(ended);
  cluster.time.runFor(50);
  ended.start();
  story.await("a start", () => ended.serving, 5000);
  const moving = cluster.nodes[owner]!;
  const known = () =>
    moving.running.node.nodes.some(({ id, state }) => id === ended.id && state === "linked");
  story.await("a link", () => cluster.cell!.linkedMs(moving.id, ended.id) > 0 && known(), 5000);
  let shown = 0;
  const { id } = moving.running.node.shardOf(BOB);
  let moved = "none";
  ordersOf(moving).move(id, ended.id, (r) => moved = r.ok ? "ok" : r.code);
  story.await("the move", () => moved !== "none", 5000);
  equal(moved, "ok");
  equal(ended.running.node.owns(BOB), true);
  for (let ms = 0; ms < 3000; ms += 10) {
    cluster.time.runFor(10);
    if (!story.sees(alice, "bob")) shown++;
  }
  equal(shown, 0, "he was shown offline");
  // Who does not return is offline in the end.
  story.await("the end of the grace", () => !story.sees(alice, "bob"), 16_000);
});
