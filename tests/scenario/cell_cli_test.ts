/** `roost cluster` over a simulated cell: what operators see, with the admin API in between. */
import { deepEqual, equal, match } from "node:assert/strict";
import { Hono } from "hono";
import { addClusterRoutes } from "../../server/ops/cluster_api.ts";
import { addShardRoutes } from "../../server/ops/shards_api.ts";
import { appTransport } from "../../server/cli/client.ts";
import { CellStory } from "./cell_story.ts";
import type { CliHost } from "../../server/cli/host.ts";
import { FakeMachine } from "../unit/cli_machine.ts";
import { NoServerError } from "../../server/ops/socket.ts";
import { runCli } from "../../server/cli/cli.ts";

/** Steps of virtual time while a command waits (ms). */
const STEP_MS = 10;
const STEPS_MAX = 1000;

/** Runs a command at the machine of a node; returns its exit code and what it has printed. */
async function roost(story: CellStory, at: number, line: string, workers = false) {
  const { cluster: { nodes, time } } = story;
  const node = nodes[at]!;
  const machine = new FakeMachine();
  const transport: CliHost["adminSocket"] = () => async (request) => {
    if (!node.up) throw new NoServerError("nobody");
    const app = new Hono();
    addClusterRoutes(app, node.running.node, workers);
    addShardRoutes(app, node.running.node, node.running.ports.timers);
    let over = false;
    const reply = appTransport(app)(request).finally(() => over = true);
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      for (let turns = 0; turns < 20; turns++) await Promise.resolve();
      if (over) break;
      time.runFor(STEP_MS);
    }
    return await reply;
  };
  const host: CliHost = {
    ...machine.host(),
    adminSocket: transport,
    pause: (ms) => Promise.resolve(void time.runFor(ms)),
  };
  const code = await runCli(["cluster", ...line.split(" ")], host, []);
  return { code, out: machine.out, err: machine.err };
}

async function json(story: CellStory, at: number, line: string) {
  const { code, out, err } = await roost(story, at, `${line} --json`);
  equal(code, 0, err);
  return JSON.parse(out);
}

Deno.test("11: roost cluster drains a node with progress, and shows it; undo gives it shards again", async () => {
  const story = new CellStory({ shards: 24 });
  const [first, , third] = story.cluster.nodes.map(({ id }) => id);
  story.await("even shares", () => story.shares.join() === "8,8,8", 15_000);
  const drained = await roost(story, 1, `drain ${first}`);
  equal(drained.out, `${first} is drained: it has no shards.\n`, drained.err);
  match(drained.err, new RegExp(`^${first} still has 8 shards\n`));
  const status = await roost(story, 2, "status");
  match(status.out, new RegExp(`^${first} .*linked, drained`, "m"));
  match(status.out, /\n24 shards\n$/);
  const nodes: readonly { id: string; drained: boolean; shards: readonly number[] }[] = await json(
    story,
    1,
    "nodes",
  );
  deepEqual(nodes.find(({ id }) => id === first), {
    ...nodes.find(({ id }) => id === first),
    drained: true,
    leaving: false,
    shards: [],
  });
  const shards: readonly { node: string }[] = await json(story, 0, "shards");
  deepEqual(new Set(shards.map(({ node }) => node)).has(first!), false);
  equal(shards.length, 24);
  const undone = await roost(story, 0, "drain --undo");
  equal(undone.out, `${first} may have shards again.\n`);
  story.await("its share", () => story.shares.join() === "8,8,8", 30_000);
  const moved = await json(story, 0, `move ${shards.length - 1} ${third}`);
  equal(moved.to, third);
  match(
    (await roost(story, 0, "rebalance")).out,
    /^The load is even; shards of each node: .* 8, .* 8, .* 8\n$/,
  );
});

Deno.test("11: roost cluster leave ends the node, whichever is asked", async () => {
  const story = new CellStory({ shards: 12 });
  const [first, second] = story.cluster.nodes;
  story.await("even shares", () => story.shares.join() === "4,4,4", 15_000);
  const left = await roost(story, 0, "leave");
  equal(left.out, `${first!.id} has left the cell.\n`, left.err);
  equal(first!.up, false);
  match(left.err, /is ending\n$/);
  const other = await roost(story, 2, `leave ${second!.id}`);
  equal(other.out, `${second!.id} has left the cell.\n`, other.err);
  story.await("its end", () => !second!.up, 5000);
  equal(story.shares.join(), "0,0,12");
});

Deno.test("11: what cannot be ordered of a cell is refused with the reason", async () => {
  const story = new CellStory();
  const [first, second, third] = story.cluster.nodes.map(({ id }) => id);
  story.await("even shares", () => story.shares.join() === "2,2,2", 15_000);
  const cases: readonly (readonly [string, number, RegExp])[] = [
    ["drain who", 1, /^roost: There is no node who\n$/],
    ["leave who", 1, /^roost: There is no node who\n$/],
    ["drain --undo who", 1, /^roost: There is no node who\n$/],
    [`move 99 ${first}`, 1, /^roost: There is no shard 99\n$/],
    ["move 1 who", 1, /^roost: There is no node who\n$/],
    [`move x ${first}`, 2, /^roost: the shard is x: it must be a number/],
    ["move 1", 1, /missing required argument 'node'/],
  ];
  for (const [line, exit, text] of cases) {
    const { code, err } = await roost(story, 0, line);
    match(err, text);
    equal(code === 0, false, `${line}: ${exit}`);
  }
  for (const id of [first, second]) equal((await roost(story, 2, `drain ${id}`)).code, 0);
  match((await roost(story, 0, `drain ${third}`)).err, /No other node could take the shards of/);
  match((await roost(story, 0, `move 1 ${first}`)).err, /is drained: it is to have no shards/);
  match((await roost(story, 0, "drain", true)).err, /workers of one process/);
});
