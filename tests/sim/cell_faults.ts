/** What goes wrong between the nodes of a cell, and between them and the store that they share. */
import type { CELL_FAULTS } from "./config.ts";
import type { Claim } from "../../server/node/ports.ts";
import type { Cluster } from "./cluster.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { Prng } from "./prng.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { SimCell } from "./sim_cell.ts";
import type { SimNode } from "./sim_node.ts";

type CellFault = typeof CELL_FAULTS[number];

/** Breaks something of a node and repairs it later, while `running` returns true. */
export function strikeCell(
  cluster: Cluster,
  node: SimNode,
  fault: CellFault,
  running: () => boolean,
): void {
  const { prng, several, time } = cluster;
  // A cell of one node has nothing of that.
  const alone = cluster.groupAt(node).cell === null;
  const { id } = alone ? prng.pick(prng.pick(several).nodes) : node;
  const { cell, nodes } = several.find(({ nodes }) => nodes.some((n) => n.id === id))!;
  strike(cluster, { id, cell: cell!, nodes }, fault, (ms, run) => {
    time.global.timers.after(ms, () => running() && run());
  }, running);
}

function strike(
  cluster: Cluster,
  { cell, id, nodes }: {
    readonly id: NodeId;
    readonly cell: SimCell;
    readonly nodes: readonly SimNode[];
  },
  fault: CellFault,
  later: (ms: number, run: () => void) => void,
  running: () => boolean,
): void {
  const { prng } = cluster;
  const others = nodes.map((node) => node.id).filter((other) => other !== id);
  const cut = (peers: readonly NodeId[], cuts: boolean) => {
    for (const peer of peers) cell.cut(id, peer, cuts);
  };
  const forMs = prng.pick([prng.int(50, 800), prng.int(500, 12_000)]);
  switch (fault) {
    case "linkCut":
    case "nodeCutOff": {
      const peers = fault === "linkCut" ? [prng.pick(others)] : others;
      cut(peers, true);
      return later(forMs, () => cut(peers, false));
    }
    case "linksFlap":
      return flap(prng, prng.chance(0.5) ? [prng.pick(others)] : others, cut, later);
    case "storeAway":
      cell.store.keepFrom(id, true);
      return later(forMs, () => cell.store.keepFrom(id, false));
    case "storeAwayForAll":
      return awayFor(cluster, cell, nodes.map((node) => node.id), forMs, later);
    case "storeAtMinority": {
      const longMs = prng.int(5000, 40_000);
      awayFor(cluster, cell, others, longMs, later);
      cut(others, true);
      return later(prng.pick([forMs, longMs]), () => cut(others, false));
    }
    case "oneWayCut":
      return cutOneWay(cluster, cell, [id, prng.pick(others)], forMs, later);
    case "storeRepliesLost":
      cell.store.loseReplies(id, true);
      return later(prng.pick([3, 20, forMs]), () => cell.store.loseReplies(id, false));
    case "replyLost": {
      const call = prng.pick(["claim", "reshape", "register", "cas", "append", "write"] as const);
      return cell.store.loseRepliesTo(id, call, prng.int(1, 3));
    }
    case "linksSlow":
      cell.delay(id, prng.pick([20, 300, 2000]));
      return later(forMs, () => cell.delay(id, 0));
    case "allCrash":
      return crashAll(cluster, nodes, running);
    case "race":
      return race(cluster, nodes, id, running);
    case "storeSlow":
      cell.store.slowDown(id, prng.pick([30, 500, 5000]));
      return later(forMs, () => cell.store.slowDown(id, 0));
  }
}

/** What one of two nodes sends does not reach the other one. */
function cutOneWay(
  { prng }: Cluster,
  cell: SimCell,
  [a, b]: readonly [NodeId, NodeId],
  forMs: number,
  later: (ms: number, run: () => void) => void,
): void {
  const [from, to] = prng.chance(0.5) ? [a, b] : [b, a];
  cell.cutOneWay(from, to, true);
  later(forMs, () => cell.cutOneWay(from, to, false));
}

/** Cuts links and mends them again, over and over. */
function flap(
  prng: Prng,
  peers: readonly NodeId[],
  cut: (peers: readonly NodeId[], cuts: boolean) => void,
  later: (ms: number, run: () => void) => void,
  times = prng.int(2, 6),
): void {
  cut(peers, true);
  later(prng.pick([5, prng.int(5, 800)]), () => {
    cut(peers, false);
    if (times > 1) later(prng.int(5, 1500), () => flap(prng, peers, cut, later, times - 1));
  });
}

/** Keeps nodes from the store; they do not all reach it again at one moment. */
function awayFor(
  { prng }: Cluster,
  cell: SimCell,
  nodes: readonly NodeId[],
  forMs: number,
  later: (ms: number, run: () => void) => void,
): void {
  for (const node of nodes) {
    cell.store.keepFrom(node, true);
    later(forMs + prng.int(0, 2000), () => cell.store.keepFrom(node, false));
  }
}

/** All nodes are killed, and start again with nothing in memory, at about the same time. */
export function crashAll(
  cluster: Cluster,
  nodes: readonly SimNode[],
  running: () => boolean,
): void {
  const { prng, time } = cluster;
  const spreadMs = prng.pick([0, 50, 3000]);
  for (const node of nodes) {
    time.global.timers.after(prng.pick([0, prng.int(0, 30)]), () => {
      if (!running()) return;
      cluster.kill(node);
      cluster.restartLater(node, 50 + prng.number() * spreadMs);
    });
  }
}

/** A node is killed, and all others that may claim its shards do so at once: one of them gets each. */
function race(
  cluster: Cluster,
  nodes: readonly SimNode[],
  victim: NodeId,
  running: () => boolean,
): void {
  const { prng, time } = cluster;
  const node = nodes.find(({ id }) => id === victim)!;
  if (!node.serving) return;
  const claims = node.running.node.shards.map(({ id: shard, row: { epoch } }) => ({
    shard,
    epoch,
  }));
  cluster.kill(node);
  cluster.restartLater(node, prng.pick([50, 3000]));
  for (const other of nodes) {
    time.global.timers.after(prng.number() * 5, () => {
      if (!running() || other === node || !other.serving) return;
      const { ports: { store }, node: { nodes: [self], shards } } = other.running;
      const mine = claims.filter((claim) => mayClaim(claim, shards));
      if (mine.length === 0) return;
      const { id, incarnation } = self!;
      store.claim(mine, { id, incarnation }, () => {});
    });
  }
}

/**
 * Whether the process could have made this claim itself. Before a process claims a shard from another
 * owner, it has read of that owner, and so has dropped what it had of the shard at an earlier epoch. A
 * claim in its name while it still has that would make it the owner without having read the log.
 */
function mayClaim({ shard, epoch }: Claim, has: readonly Pick<Shard, "id" | "row">[]): boolean {
  return !has.some(({ id, row }) => id === shard && row.epoch < epoch);
}
