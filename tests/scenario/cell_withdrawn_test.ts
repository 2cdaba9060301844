/** A client gives up connecting to a node that cannot reach the owner of its user, and goes elsewhere. */
import { CellStory } from "./cell_story.ts";
import { equal } from "node:assert/strict";
import type { SimNode } from "../sim/sim_node.ts";

Deno.test("11: a session whose client has given up does not replace the one that it has elsewhere", () => {
  const story = new CellStory();
  const { alice, cluster, homes } = story;
  const cell = cluster.cell!;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  story.befriend(0, 1);
  const owner = cluster.nodes.find((n) => n.running.node.owns("alice" as never))!;
  const [cut, other] = cluster.nodes.filter((n) => n !== owner) as [SimNode, SimNode];
  homes.set(alice, cut);
  cell.cut(cut.id, owner.id, true);
  story.await("the end of their link", () => cell.linkedMs(cut.id, owner.id) === 0, 6000);
  alice.reconnect();
  cluster.time.runFor(1000);
  equal(alice.online, false);
  alice.drop("reset");
  homes.set(alice, other);
  story.await("her session elsewhere", () => alice.online, 10_000);
  const { session } = alice;
  cell.cut(cut.id, owner.id, false);
  story.await("their link", () => cell.linkedMs(cut.id, owner.id) > 0, 10_000);
  cluster.time.runFor(5000);
  equal(alice.session, session);
});
