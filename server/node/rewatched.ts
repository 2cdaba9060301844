/**
 * What is left of uninterests that wait for their shards. An interest of the same node that comes
 * later may be taken before them, for it is repeated where a shard has another owner: then they would
 * end it, and the watchers would see nothing new for good.
 */
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import type { Interest } from "./callers.ts";
import type { ShardInput } from "../../shard/effects.ts";

const keyOf = (node: NodeId, name: AccountName) => `${node} ${name}`;

/** The users that nodes watch again whose uninterests wait. */
export class Rewatched {
  /** When nodes watched users last. */
  readonly #watched = new Map<string, number>();
  /** One count for all: an input that was held may wait for an owner after that. */
  static #last = 0;
  #waiting = false;

  /** An input waits from now on, perhaps again: returns it with its place among the others. */
  waits(input: ShardInput): ShardInput {
    if (input.kind !== "uninterest") return input;
    this.#waiting = true;
    return input.order === undefined ? { ...input, order: ++Rewatched.#last } : input;
  }

  /** A node watches users from now on. */
  watches({ node, items }: Pick<Interest, "node" | "items">): void {
    if (!this.#waiting) return;
    const order = ++Rewatched.#last;
    for (const { watched } of items) this.#watched.set(keyOf(node, watched), order);
  }

  /** What is left of an input that has waited, when it is routed; null: nothing. */
  left(input: ShardInput): ShardInput | null {
    if (input.kind !== "uninterest" || this.#watched.size === 0) return input;
    const { node, order = 0 } = input;
    const watched = input.watched.filter((name) => {
      return (this.#watched.get(keyOf(node, name)) ?? 0) <= order;
    });
    return watched.length === 0 ? null : { ...input, watched };
  }

  /** All that has waited was routed; `waits`: whether an uninterest waits again by now. */
  routed(waits: () => boolean): void {
    if (!this.#waiting || waits()) return;
    this.#waiting = false;
    this.#watched.clear();
  }
}
