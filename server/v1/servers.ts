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
  /** Those but for this node's; only such of nodes that want clients, where any does. */
  others(): readonly string[];
}

type View =
  & Pick<NodeView, "state" | "publicUrl" | "drained">
  & Partial<Pick<NodeView, "gossip">>;
type Views = readonly View[];

/** Whether it can serve clients. */
function serves({ state, publicUrl, drained }: View): boolean {
  return state !== "dead" && publicUrl !== "" && !drained;
}

/** Whether a node does not say that it wants no clients. */
export function wantsClients({ gossip }: Pick<View, "gossip">): boolean {
  return gossip?.says?.busy !== true;
}

/**
 * See the head of this file. `nodes`: those of the cell, this one first; `elsewhere`: where clients
 * learn who serves the cell when none of its nodes responds.
 */
export class CellServers implements PublicServers {
  readonly #nodes: () => Views;
  readonly #clock: Pick<Clock, "monoMs">;
  readonly #elsewhere: () => readonly string[];
  #madeMs = -Infinity;
  #all: readonly string[] = [];
  #others: readonly string[] = [];

  constructor(
    nodes: () => Views,
    clock: Pick<Clock, "monoMs">,
    elsewhere: () => readonly string[] = () => [],
  ) {
    this.#nodes = nodes;
    this.#clock = clock;
    this.#elsewhere = elsewhere;
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
    const urlsOf = (of: Views) =>
      [...new Set(of.filter(serves).map(({ publicUrl }) => publicUrl))].slice(0, SERVERS_MAX);
    const elsewhere = this.#elsewhere();
    this.#all = [...urlsOf(nodes), ...elsewhere].slice(0, SERVERS_MAX);
    const wanted = urlsOf(nodes.filter(wantsClients)).filter((url) => url !== own);
    this.#others = wanted.length > 0 ? wanted : this.#all.filter((url) => url !== own);
  }
}
