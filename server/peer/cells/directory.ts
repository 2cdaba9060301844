/**
 * What one node knows of the other cells of its federation, from what their nodes say of themselves
 * and pass on: which cells exist, their nodes and addresses, and who has their shards. All of it is
 * a hint. Pure: times are passed in (monotonic ms).
 */
import { type CellName, type NodeId, type NodeRef } from "../../../shard/name/ids.ts";
import type { CellTable, NodeSaying } from "./frames.ts";

/** Bounds of what strangers with the secret can make a node remember. */
export const CELLS_MAX = 64;
export const NODES_PER_CELL_MAX = 128;
const TEXT_CHARS_MAX = 512;
const URLS_MAX = 8;
/** How long a node is remembered after it has last said something (ms). */
export const FORGOTTEN_MS = 24 * 3_600_000;

/** A node of another cell as its last saying has it. */
export interface KnownNode {
  readonly saying: NodeSaying;
  /** When the node itself has said it, by this node's clock. */
  readonly saidMs: number;
}

interface KnownCell {
  readonly mark: string;
  readonly nodes: Map<NodeId, KnownNode>;
  table: CellTable | null;
}

/** What became of a saying. `used_twice`: it is of another cell with the same name. */
export type Learned = "new" | "known" | "refused" | "used_twice";

/** How far a saying is ahead: of a later process, or later of the same one. */
export function isLater(a: NodeSaying, b: NodeSaying): boolean {
  const [x, y] = [a.node.incarnation, b.node.incarnation];
  return x === y ? a.stamp > b.stamp : x > y;
}

/** See the head of this file. */
export class Directory {
  readonly #self: { readonly cell: CellName; readonly mark: string };
  readonly #cells = new Map<CellName, KnownCell>();

  constructor(self: { readonly cell: CellName; readonly mark: string }) {
    this.#self = self;
  }

  /** The other cells that are known, by name. */
  get cells(): readonly CellName[] {
    return [...this.#cells.keys()].sort();
  }

  /** The mark of a cell; null where it is not known. */
  markOf(cell: CellName): string | null {
    return this.#cells.get(cell)?.mark ?? null;
  }

  /** The nodes of a cell, those that have stopped included. */
  nodesOf(cell: CellName): readonly KnownNode[] {
    return [...this.#cells.get(cell)?.nodes.values() ?? []];
  }

  /**
   * Where clients reach a cell: addresses of its nodes that are linked; of the others where none is. One
   * that is not may be lost, and clients take any of several. Null where none is known: a node has
   * no address before it serves.
   */
  addressesOf(
    cell: CellName,
    isLinked: (node: NodeSaying) => boolean,
  ): readonly string[] | null {
    const nodes = this.nodesOf(cell).filter(({ saying }) => !saying.left);
    const linked = nodes.filter(({ saying }) => isLinked(saying));
    const urlsOf = (
      of: readonly KnownNode[],
    ) => [...new Set(of.flatMap(({ saying }) => saying.publicUrls))];
    const urls = [linked, nodes].map(urlsOf).find(({ length }) => length > 0);
    return urls ?? null;
  }

  /** Whether a node of a cell is linked that has an address for clients: it serves. */
  isReached(cell: CellName, isLinked: (node: NodeSaying) => boolean): boolean {
    return this.nodesOf(cell).some(({ saying }) =>
      !saying.left && saying.publicUrls.length > 0 && isLinked(saying)
    );
  }

  /** What all known nodes have said. */
  get sayings(): readonly KnownNode[] {
    return [...this.#cells.values()].flatMap(({ nodes }) => [...nodes.values()]);
  }

  /** Takes what a node has said, `saidMs` by this node's clock. */
  learn(saying: NodeSaying, saidMs: number): Learned {
    const { cell, mark, node, address, publicUrls } = saying;
    const { cell: own, mark: ownMark } = this.#self;
    if (cell === own) return mark === ownMark ? "known" : "used_twice";
    const texts = [mark, node.id, address, saying.program, ...publicUrls];
    if (publicUrls.length > URLS_MAX || texts.some(({ length }) => length > TEXT_CHARS_MAX)) {
      return "refused";
    }
    const known = this.#cells.get(cell);
    if (known === undefined) {
      if (this.#cells.size >= CELLS_MAX) return "refused";
      this.#cells.set(cell, { mark, nodes: new Map([[node.id, { saying, saidMs }]]), table: null });
      return "new";
    }
    if (known.mark !== mark) return "used_twice";
    const before = known.nodes.get(node.id);
    if (before !== undefined && !isLater(saying, before.saying)) return "known";
    if (before === undefined && known.nodes.size >= NODES_PER_CELL_MAX) return "refused";
    known.nodes.set(node.id, { saying, saidMs });
    return "new";
  }

  /** A node has proved that it is of a cell: another cell with that name is forgotten. */
  proved(cell: CellName, mark: string): void {
    const known = this.#cells.get(cell);
    if (known !== undefined && known.mark !== mark) this.#cells.delete(cell);
  }

  /** Takes the table that a node of a cell knows: per shard, the later epoch counts. */
  takeTable(cell: CellName, table: CellTable): void {
    const known = this.#cells.get(cell);
    if (known === undefined || !isWhole(table)) return;
    const before = known.table;
    if (before === null || before.version < table.version) known.table = table;
    else if (before.version === table.version && before.shards.length === table.shards.length) {
      const shards = table.shards.map((shard, i) =>
        shard.epoch > before.shards[i]!.epoch ? shard : before.shards[i]!
      );
      known.table = { ...table, shards };
    }
  }

  /** The table of a cell; null where none is known. */
  tableOf(cell: CellName): CellTable | null {
    return this.#cells.get(cell)?.table ?? null;
  }

  /** The process that has the shard with a point in a cell; null where none is known. */
  ownerOf(cell: CellName, point: number): NodeRef | null {
    const shards = this.#cells.get(cell)?.table?.shards ?? [];
    let [lo, hi] = [0, shards.length - 1];
    while (lo < hi) {
      const mid = (lo + hi + 1) >>> 1;
      if (shards[mid]!.lo <= point) lo = mid;
      else hi = mid - 1;
    }
    return shards[lo]?.owner[0] ?? null;
  }

  /** Forgets nodes that have said nothing for too long, and cells without nodes. */
  forget(nowMs: number, isLinked: (node: NodeSaying) => boolean): void {
    for (const [cell, { nodes }] of this.#cells) {
      for (const [id, { saying, saidMs }] of nodes) {
        if (nowMs - saidMs > FORGOTTEN_MS && !isLinked(saying)) nodes.delete(id);
      }
      if (nodes.size === 0) this.#cells.delete(cell);
    }
  }
}

function isWhole({ shards }: CellTable): boolean {
  return shards[0]?.lo === 0 && shards.every(({ lo }, i) => i === 0 || lo > shards[i - 1]!.lo);
}
