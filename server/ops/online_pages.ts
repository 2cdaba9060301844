/** Pages of the accounts that are online, in the order of their names, from all nodes of the cell. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Node } from "../node/node.ts";
import type { PageOptions } from "./api.ts";
import { isSynthetic } from "../node/reserved_names.ts";
import { type Missing, question } from "../node/asks.ts";
import { ok } from "../../shard/errors.ts";

type Wanted = Pick<PageOptions, "after" | "limit" | "match" | "synthetic">;

/** The first names of one node that are wanted, and how many there are without `after`. */
interface Part {
  readonly names: readonly AccountName[];
  readonly total: number;
}

/** One page. */
export interface OnlinePage {
  readonly names: readonly AccountName[];
  readonly next: AccountName | null;
  readonly total: number;
  readonly missing: readonly Missing[];
}

const ONLINE = question<Wanted, Part>("accounts.online");

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Keeps the first `limit` names in their order. */
class First {
  readonly names: AccountName[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(name: AccountName): void {
    const { names } = this;
    if (names.length === this.#limit && name >= names.at(-1)!) return;
    let [lo, hi] = [0, names.length];
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (names[mid]! < name) lo = mid + 1;
      else hi = mid;
    }
    names.splice(lo, 0, name);
    if (names.length > this.#limit) names.pop();
  }
}

function partOf(node: Pick<Node, "shards">, { after, limit, match, synthetic }: Wanted): Part {
  const first = new First(limit);
  let total = 0;
  for (const { presence } of node.shards) {
    for (const name of presence.online()) {
      if (!name.includes(match) || (!synthetic && isSynthetic(name))) continue;
      total++;
      if (after === null || name > after) first.add(name);
    }
  }
  return { names: first.names, total };
}

/** See the head of this file. */
export class OnlinePages {
  readonly #node: Pick<Node, "asks">;

  /** Also makes this node reply to others. */
  constructor(node: Pick<Node, "asks" | "shards">) {
    this.#node = node;
    node.asks.on(ONLINE, (wanted, done) => done(ok(partOf(node, wanted))));
  }

  take({ after, limit, match, synthetic }: Wanted, done: (page: OnlinePage) => void): void {
    // One more than the page has tells whether there is a next one.
    const wanted = { after, limit: limit + 1, match, synthetic };
    this.#node.asks.all(ONLINE, wanted, ({ replies, missing }) => {
      const found = replies.flatMap(({ value }) => value.names).sort(compare);
      const names = found.slice(0, limit);
      const next = found.length > limit ? names.at(-1)! : null;
      const total = replies.reduce((sum, { value }) => sum + value.total, 0);
      done({ names, next, total, missing });
    });
  }
}
