/** Votes of processes that end, while nodes serve without the store. */
import { CellStory } from "./cell_story.ts";
import { checkOwners } from "../sim/check_owners.ts";
import { deepEqual, ok } from "node:assert/strict";
import type { SimNode } from "../sim/sim_node.ts";

/** Two of three nodes serve by each other's votes; one of them ends; the third takes over. */
function voterEnds(afterMs: number, again: boolean): void {
  const story = new CellStory();
  const { cluster } = story;
  const cell = cluster.cell!;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  const [a, voter, third] = cluster.nodes as readonly [SimNode, SimNode, SimNode];
  story.keepFromStore([0, 1], true);
  // The third takes them for silent, but nobody whom it reaches agrees to a takeover.
  for (const { id } of [a, voter]) cell.cut(id, third.id, true);
  cluster.time.runFor(6000);
  deepEqual(story.served.slice(0, 2), [2, 2]);
  cell.cut(voter.id, third.id, false);
  story.await("a link", () => cell.linkedMs(voter.id, third.id) > 0, 5000);
  cluster.time.runFor(afterMs);
  cluster.kill(voter);
  if (again) {
    story.keepFromStore([1], false);
    voter.start();
  }
  for (let ms = 0; ms < 6000; ms += 5) {
    cluster.time.runFor(5);
    checkOwners(cluster.nodes);
  }
  ok(third.answering.length > 2, `it serves ${third.answering}`);
}

Deno.test("11: the last vote of a process that has ended counts before others take over", () => {
  for (let afterMs = 0; afterMs < 250; afterMs += 50) voterEnds(afterMs, false);
});

Deno.test("11: a process agrees to a takeover only when what a former one has voted for is over", () => {
  for (let afterMs = 0; afterMs < 250; afterMs += 50) voterEnds(afterMs, true);
});
