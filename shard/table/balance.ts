/**
 * Which shards to move so that the nodes of a cell have about the same load. Pure: the caller measures
 * the loads, and makes the moves. Between two bounds nothing is moved (hysteresis), and no move that
 * only carries the highest load elsewhere is made: small changes of loads move nothing, and no shard
 * goes back and forth.
 */
import type { NodeId } from "../name/ids.ts";

/** What a shard has to do. */
export interface ShardLoad {
  readonly shard: number;
  readonly node: NodeId;
  /** Inputs a second. */
  readonly perSecond: number;
  /** It stays where it is. */
  readonly fixed: boolean;
}

/** A shard to be moved. */
export interface PlannedMove {
  readonly shard: number;
  readonly from: NodeId;
  readonly to: NodeId;
}

/** Bounds of the plan. */
export interface BalanceOptions {
  /** Nothing is moved unless a node has more than this many times the mean. */
  readonly begin: number;
  /** Moves go on until none has more than this many times the mean. */
  readonly end: number;
  /** What a shard costs besides its inputs (inputs a second): those without load are divided too. */
  readonly basePerSecond: number;
}

/** The usual bounds. */
export const BALANCE: BalanceOptions = { begin: 1.25, end: 1.1, basePerSecond: 30 };

/** A move must lower the higher load of its two nodes by at least this part of the shard's load. */
const GAIN = 0.2;

interface NodeLoad {
  readonly node: NodeId;
  sum: number;
  readonly shards: { readonly shard: number; readonly weight: number; readonly fixed: boolean }[];
}

function nodeLoads(
  loads: readonly ShardLoad[],
  nodes: readonly NodeId[],
  basePerSecond: number,
): readonly NodeLoad[] {
  const all = nodes.map((node): NodeLoad => ({ node, sum: 0, shards: [] }));
  const byNode = new Map(all.map((load) => [load.node, load]));
  for (const { shard, node, perSecond, fixed } of loads) {
    const weight = perSecond + basePerSecond;
    const load = byNode.get(node);
    if (load === undefined) continue;
    load.sum += weight;
    load.shards.push({ shard, weight, fixed });
  }
  return all;
}

/** The move that lowers the higher load of two nodes most; null where none lowers it enough. */
function bestMove(from: NodeLoad, to: NodeLoad) {
  let best: NodeLoad["shards"][number] | null = null;
  let most = 0;
  for (const shard of from.shards) {
    const { weight } = shard;
    const gain = Math.min(weight, from.sum - to.sum - weight);
    if (shard.fixed || gain < GAIN * weight || gain <= most) continue;
    most = gain;
    best = shard;
  }
  return best;
}

/**
 * The moves to make, in their order; none where no node has more than `begin` times the mean, where a
 * node has no load that can be moved, or with fewer than two nodes. Shards of other nodes than `nodes`
 * are not moved, and do not count.
 */
export function balanceMoves(
  loads: readonly ShardLoad[],
  nodes: readonly NodeId[],
  { begin, end, basePerSecond }: BalanceOptions,
): readonly PlannedMove[] {
  const all = nodeLoads(loads, nodes, basePerSecond);
  const mean = all.reduce((sum, load) => sum + load.sum, 0) / all.length;
  const moves: PlannedMove[] = [];
  if (all.length < 2 || Math.max(...all.map(({ sum }) => sum)) <= begin * mean) return moves;
  for (const most = loads.length; moves.length < most;) {
    const from = all.reduce((a, b) => b.sum > a.sum ? b : a);
    const to = all.reduce((a, b) => b.sum < a.sum ? b : a);
    if (from.sum <= end * mean) break;
    const shard = bestMove(from, to);
    if (shard === null) break;
    from.shards.splice(from.shards.indexOf(shard), 1);
    from.sum -= shard.weight;
    to.sum += shard.weight;
    // What was moved stays there: a plan moves no shard twice.
    to.shards.push({ ...shard, fixed: true });
    moves.push({ shard: shard.shard, from: from.node, to: to.node });
  }
  return moves;
}
