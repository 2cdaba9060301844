/** Requests that wait for something outside the shard, by what they wait for. */
import type { AccountName } from "../name/ids.ts";
import type { Pending } from "./turn.ts";
import type { RequestId } from "./effects.ts";

/** What a request waits for. */
export type Reason =
  /** A mailbox block read for this request alone. */
  | { readonly kind: "block"; readonly request: RequestId }
  /** The dedupe window of the account. */
  | { readonly kind: "dedupe"; readonly name: AccountName }
  /** Which account has the name `to`, asked for the account `from`. */
  | { readonly kind: "resolve"; readonly from: AccountName; readonly to: AccountName };

/** Waiting requests. Those with the same reason are one group, in the order in which they came. */
export class WaitingRequests {
  readonly #blocks = new Map<RequestId, Pending>();
  readonly #dedupes = new Map<AccountName, Pending[]>();
  /** By the account that asks, then by the name that is asked for. */
  readonly #resolves = new Map<AccountName, Map<AccountName, Pending[]>>();

  get size(): number {
    return this.#blocks.size + this.#dedupes.size + this.#resolves.size;
  }

  /** Whether a request waits for the store. Those that wait for another shard do not count. */
  get onStore(): boolean {
    return this.#blocks.size + this.#dedupes.size > 0;
  }

  /** Parks a request; returns whether others wait for the same reason already. */
  add(reason: Reason, p: Pending): boolean {
    switch (reason.kind) {
      case "block":
        this.#blocks.set(reason.request, p);
        return false;
      case "dedupe":
        return push(this.#dedupes, reason.name, p);
      case "resolve": {
        const asked = this.#resolves.get(reason.from) ?? new Map<AccountName, Pending[]>();
        this.#resolves.set(reason.from, asked);
        return push(asked, reason.to, p);
      }
    }
  }

  /** Takes the requests that wait for this reason. */
  take(reason: Reason): readonly Pending[] {
    switch (reason.kind) {
      case "block": {
        const p = this.#blocks.get(reason.request);
        this.#blocks.delete(reason.request);
        return p === undefined ? [] : [p];
      }
      case "dedupe": {
        const waiters = this.#dedupes.get(reason.name) ?? [];
        this.#dedupes.delete(reason.name);
        return waiters;
      }
      case "resolve": {
        const asked = this.#resolves.get(reason.from);
        const waiters = asked?.get(reason.to) ?? [];
        asked?.delete(reason.to);
        if (asked?.size === 0) this.#resolves.delete(reason.from);
        return waiters;
      }
    }
  }

  /** Takes the groups whose name was asked for at `sinceMs` (monotonic) or before. */
  takeUnresolved(sinceMs: number): readonly Pending[] {
    const over: Pending[] = [];
    for (const [from, asked] of this.#resolves) {
      for (const [to, waiters] of asked) {
        if (waiters[0]!.sinceMs > sinceMs) continue;
        over.push(...this.take({ kind: "resolve", from, to }));
      }
    }
    return over;
  }

  /** Takes all of them. */
  takeAll(): readonly Pending[] {
    const all = [...this.#blocks.values(), ...[...this.#dedupes.values()].flat()];
    for (const asked of this.#resolves.values()) {
      for (const group of asked.values()) all.push(...group);
    }
    this.#blocks.clear();
    this.#dedupes.clear();
    this.#resolves.clear();
    return all;
  }

  /** Takes over what waits for other shards from a shard that ends: for accounts that `owns` has. */
  inherit(from: WaitingRequests, owns: (name: AccountName) => boolean): void {
    for (const [name, asked] of from.#resolves) if (owns(name)) this.#resolves.set(name, asked);
  }
}

function push<K>(groups: Map<K, Pending[]>, key: K, p: Pending): boolean {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [p]);
  else group.push(p);
  return group !== undefined;
}
