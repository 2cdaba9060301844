/** The nodes of one simulated cell, with what they share, and what must hold of them at any time. */
import type { CellName } from "../../shard/name/ids.ts";
import { LEASE_MS } from "../../server/node/members.ts";
import type { SimCell } from "./sim_cell.ts";
import type { SimNode } from "./sim_node.ts";
import type { VirtualTime } from "./virtual_time.ts";
import { Violation } from "./history.ts";

/** How long the votes of nodes count that have a lease again, ms. */
const VOUCHED_MS = 1200;
/** A lease that is younger (ms) is renewed before it ends, where the store is well. */
const FRESH_MS = LEASE_MS / 2;
/** A link that is so old has brought what its nodes had to tell each other, ms. */
const LINKED_MS = 1000;

const fromUtf8 = new TextDecoder();

/** See the head of this file. */
export class SimGroup {
  /** The cell's name among others; null in a lone cell. */
  readonly name: CellName | null;
  readonly nodes: readonly SimNode[];
  /** What they share; null where the cell is one node. */
  readonly cell: SimCell | null;
  readonly #time: VirtualTime;
  /** When each node was seen without a lease last. */
  readonly #unleasedMs = new Map<SimNode, number>();

  constructor(
    time: VirtualTime,
    name: CellName | null,
    nodes: readonly SimNode[],
    cell: SimCell | null,
  ) {
    this.#time = time;
    this.name = name;
    this.nodes = nodes;
    this.cell = cell;
    // One without a lease may have it again before it is looked at.
    if (cell !== null) cell.onVote = (voter) => this.#note(nodes.find(({ id }) => id === voter)!);
  }

  /** Notes that a node has no lease now, if it has none. */
  #note(node: SimNode): void {
    if (!runs(node) || !node.running.node.leased) this.#unleasedMs.set(node, this.#time.nowMs);
  }

  /**
   * Whether every node serves, may for long enough, and has been linked with all others for a while. A
   * beat that a slow store took at last renews a lease that ends before the next beat.
   */
  get whole(): boolean {
    return this.nodes.every((a) =>
      a.serving && a.running.node.leaseAgeMs < FRESH_MS &&
      this.nodes.every((b) => a === b || this.cell!.linkedMs(a.id, b.id) > LINKED_MS)
    );
  }

  /** Looks that no two nodes answer for one shard, and none without reason. */
  lookAtServing(): void {
    this.#lookForVouched();
    const serving = new Map<number, SimNode>();
    for (const node of this.nodes) {
      // One that is paused answers nothing, and looks at its clock before it does.
      if (!node.up || node.process.state !== "running") continue;
      for (const id of node.answering) {
        const other = serving.get(id);
        if (other !== undefined) {
          const text = `shard ${id} is served by ${other.who} and ${node.who}`;
          throw new Violation("one node serves a shard", text);
        }
        serving.set(id, node);
      }
    }
  }

  /** Who has no lease answers only where a majority of its cell had none lately. */
  #lookForVouched(): void {
    const { nowMs } = this.#time;
    for (const node of this.nodes) this.#note(node);
    const wrongly = this.nodes.find((node) => {
      if (!runs(node) || node.running.node.leased || node.answering.length === 0) return false;
      const lately = (other: SimNode) => {
        return nowMs - (this.#unleasedMs.get(other) ?? -Infinity) <= VOUCHED_MS;
      };
      const cell = this.#cellOf(node);
      return 2 * cell.filter(lately).length <= cell.length;
    });
    if (wrongly === undefined) return;
    const text = `${wrongly.who} serves without a lease, and a majority has one`;
    throw new Violation("a majority without leases vouches", text);
  }

  /**
   * The nodes of its cell by its row in the store, by which others judge whether they may take over:
   * of these it needs a majority. Its row may only leave out who had left before its last sign of
   * life; such a one may have begun again since, which it need not know.
   */
  #cellOf(node: SimNode): SimNode[] {
    const lastBeatMs = this.#time.nowMs - node.running.node.leaseAgeMs;
    const [row] = node.disk.rows(["node", node.id]);
    const view = row === undefined ? [] : JSON.parse(fromUtf8.decode(row.value)).view;
    return this.nodes.filter((other) =>
      other === node || view.includes(other.id) || !other.hadLeft(lastBeatMs)
    );
  }
}

function runs(node: SimNode): boolean {
  return node.up && node.process.state === "running";
}
