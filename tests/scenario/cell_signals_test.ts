/** Signals between users of a cell, while its store goes away and returns. */
import { deepEqual } from "node:assert/strict";
import { CellStory } from "./cell_story.ts";

Deno.test("11: signals go on from when the store goes away until after it is back", () => {
  const story = new CellStory();
  const { cluster, alice, bob } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  story.befriend(0, 1);
  cluster.time.runFor(3000);
  const sent: string[] = [];
  const sendFor = (ms: number) => {
    for (let left = ms; left > 0; left -= 110) {
      const body = cluster.oracle.signal(alice.person.life!, "bob");
      sent.push(body);
      alice.command("signal", { to: "bob", type: "typing", body }, () => {});
      cluster.time.runFor(110);
    }
  };
  sendFor(500);
  // Bob's owner is the first whose lease ends: until theirs do, the others do not vouch for it.
  const owner = cluster.nodes.findIndex((n) => n.running.node.owns("bob" as never));
  story.keepFromStore([owner], true);
  sendFor(770);
  story.keepFromStore([0, 1, 2].filter((n) => n !== owner), true);
  sendFor(8000);
  story.keepFromStore([0, 1, 2], false);
  sendFor(3000);
  cluster.time.runFor(2000);
  deepEqual(sent.filter((body) => !bob.person.signals.has(body)), []);
});
