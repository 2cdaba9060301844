/**
 * The public addresses of a cell's nodes, as clients are notified of them: where else to connect when
 * their own node does not respond. Nothing else about nodes is in them.
 */
import type { Clock } from "../node/ports.ts";
import type { NodeView } from "../node/node_view.ts";

/** Most addresses that a client gets. */
const SERVERS_MAX = 16;
/** How long a list is used before it is made again (ms). */
const KEEP_MS = 1000;

/** What protocols need of it. */
export interface PublicServers {
  /** The addresses of all live nodes; empty where the cell has none to give. */
  all(): readonly string[];
  /** Those but for this node's. */
  others(): readonly string[];
}

type Views = readonly Pick<NodeView, "state" | "publicUrl" | "drained">[];

/** Whether it can serve clients. */
function serves({ state, publicUrl, drained }: Views[number]): boolean {
  return state !== "dead" && publicUrl !== "" && !drained;
}

/** See the head of this file. `nodes`: those of the cell, this one first. */
export class CellServers implements PublicServers {
  readonly #nodes: () => Views;
  readonly #clock: Pick<Clock, "monoMs">;
  #madeMs = -Infinity;
  #all: readonly string[] = [];
  #others: readonly string[] = [];

  constructor(nodes: () => Views, clock: Pick<Clock, "monoMs">) {
    this.#nodes = nodes;
    this.#clock = clock;
  }

  all(): readonly string[] {
    this.#make();
    return this.#all;
  }

  others(): readonly string[] {
    this.#make();
    return this.#others;
  }

  #make(): void {
    const nowMs = this.#clock.monoMs();
    if (nowMs - this.#madeMs < KEEP_MS) return;
    this.#madeMs = nowMs;
    const nodes = this.#nodes();
    const own = nodes.find(({ state }) => state === "this")?.publicUrl;
    const urls = new Set(nodes.filter(serves).map(({ publicUrl }) => publicUrl));
    this.#all = [...urls].slice(0, SERVERS_MAX);
    this.#others = this.#all.filter((url) => url !== own);
  }
}
