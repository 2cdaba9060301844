/**
 * Edges of nodes that cannot be reached: their sessions count for a while, because clients or the
 * node itself may return; then they end, together with what these edges watch.
 */
import type { AccountName, NodeId, SessionId } from "../../shard/name/ids.ts";
import type { Cancel } from "./ports.ts";
import type { NodeParts } from "./parts.ts";

/** How long sessions of a node that cannot be reached count (ms). */
const EDGE_GRACE_MS = 15_000;
/** Sessions of such a node that end in one step, and the pause between steps (ms). */
const FORGET_STEP = 250;
const FORGET_STEP_MS = 20;

/** See the head of this file. */
export class LostEdges {
  readonly #parts: () => NodeParts;
  readonly #detach: (name: AccountName, session: SessionId) => void;
  readonly #edges = new Map<NodeId, Cancel>();
  #stopped = false;

  /** `detach` ends a session. */
  constructor(parts: () => NodeParts, detach: (name: AccountName, session: SessionId) => void) {
    this.#parts = parts;
    this.#detach = detach;
  }

  /** The edges whose sessions still count. */
  keys(): readonly NodeId[] {
    return [...this.#edges.keys()];
  }

  /** An edge cannot be reached from now on. */
  add(edge: NodeId): void {
    if (this.#edges.has(edge)) return;
    const forget = () => {
      this.#edges.delete(edge);
      this.#forget(edge);
    };
    this.#edges.set(edge, this.#parts().ports.timers.after(EDGE_GRACE_MS, forget));
  }

  /** It can be reached again. */
  delete(edge: NodeId): void {
    this.#edges.get(edge)?.();
    this.#edges.delete(edge);
  }

  /** Ends all that count still: no node goes on to which their clients could return. */
  endAll(): void {
    for (const edge of this.keys()) {
      this.delete(edge);
      this.#forget(edge, Infinity);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#edges.values()) cancel();
  }

  /** `atOnce`: how many sessions end in one step. */
  #forget(edge: NodeId, atOnce = FORGET_STEP): void {
    const { bugs, dispatch, map, ports: { log, timers } } = this.#parts();
    const ended: { readonly name: AccountName; readonly session: SessionId }[] = [];
    for (const shard of map.shards) {
      const { sessions, watched } = shard.ofEdge(edge);
      ended.push(...sessions);
      if (watched.length > 0) dispatch.submit(shard, { kind: "uninterest", node: edge, watched });
    }
    if (ended.length > 0) log.info("lost node's sessions ended", { edge, sessions: ended.length });
    const step = (from: number) => {
      for (const { name, session } of ended.slice(from, from + atOnce)) {
        this.#detach(name, session);
      }
      if (from + atOnce >= ended.length || this.#stopped) return;
      timers.after(FORGET_STEP_MS, () => bugs.guard("forget edge", () => step(from + atOnce)));
    };
    step(0);
  }
}
