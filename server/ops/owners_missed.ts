/** The nodes whose part is missing in a reply about the whole cell, each once. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Failure } from "../../shard/errors.ts";
import type { Missing } from "../node/asks.ts";
import type { Node } from "../node/node.ts";
import { pointOf } from "../../shard/name/ids.ts";

/** See the head of this file. */
export class OwnersMissed {
  readonly #node: Pick<Node, "table">;
  readonly #missing = new Map<string, Missing>();

  constructor(node: Pick<Node, "table">, missing: readonly Missing[]) {
    this.#node = node;
    for (const each of missing) this.#missing.set(each.node, each);
  }

  /** A request about an account was refused: names its owner where that cannot be reached. */
  note(name: AccountName, { code, message }: Failure): void {
    if (code !== "unavailable" && code !== "busy") return;
    const point = pointOf(name);
    const owner = this.#node.table.shards.find(({ lo, hi }) => lo <= point && point < hi)?.owner;
    if (owner == null || this.#missing.has(owner.id)) return;
    this.#missing.set(owner.id, { node: owner.id, why: message });
  }

  get all(): readonly Missing[] {
    return [...this.#missing.values()];
  }
}
