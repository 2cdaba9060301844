/**
 * The shard table changes while everything else happens: cuts, merges, and new numbers of shards.
 */
import { planTo, type Reshape, reshapeOf } from "../../shard/table/table.ts";
import { POINT_SPACE } from "../../shard/name/ids.ts";
import type { Result } from "../../shard/errors.ts";
import { stepsTo } from "../../server/node/coordinator.ts";
import { Violation } from "./history.ts";
import type { Cluster } from "./cluster.ts";
import type { SimNode } from "./sim_node.ts";

/** Longest time until a change is made or refused, ms. */
const ANSWER_MS = 30_000;
/** The same in a cell, whose nodes may be down meanwhile. */
const CELL_ANSWER_MS = 65_000;
/** More shards than this are merged again. */
const MANY = 12;

/** Makes changes at random moments of the chaos. */
export function reshards(cluster: Cluster): void {
  const prng = cluster.prng.fork("reshards");
  for (let i = 0; i < cluster.config.reshards; i++) {
    const { chaosMs } = cluster.config;
    // Some at the end: what came meanwhile and got lost is not made up for then.
    const atMs = prng.chance(0.3) ? chaosMs - prng.int(10, 300) : prng.int(0, chaosMs);
    cluster.time.global.timers.after(atMs, () => {
      // Any node takes a change.
      const node = cluster.nodes.length === 1 ? cluster.nodes[0]! : prng.pick(cluster.nodes);
      if (!node.serving) return;
      if (prng.chance(0.3)) return setNumber(cluster, node, prng.int(1, 7));
      const { shards } = node.running.node.table;
      const many = shards.length > 1 && (shards.length > MANY || prng.chance(0.5));
      const first = prng.int(0, shards.length - (many ? 2 : 1));
      const of = many ? shards.slice(first, first + prng.int(2, 3)) : [shards[first]!];
      const { lo } = of[0]!;
      const { hi } = of.at(-1)!;
      if (prng.chance(0.5)) hurry(cluster);
      // A shard of one point cannot be split, which is refused.
      const at = many && prng.chance(0.6) ? [] : [lo + 1 + prng.int(0, Math.max(0, hi - lo - 2))];
      reshape(cluster, node, { of: of.map(({ id }) => id), at }, () => {});
    });
  }
}

/** The change takes a while, and much is asked for meanwhile. */
function hurry(cluster: Cluster): void {
  cluster.nodes[0]!.disk.stall(100);
  cluster.time.global.timers.after(5, () => {
    for (const { online } of cluster.people) online[0]?.reconnect();
  });
}

function reshape(
  cluster: Cluster,
  node: SimNode,
  change: Reshape,
  done: (result: Result<unknown>) => void,
): void {
  const { running } = node;
  let answered = false;
  const text = `shards ${change.of.join("+")} cut at ${change.at.join() || "nothing"}`;
  running.node.coordinator.change(change, (result) => {
    answered = true;
    cluster.history.add("shards", `${text}: ${result.ok ? "done" : result.code}`);
    done(result);
  });
  const answerMs = cluster.groupAt(node).cell === null ? ANSWER_MS : CELL_ANSWER_MS;
  cluster.time.global.timers.after(answerMs, () => {
    // A process that is gone owes no answer; one that waits for its disk may.
    if (answered || !node.up || node.running !== running || !running.serving) return;
    if (running.process.state !== "running") return;
    throw new Violation("liveness", `${text}: no answer within ${answerMs} ms`);
  });
}

/** Brings the table to a number of shards, by the node or step by step as the dashboard does. */
function setNumber(cluster: Cluster, node: SimNode, count: number): void {
  const { running } = node;
  if (cluster.groupAt(node).cell !== null) {
    return running.node.coordinator.begin({ kind: "count", count }, (result) => {
      cluster.history.add("shards", `to be ${count}: ${result.ok ? "begun" : result.code}`);
    });
  }
  const steps = planTo(running.node.table, count);
  const next = (): void => {
    const step = steps.shift();
    if (step === undefined || !node.up || node.running !== running) return;
    const change = reshapeOf(running.node.table, step);
    if (change !== null) reshape(cluster, node, change, (result) => result.ok && next());
  };
  next();
}

/** Whether a node knows of a change of the shards that is not over. */
export function isResharding({ nodes }: Pick<Cluster, "nodes">): boolean {
  return nodes.some((n) => n.up && n.running.node.coordinator.work?.state === "running");
}

/** A change of the shards that is over has made what it was to make. */
export function checkWork({ nodes, splits }: Cluster): void {
  for (const { running: { node: { coordinator: { work }, table } }, who } of nodes) {
    if (work?.state !== "done") continue;
    // A shard that was split after it.
    const shards = table.shards.filter(({ lo }) => !splits.has(lo))
      .map((row, i, all) => ({ ...row, hi: all[i + 1]?.lo ?? POINT_SPACE }));
    const asMade = { ...table, shards };
    if ([table, asMade].some((each) => stepsTo(each, work.goal).length === 0)) continue;
    const text = `${who}: work ${work.id} is over, its shards are not ${JSON.stringify(work.goal)}`;
    throw new Violation("changes of shards are made to their end", text);
  }
}

/** Every point has one shard, at one node. */
export function checkTable(cluster: Cluster): void {
  for (const { nodes } of cluster.groups) checkPoints(nodes);
}

function checkPoints(nodes: readonly SimNode[]): void {
  const shards = nodes.flatMap(({ running }) => running.node.shards);
  let lo = 0;
  for (const shard of shards.sort((a, b) => a.lo - b.lo)) {
    if (shard.lo !== lo) throw new Violation("one shard for each point", `gap at ${lo}`);
    lo = shard.hi;
  }
  if (lo !== POINT_SPACE) throw new Violation("one shard for each point", `ends at ${lo}`);
}
