/** The nodes of one simulated cell, with what they share, and what must hold of them at any time. */
import type { CellName, NodeId } from "../../shard/name/ids.ts";
import { LEASE_MS } from "../../server/node/members.ts";
import { NodeRows } from "./node_rows.ts";
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

/** A lease of a node's process. */
interface Lease {
  readonly process: SimNode["process"];
  /** When the sign of life began that has renewed it, ms. */
  readonly fromMs: number;
  /** It has begun to read the nodes' rows for that sign of life after this, ms. */
  readonly readMs: number;
}

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
  readonly #leases = new Map<SimNode, Lease>();
  /** When it was looked last who serves. */
  #lookedMs = 0;
  /** What the store says of the nodes; null where the cell is one node. */
  readonly #rows: NodeRows | null = null;

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
    if (cell === null) return;
    cell.onVote = (voter) => this.#note(nodes.find(({ id }) => id === voter)!);
    this.#rows = new NodeRows(nodes[0]!.disk, nodes.map(({ id }) => id), () => time.nowMs);
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
    for (const node of this.nodes) {
      this.#note(node);
      this.#noteLease(node);
    }
    this.#lookedMs = this.#time.nowMs;
    const wrongly = this.nodes.find((node) =>
      runs(node) && !node.running.node.leased && node.answering.length > 0 && !this.#isVouched(node)
    );
    if (wrongly === undefined) return;
    const text = `${wrongly.who} serves without a lease, and a majority has one`;
    throw new Violation("a majority without leases vouches", text);
  }

  /** Notes when a node's lease was renewed last, and since when it had read the rows by then. */
  #noteLease(node: SimNode): void {
    if (!runs(node)) return;
    const { process, running } = node;
    const fromMs = this.#time.nowMs - running.node.leaseAgeMs;
    const known = this.#leases.get(node);
    if (known?.process !== process) {
      this.#leases.set(node, { process, fromMs, readMs: this.#lookedMs });
    } else if (fromMs > known.fromMs + 1) {
      const readMs = Math.max(known.fromMs, known.readMs);
      this.#leases.set(node, { process, fromMs, readMs });
    }
  }

  /** Whether of each cell that it is of by its rows a majority had no lease lately. */
  #isVouched(node: SimNode): boolean {
    const { nowMs } = this.#time;
    const lately = (id: NodeId) => {
      const other = this.nodes.find((each) => each.id === id)!;
      return nowMs - (this.#unleasedMs.get(other) ?? -Infinity) <= VOUCHED_MS;
    };
    const cells = this.#cellsOf(node);
    return cells.length > 0 && cells.every((ids) => 2 * ids.filter(lately).length > ids.length);
  }

  /**
   * The nodes of its cell by each row that the store has had of it since its lease was renewed: others
   * may have taken over by any of them. The first one may only leave out who was no node of the cell
   * at some time since it had read the rows before; such a one may have begun again, which it need
   * not know.
   */
  #cellsOf(node: SimNode): readonly (readonly NodeId[])[] {
    const rows = this.#rows!;
    const { fromMs, readMs } = this.#leases.get(node)!;
    const wronglyOut = (view: readonly NodeId[]) =>
      this.nodes.map(({ id }) => id).filter((id) =>
        !view.includes(id) && !rows.wasOut(id, readMs, fromMs)
      );
    return rows.viewsSince(node.id, fromMs).map((view, i) =>
      i === 0 ? [...view, ...wronglyOut(view)] : view
    );
  }
}

function runs(node: SimNode): boolean {
  return node.up && node.process.state === "running";
}
