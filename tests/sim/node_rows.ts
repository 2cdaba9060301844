/**
 * What the store of a simulated cell has said of its nodes, and when: of which nodes each node's row
 * has named its cell, and when a node was none of the cell.
 */
import type { MemoryDisk } from "./memory_store.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { StoreKey } from "../../server/node/ports.ts";
import { CLUSTER_REGISTER } from "../../server/node/control.ts";
import { parseCluster } from "../../server/node/cluster_state.ts";
import { decodeRegister, registerKey } from "../../server/store/register_rows.ts";

interface Row {
  readonly incarnation: number;
  readonly left: boolean;
  readonly view: readonly NodeId[];
}

/** A time without an end yet ends at infinity, ms. */
interface Span {
  readonly fromMs: number;
  untilMs: number;
}

interface Known {
  row: Row | null;
  /** The latest process that an operator's order has taken out. */
  takenOut: number;
  readonly views: { readonly fromMs: number; readonly view: readonly NodeId[] }[];
  readonly out: Span[];
}

const fromUtf8 = new TextDecoder();
const CLUSTER_KEY = registerKey(CLUSTER_REGISTER);

/** See the head of this file. */
export class NodeRows {
  readonly #disk: MemoryDisk;
  readonly #nowMs: () => number;
  readonly #known = new Map<NodeId, Known>();

  constructor(disk: MemoryDisk, nodes: readonly NodeId[], nowMs: () => number) {
    this.#disk = disk;
    this.#nowMs = nowMs;
    for (const id of nodes) {
      const out = [{ fromMs: -Infinity, untilMs: Infinity }];
      this.#known.set(id, { row: null, takenOut: 0, views: [], out });
    }
    disk.onApplied = (key) => {
      if (key[0] === "node" || isCluster(key)) this.#look();
    };
    this.#look();
  }

  /** The views that a node's row in the store has had from a time on, the first first. */
  viewsSince(id: NodeId, fromMs: number): readonly (readonly NodeId[])[] {
    return this.#known.get(id)!.views.filter((view) => view.fromMs >= fromMs)
      .map(({ view }) => view);
  }

  /** Whether a node was none of the cell at any moment from one time to another, both included. */
  wasOut(id: NodeId, fromMs: number, untilMs: number): boolean {
    return this.#known.get(id)!.out.some((span) =>
      span.fromMs <= untilMs && span.untilMs >= fromMs
    );
  }

  #look(): void {
    const [cluster] = this.#disk.rows(CLUSTER_KEY.slice(0, 1)).filter(({ key }) => isCluster(key));
    const left = cluster === undefined
      ? []
      : parseCluster(decodeRegister(cluster.value).value).left;
    const takenOut = new Map(left.map(({ id, incarnation }) => [id, incarnation]));
    const rows = this.#disk.rows(["node"]).map(({ key, value }) => {
      return [key[1], JSON.parse(fromUtf8.decode(value)) as Row] as const;
    });
    const rowOf = new Map(rows);
    for (const [id, known] of this.#known) {
      this.#note(known, rowOf.get(id) ?? null, takenOut.get(id) ?? 0);
    }
  }

  #note(known: Known, row: Row | null, takenOut: number): void {
    const nowMs = this.#nowMs();
    // One that a former process had on its way is not taken for a sign of life of the next one.
    const isLate = row !== null && row.incarnation < (known.row?.incarnation ?? 0);
    if (!isLate && JSON.stringify(row) !== JSON.stringify(known.row)) {
      known.row = row;
      if (row !== null) known.views.push({ fromMs: nowMs, view: row.view });
    }
    const last = known.out.at(-1);
    const wasOut = last !== undefined && last.untilMs === Infinity;
    // Also where the next process has its row already: others may not have read that.
    if (takenOut > known.takenOut && !wasOut) known.out.push({ fromMs: nowMs, untilMs: nowMs });
    known.takenOut = Math.max(known.takenOut, takenOut);
    const { row: now } = known;
    const isOut = now === null || now.left || now.incarnation <= known.takenOut;
    if (wasOut && !isOut) last.untilMs = nowMs;
    if (!wasOut && isOut) known.out.push({ fromMs: nowMs, untilMs: Infinity });
  }
}

function isCluster(key: StoreKey): boolean {
  return key[0] === CLUSTER_KEY[0] && key[1] === CLUSTER_KEY[1];
}
