/** A node of a cell stops in order: its clients return elsewhere, and nobody sees them go. */
import { equal, ok } from "node:assert/strict";
import { CellStory } from "./cell_story.ts";
import type { SimNode } from "../sim/sim_node.ts";

/** The node of alice's session, and the one that owns her shard. */
interface Roles {
  readonly edge: SimNode;
  readonly owner: SimNode;
}

/** alice is online at the first node and bob at the third, which stays. */
function online(story: CellStory): Roles {
  const { cluster } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  story.befriend(0, 2);
  cluster.prng.chance = (part) => part > 0.5;
  story.alice.reconnect();
  story.await("her presence", () => story.alice.online && story.sees(story.bob, "alice"), 5000);
  const owner = cluster.nodes.find((n) => n.running.node.owns("alice" as never))!;
  return { edge: cluster.nodes[0]!, owner };
}

function stop(story: CellStory, node: SimNode): () => boolean {
  let stopped = false;
  node.stop(() => {
    story.cluster.network.died(node, 1);
    stopped = true;
  });
  return () => stopped;
}

for (const transport of ["socket", "poll"] as const) {
  Deno.test(`11: nobody sees a user go whose node stops, by ${transport}`, () => {
    const story = new CellStory();
    const { alice, bob, cluster, homes } = story;
    alice.transport = transport;
    const { edge } = online(story);
    let shownOffline = false;
    const look = () => shownOffline ||= !story.sees(bob, "alice");
    for (const [node, next] of [[0, 1], [1, 0], [0, 1]] as const) {
      const from = cluster.nodes[node]!;
      homes.set(alice, cluster.nodes[next]!);
      const stopped = stop(story, from);
      story.await("the stop", () => {
        look();
        return stopped();
      }, 10_000);
      story.await("her return", () => {
        look();
        return alice.online;
      }, 10_000);
      from.start();
      for (let i = 0; i < 300; i++) {
        cluster.time.runFor(100);
        look();
      }
      equal(shownOffline, false, `at the stop of node ${node}`);
    }
    ok(edge.up);
  });
}

Deno.test("11: who does not return after a node has stopped goes offline once the grace is over", () => {
  const story = new CellStory();
  const { alice, bob, cluster } = story;
  const { edge } = online(story);
  alice.wanted = false;
  const stopped = stop(story, edge);
  story.await("the stop", stopped, 10_000);
  const beganMs = cluster.time.nowMs;
  cluster.time.runFor(10_000);
  equal(story.sees(bob, "alice"), true, "the grace");
  story.await("her absence", () => !story.sees(bob, "alice"), 25_000);
  const tookMs = cluster.time.nowMs - beganMs;
  ok(tookMs > 14_000 && tookMs < 32_000, `${tookMs} ms`);
});

Deno.test("11: when the last node stops, sessions end, and when their users were last seen is stored", () => {
  const story = new CellStory();
  const { alice, bob, cluster } = story;
  online(story);
  alice.wanted = bob.wanted = false;
  cluster.time.runFor(60_000);
  const beforeMs = cluster.time.global.clock.wallMs();
  for (const node of cluster.nodes) story.await("a stop", stop(story, node), 10_000);
  const afterMs = cluster.time.global.clock.wallMs();
  for (const node of cluster.nodes) node.start();
  story.await("a start", () => cluster.nodes.every((n) => n.serving), 10_000);
  story.await("all shards", () => story.shares.reduce((sum, n) => sum + n, 0) === 6, 10_000);
  bob.wanted = true;
  bob.look();
  const seen = () => bob.seen.get("alice") as { readonly lastSeen?: number } | undefined;
  story.await("what he sees of her", () => seen()?.lastSeen !== undefined, 20_000);
  const { lastSeen } = seen()!;
  ok(lastSeen! >= beforeMs && lastSeen! <= afterMs, `${lastSeen} in ${beforeMs} … ${afterMs}`);
});

Deno.test("11: nobody sees a user go whose node died before the last one stopped, and who is back in time", () => {
  const story = new CellStory();
  const { alice, bob, cluster, homes } = story;
  online(story);
  cluster.time.runFor(6000);
  const [edge, other, last] = cluster.nodes as [SimNode, SimNode, SimNode];
  story.await("a stop", stop(story, other), 10_000);
  alice.wanted = false;
  edge.kill();
  cluster.network.died(edge, 1);
  story.await("the claims", () => story.shares.join() === "0,0,6", 5000);
  let shownOffline = false;
  const run = (what: string, reached: () => boolean) =>
    story.await(what, () => {
      // A client that has just connected knows nothing of her yet.
      shownOffline ||= bob.seen.get("alice")?.show === "offline";
      return reached();
    }, 20_000);
  const { lines } = last.running;
  run("the last stop", stop(story, last));
  ok(lines.some(({ event }) => event === "lost node's sessions ended"), "her session ends");
  last.start();
  run("the start", () => last.serving && bob.online);
  cluster.time.runFor(2000);
  homes.set(alice, last);
  alice.wanted = true;
  alice.reconnect();
  run("her return", () => alice.online);
  // Shards wait for the sessions of her former node, which is not known to be gone, before they say.
  run("what bob sees", () => story.sees(bob, "alice"));
  last.checkLog();
  equal(shownOffline, false);
});
