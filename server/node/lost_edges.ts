/**
 * Edges of nodes that cannot be reached: their sessions count for a while, because clients or the
 * node itself may return; then they end, together with what these edges watch. Each owner does so for
 * the shards that it has: one that has lost them and does not know yet ends nothing elsewhere.
 */
import type { NodeId } from "../../shard/name/ids.ts";
import type { Cancel } from "./ports.ts";
import type { NodeParts } from "./parts.ts";
import type { ShardInput } from "../../shard/effects.ts";
import type { Shard } from "../../shard/step/shard.ts";

/** How long sessions of a node that cannot be reached count (ms). */
const EDGE_GRACE_MS = 15_000;
/** Sessions of such a node that end in one step, and the pause between steps (ms). */
const FORGET_STEP = 250;
const FORGET_STEP_MS = 20;

type Lost = ShardInput & { readonly kind: "session_lost" };

/** See the head of this file. */
export class LostEdges {
  readonly #parts: () => NodeParts;
  readonly #edges = new Map<NodeId, Cancel>();
  /** Those whose sessions end: how to stop that before the next step. */
  readonly #ending = new Map<NodeId, Cancel>();
  #stopped = false;

  constructor(parts: () => NodeParts) {
    this.#parts = parts;
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

  /** It can be reached again: what it announces from now on does not end. */
  delete(edge: NodeId): void {
    for (const cancels of [this.#edges, this.#ending]) {
      cancels.get(edge)?.();
      cancels.delete(edge);
    }
  }

  /** Ends all that count still: no node goes on to which their clients could return. */
  endAll(): void {
    for (const edge of new Set([...this.#edges.keys(), ...this.#ending.keys()])) {
      this.delete(edge);
      this.#forget(edge, Infinity);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of [...this.#edges.values(), ...this.#ending.values()]) cancel();
  }

  /** `atOnce`: how many sessions end in one step. */
  #forget(edge: NodeId, atOnce = FORGET_STEP): void {
    const { bugs, dispatch, map, ports: { log, timers } } = this.#parts();
    const ended: { readonly shard: Shard; readonly input: Lost }[] = [];
    for (const shard of map.shards) {
      const { sessions, watched } = shard.ofEdge(edge);
      for (const session of sessions) {
        ended.push({ shard, input: { kind: "session_lost", node: edge, ...session } });
      }
      if (watched.length > 0) dispatch.submit(shard, { kind: "uninterest", node: edge, watched });
    }
    if (ended.length > 0) log.info("lost node's sessions ended", { edge, sessions: ended.length });
    const step = (from: number) => {
      this.#ending.delete(edge);
      for (const { shard, input } of ended.slice(from, from + atOnce)) {
        dispatch.submit(shard, input);
      }
      if (from + atOnce >= ended.length || this.#stopped) return;
      const next = () => bugs.guard("forget edge", () => step(from + atOnce));
      this.#ending.set(edge, timers.after(FORGET_STEP_MS, next));
    };
    step(0);
  }
}
