/**
 * What goes wrong while an account moves between cells: its shard changes its node or is split, the
 * node dies, stops, pauses or loses the store, at either side and at any moment of the move.
 */
import type { Cluster } from "./cluster.ts";
import { pointOf } from "../../shard/name/ids.ts";
import type { Prng } from "./prng.ts";
import type { SimGroup } from "./group.ts";
import type { SimNode } from "./sim_node.ts";

/** How often something goes wrong during one move: one of these. */
const STRIKES = [0, 1, 1, 2, 4] as const;

/** What goes wrong at the node that has the account's shard. */
const AT_NODE = ["killed", "killed", "killedAtWrite", "restarted", "stalled"] as const;
/** The same in a cell of several nodes. */
const IN_CELL = [
  ...AT_NODE,
  "shardMoved",
  "shardMoved",
  "shardReloaded",
  "shardSplit",
  "takenOver",
  "storeAway",
  "storeSlow",
  "replyLost",
  "cutOff",
] as const;

/** Repairs something later. */
type Later = (ms: number, run: () => void) => void;

/** What strikes at one moment. */
interface Strike {
  readonly group: SimGroup;
  readonly node: SimNode;
  readonly shard: number;
}

/** See the head of this file. */
export class MoveFaults {
  readonly #cluster: Cluster;
  readonly #prng: Prng;
  /** When the chaos ends (ms). */
  readonly #endMs: number;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#prng = cluster.prng.fork("move faults");
    this.#endMs = cluster.time.nowMs + cluster.config.chaosMs;
  }

  /** The account begins to move: something may go wrong at either side until the chaos is over. */
  around(name: string, source: SimGroup, target: SimGroup): void {
    // A seed without faults has none here.
    if (this.#cluster.config.faultCount === 0) return;
    const prng = this.#prng;
    for (let left = prng.pick(STRIKES); left > 0; left--) {
      const group = prng.pick([source, target]);
      const afterMs = prng.pick([prng.int(0, 50), prng.int(0, 700), prng.int(0, 4000)]);
      this.#cluster.time.global.timers.after(afterMs, () => {
        if (this.#runs) this.#strike(name, group);
      });
    }
  }

  get #runs(): boolean {
    return this.#cluster.time.nowMs < this.#endMs;
  }

  #strike(name: string, group: SimGroup): void {
    const point = pointOf(name);
    const has = (node: SimNode) =>
      node.up
        ? node.running.node.shards.find(({ hi, lo }) => lo <= point && point < hi)
        : undefined;
    const node = group.nodes.find((each) => each.serving && has(each) !== undefined);
    if (node === undefined) return;
    const fault = this.#prng.pick(group.cell === null ? AT_NODE : IN_CELL);
    const shard = has(node)!.id;
    this.#cluster.history.add("fault", `${fault} at ${node.who}, shard ${shard}`, name);
    this.#struck(fault, { group, node, shard });
  }

  #struck(fault: typeof IN_CELL[number], strike: Strike): void {
    const { group, node, shard } = strike;
    const { running } = node;
    const prng = this.#prng;
    switch (fault) {
      case "killed":
        return this.#kill(node);
      case "killedAtWrite":
        return node.disk.afterWrites(prng.int(0, 3), () => this.#runs && this.#kill(node));
      case "restarted":
        return this.#cluster.restart(node);
      case "stalled":
        return node.disk.stall(prng.int(100, 4000));
      case "shardMoved": {
        const to = prng.pick(group.nodes);
        return running.node.coordinator.orders.move(shard, to.id, () => {});
      }
      case "shardReloaded":
        return running.node.reload(shard, () => {});
      case "shardSplit":
        return this.#split(strike);
      default:
        return this.#apart(fault, strike);
    }
  }

  #kill(node: SimNode): void {
    this.#cluster.kill(node);
    this.#cluster.restartLater(node, this.#prng.pick([50, 500, 3000]));
  }

  #split({ node: { running }, shard: id }: Strike): void {
    const shard = running.node.shards.find((each) => each.id === id)!;
    const at = this.#prng.int(shard.lo, shard.hi - 1);
    if (at === shard.lo) return;
    this.#cluster.splits.add(at);
    running.node.reshape({ of: [id], at: [at] }, () => {});
  }

  /** The node is apart from the store, or from the others of its cell, for a while. */
  #apart(fault: typeof IN_CELL[number], { group, node }: Strike): void {
    const prng = this.#prng;
    const { id } = node;
    const cell = group.cell!;
    const later: Later = (ms, run) => void this.#cluster.time.global.timers.after(ms, run);
    const cut = (cuts: boolean) => {
      for (const other of group.nodes) if (other !== node) cell.cut(id, other.id, cuts);
    };
    const forMs = prng.pick([prng.int(50, 800), prng.int(4500, 12_000)]);
    switch (fault) {
      case "takenOver": {
        const { process } = node;
        process.pause();
        cut(true);
        later(forMs, () => process.resume());
        return later(forMs + 1000, () => cut(false));
      }
      case "cutOff":
        cut(true);
        return later(forMs, () => cut(false));
      case "storeAway":
        cell.store.keepFrom(id, true);
        return later(forMs, () => cell.store.keepFrom(id, false));
      case "storeSlow":
        cell.store.slowDown(id, prng.pick([30, 500, 3000]));
        return later(forMs, () => cell.store.slowDown(id, 0));
      case "replyLost":
        return cell.store.loseRepliesTo(id, prng.pick(["append", "claim", "checkpoint"]), 1);
      default:
        throw new Error(`no such fault: ${fault}`);
    }
  }
}
