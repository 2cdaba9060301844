/**
 * Interests that wait for accounts to be loaded. An uninterest that comes meanwhile does not wait: it
 * would be done before them, and they would stay for ever. What it ends is noted, and ended once they
 * are registered, unless the node has asked again by then.
 */
import type { AccountName, NodeId } from "../name/ids.ts";
import type { ShardInput } from "../effects.ts";

type Interest = ShardInput & { readonly kind: "interest" };

const keyOf = (node: NodeId, name: AccountName) => `${node} ${name}`;

/** The interests of a shard that wait. */
export class WaitingInterests {
  readonly #waiting = new Set<Interest>();
  /** Nodes and users that a later uninterest has named. */
  readonly #ended = new Set<string>();

  /** A node asks; an interest that has waited, and is taken again, asks nothing new. */
  asked(input: Interest): void {
    if (this.#ended.size === 0 || this.#waiting.has(input)) return;
    for (const { watched } of input.items) this.#ended.delete(keyOf(input.node, watched));
  }

  /** An interest waits, perhaps again. */
  add(input: Interest): void {
    this.#waiting.add(input);
  }

  /** A node does not watch users any more. */
  end(node: NodeId, watched: readonly AccountName[]): void {
    if (this.#waiting.size === 0) return;
    for (const name of watched) this.#ended.add(keyOf(node, name));
  }

  /** An interest waits no longer: returns the users whose watching is to be ended by now. */
  done(input: Interest): readonly AccountName[] {
    if (!this.#waiting.delete(input)) return [];
    const { items, node } = input;
    const ended = items.map(({ watched }) => watched)
      .filter((name) => this.#ended.has(keyOf(node, name)));
    if (this.#waiting.size === 0) this.#ended.clear();
    return ended;
  }

  /** The users that a node watches once its interests are registered. */
  watchedBy(node: NodeId): readonly AccountName[] {
    return [...this.#waiting].filter((input) => input.node === node)
      .flatMap(({ items }) => items.map(({ watched }) => watched))
      .filter((name) => !this.#ended.has(keyOf(node, name)));
  }
}
