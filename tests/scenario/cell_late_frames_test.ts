/** Frames between the nodes of a cell that arrive when the owner of their shard is another one. */
import { equal, notEqual, ok } from "node:assert/strict";
import { CellStory } from "./cell_story.ts";
import type { AccountName, DeviceId, NodeRef } from "../../shard/name/ids.ts";
import type { PeerFrame } from "../../server/node/peers.ts";
import { peerKey } from "../../server/node/peers.ts";
import type { SimNode } from "../sim/sim_node.ts";

/** How long a reply is on its way (ms), at most. */
const LATE_MS = 3000;

function evenStory(): CellStory {
  const story = new CellStory();
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  return story;
}

function selfOf({ running }: SimNode): NodeRef {
  const { id, incarnation } = running.node.nodes[0]!;
  return { id, incarnation };
}

function epochOf({ running }: SimNode, shard: number): number {
  return running.node.table.shards.find(({ id }) => id === shard)!.epoch;
}

Deno.test("11.8: a shard that its owner has claimed again is not taken by a late frame that gave it", () => {
  const story = evenStory();
  const { nodes, time, ...cluster } = story.cluster;
  const [from, to, third] = nodes as readonly [SimNode, SimNode, SimNode];
  const cell = cluster.cell!;
  const [shard] = from.running.node.shards;
  const epoch = shard!.row.epoch;
  const frames: PeerFrame[] = [];
  cell.onSent = (frame) => {
    if (frame.kind !== "give") return;
    frames.push(frame);
    // Lost here, as far as its sender can know.
    cell.cut(from.id, to.id, true);
    cell.end(to.id)!.lost(from.id);
  };
  let moved: boolean | null = null;
  const move = { kind: "move", shard: shard!.id, to: selfOf(to) } as const;
  third.running.node.cell!.calls.call(peerKey(selfOf(from)), move, ({ ok }) => moved = ok);
  story.await("a move", () => frames.length > 0, 3000);
  cell.cut(from.id, to.id, false);
  story.await("its end", () => moved !== null && epochOf(to, shard!.id) > epoch, 8000);
  equal(moved, false);
  story.await("a link", () => cell.linkedMs(from.id, to.id) > 0, 5000);
  const again = () => from.answering.includes(shard!.id);
  story.await("its former owner", again, 1000);
  const owners = story.owners;
  cell.onSent = () => {};
  cell.end(from.id)!.send(peerKey(selfOf(to)), frames[0]!);
  time.runFor(1000);
  ok(from.answering.includes(shard!.id) && !to.answering.includes(shard!.id));
  equal(story.owners, owners);
});

Deno.test("11.8: a send that a former owner has done is not refused after its account was deleted", () => {
  const story = evenStory();
  const { cluster } = story;
  const name = "zoe" as AccountName;
  const owner = cluster.nodes.find((n) => n.running.node.owns(name))!;
  const asked = cluster.nodes.find((n) => n !== owner)!;
  const { node } = owner.running;
  const shard = node.shardOf(name);
  const { epoch } = shard.row;
  let created = false;
  node.request(name, "account.create", { credentials: null }, ({ ok }) => created = ok);
  story.await("an account", () => created, 3000);
  const seqOf = () => {
    let seq = -1;
    node.request(name, "mailbox.snapshot", {}, (result) => {
      seq = result.ok ? result.value.snapshot.seq : -1;
    });
    story.await("a snapshot", () => seq >= 0, 3000);
    return seq;
  };
  const before = seqOf();
  cluster.cell!.delay(owner.id, LATE_MS);
  let code: string | null = null;
  const send = { device: "d1" as DeviceId, to: "bob" as AccountName, id: "k", body: "k", ext: "" };
  asked.running.node.request(name, "message.send", send, (result) => {
    code = result.ok ? "ok" : result.code;
  });
  story.await("its commit", () => seqOf() > before, 3000);
  equal(code, null);
  node.reload(shard.id, () => {});
  story.await("the next epoch at the other node", () => epochOf(asked, shard.id) > epoch, 2000);
  equal(code, null, "its reply is still on its way");
  let removed = false;
  node.request(name, "account.remove", {}, ({ ok }) => removed = ok);
  story.await("a removal", () => removed, 2000);
  cluster.cell!.delay(owner.id, 0);
  story.await("a reply", () => code !== null, 2 * LATE_MS);
  notEqual(code, "unauthorized");
});

Deno.test("11.8: a session that a former owner has attached is attached by the next one as well", () => {
  const story = evenStory();
  const { alice, bob, cluster } = story;
  const name = alice.person.name as AccountName;
  const from = cluster.nodes.find((n) => n.running.node.owns(name))!;
  const [edge, to] = cluster.nodes.filter((n) => n !== from) as [SimNode, SimNode];
  const at = cluster.nodes.indexOf(edge);
  story.befriend(at, at);
  alice.wanted = false;
  alice.leave();
  story.await("her absence", () => !story.sees(bob, name), 3000);

  // The way back from the owner is cut as soon as the edge asks it to attach her session.
  const cell = cluster.cell!;
  let replied = false;
  cell.onSent = (frame) => {
    if (frame.kind === "reply") replied ||= frame.op === "session.attach";
    if (frame.kind !== "request" || frame.op !== "session.attach") return;
    if (!replied) cell.cutOneWay(from.id, edge.id, true);
  };
  alice.wanted = true;
  story.await("a reply on its way", () => replied, 3000);
  const { id: shard, row: { epoch } } = from.running.node.shardOf(name);
  let moved: boolean | null = null;
  const move = { kind: "move", shard, to: selfOf(to) } as const;
  to.running.node.cell!.calls.call(peerKey(selfOf(from)), move, ({ ok }) => moved = ok);
  const next = () => moved === true && to.answering.includes(shard);
  story.await("the next owner", () => next() && epochOf(edge, shard) > epoch, 2000);
  // The edge asks the next owner as soon as it knows that there is one; the reply comes late.
  story.await("her session", () => alice.online, 1000);
  cell.cutOneWay(from.id, edge.id, false);
  cluster.time.runFor(200);
  equal(alice.online, true);
  story.await("her presence", () => story.sees(bob, name), 2000);
});
