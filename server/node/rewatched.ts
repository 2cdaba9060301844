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
  readonly #keys = new Set<string>();
  #waiting = false;

  /** An input waits from now on. */
  waits(input: ShardInput): void {
    if (input.kind !== "uninterest") return;
    this.#waiting = true;
    for (const name of input.watched) this.#keys.delete(keyOf(input.node, name));
  }

  /** A node watches users from now on. */
  watches({ node, items }: Pick<Interest, "node" | "items">): void {
    if (!this.#waiting) return;
    for (const { watched } of items) this.#keys.add(keyOf(node, watched));
  }

  /** What is left of an input that has waited; null: nothing. */
  left(input: ShardInput): ShardInput | null {
    if (input.kind !== "uninterest" || this.#keys.size === 0) return input;
    const watched = input.watched.filter((name) => !this.#keys.has(keyOf(input.node, name)));
    return watched.length === 0 ? null : { ...input, watched };
  }

  /** Nothing waits any more. */
  clear(): void {
    this.#waiting = false;
    this.#keys.clear();
  }
}
