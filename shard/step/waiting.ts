/** Requests that wait for something outside the shard, by what they wait for. */
import type { AccountName, CellName } from "../name/ids.ts";
import type { Ops } from "../ops.ts";
import type { Pending } from "../handlers/turn.ts";
import type { RequestId } from "../effects.ts";
import type { Retries } from "../retry.ts";
import { spreadOf } from "../retry.ts";

/** What a request waits for. */
export type Reason =
  /** A mailbox or dedupe block read for this request alone. */
  | { readonly kind: "block"; readonly request: RequestId }
  /** The dedupe window of the account. */
  | { readonly kind: "dedupe"; readonly name: AccountName }
  /** Which account has the name `to`, asked for the account `from`. */
  | { readonly kind: "resolve"; readonly from: AccountName; readonly to: AccountName }
  /** Which cell is the home of the name. */
  | { readonly kind: "home"; readonly name: AccountName }
  /** The end of the account's move to another cell. */
  | { readonly kind: "move"; readonly name: AccountName };

/** A question to another shard, and the requests that wait for its answer. */
interface Question {
  waiters: Pending[];
  attempts: number;
  /** When it is to be sent (again), in monotonic ms. */
  askAtMs: number;
}

/** Waiting requests. Those with the same reason are one group, in the order in which they came. */
export class WaitingRequests {
  readonly #blocks = new Map<RequestId, Pending>();
  readonly #dedupes = new Map<AccountName, Pending[]>();
  readonly #homes = new Map<AccountName, Pending[]>();
  readonly #moves = new Map<AccountName, Pending[]>();
  /** By the account that asks, then by the name that is asked for. */
  readonly #resolves = new Map<AccountName, Map<AccountName, Question>>();

  get size(): number {
    return this.#blocks.size + this.#dedupes.size + this.#homes.size + this.#moves.size +
      this.#resolves.size;
  }

  /** Names for whose homes requests wait. */
  get homes(): readonly AccountName[] {
    return this.#homes.size === 0 ? [] : [...this.#homes.keys()];
  }

  /** The cell that a name is decided to be at home in, if nobody has it; null: this one. */
  homeOf(name: AccountName): CellName | null {
    const [first] = this.#homes.get(name) ?? [];
    return first?.op === "name.home" ? (first.input as Ops["name.home"]["in"]).reserve : null;
  }

  /** Whether this cell is to give a name up. */
  releases(name: AccountName): boolean {
    return this.#homes.get(name)?.[0]?.op === "account.release";
  }

  /** Searches that wait for blocks: of an account, and of all. */
  searches(of: AccountName): { readonly own: number; readonly all: number } {
    let [own, all] = [0, 0];
    for (const { name, op } of this.#blocks.values()) {
      if (op !== "mailbox.search") continue;
      all++;
      if (name === of) own++;
    }
    return { own, all };
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
      case "home":
        return push(this.#homes, reason.name, p);
      case "move":
        return push(this.#moves, reason.name, p);
      case "resolve": {
        const asked = this.#resolves.get(reason.from) ?? new Map<AccountName, Question>();
        this.#resolves.set(reason.from, asked);
        const question = asked.get(reason.to);
        if (question !== undefined) return question.waiters.push(p) > 1;
        asked.set(reason.to, { waiters: [p], attempts: 0, askAtMs: 0 });
        return false;
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
      case "dedupe":
      case "move":
      case "home": {
        const groups = { dedupe: this.#dedupes, home: this.#homes, move: this.#moves }[reason.kind];
        const waiters = groups.get(reason.name) ?? [];
        groups.delete(reason.name);
        return waiters;
      }
      case "resolve": {
        const asked = this.#resolves.get(reason.from);
        const waiters = asked?.get(reason.to)?.waiters ?? [];
        asked?.delete(reason.to);
        if (asked?.size === 0) this.#resolves.delete(reason.from);
        return waiters;
      }
    }
  }

  /** Takes the requests that were made at `sinceMs` (monotonic) or before and wait for an answer. */
  takeUnresolved(sinceMs: number): readonly Pending[] {
    const over = takeBefore(this.#homes, sinceMs);
    for (const [from, asked] of this.#resolves) {
      for (const [to, question] of asked) {
        const { waiters } = question;
        if (waiters[0]!.sinceMs > sinceMs) continue;
        const left = waiters.filter((p) => p.sinceMs > sinceMs);
        over.push(...waiters.filter((p) => p.sinceMs <= sinceMs));
        if (left.length > 0) question.waiters = left;
        else this.take({ kind: "resolve", from, to });
      }
    }
    return over;
  }

  /** Takes those that were made at `sinceMs` or before and wait for the end of a move. */
  takeUnmoved(sinceMs: number): readonly Pending[] {
    return this.#moves.size === 0 ? [] : takeBefore(this.#moves, sinceMs);
  }

  /** The questions to be asked (again) by now, because their answers may be lost; with backoff. */
  takeQuestions(
    nowMs: number,
    retries: Retries,
  ): readonly { from: AccountName; to: AccountName }[] {
    const due: { from: AccountName; to: AccountName }[] = [];
    for (const [from, asked] of this.#resolves) {
      for (const [to, question] of asked) {
        if (question.askAtMs > nowMs) continue;
        const tries = ++question.attempts;
        const random = spreadOf(from, tries);
        question.askAtMs = nowMs +
          (tries === 1
            ? retries.waitMs("resolve", tries, random)
            : retries.againMs("resolve", tries, random));
        due.push({ from, to });
      }
    }
    return due;
  }

  /** Takes all of them. */
  takeAll(): readonly Pending[] {
    const groups = [this.#dedupes, this.#homes, this.#moves].flatMap((g) => [...g.values()]);
    const all = [...this.#blocks.values(), ...groups.flat()];
    for (const asked of this.#resolves.values()) {
      for (const { waiters } of asked.values()) all.push(...waiters);
    }
    this.#blocks.clear();
    this.#dedupes.clear();
    this.#homes.clear();
    this.#moves.clear();
    this.#resolves.clear();
    return all;
  }

  /** Takes over what waits for other shards from a shard that ends: for accounts that `owns` has. */
  inherit(from: WaitingRequests, owns: (name: AccountName) => boolean): void {
    for (const [name, asked] of from.#resolves) if (owns(name)) this.#resolves.set(name, asked);
    for (const [name, waiters] of from.#homes) if (owns(name)) this.#homes.set(name, waiters);
    for (const [name, waiters] of from.#moves) if (owns(name)) this.#moves.set(name, waiters);
  }
}

/** Takes the requests that were made at `sinceMs` or before. */
function takeBefore(groups: Map<AccountName, Pending[]>, sinceMs: number): Pending[] {
  const over: Pending[] = [];
  for (const [name, waiters] of groups) {
    const left = waiters.filter((p) => p.sinceMs > sinceMs);
    over.push(...waiters.filter((p) => p.sinceMs <= sinceMs));
    if (left.length > 0) groups.set(name, left);
    else groups.delete(name);
  }
  return over;
}

function push<K>(groups: Map<K, Pending[]>, key: K, p: Pending): boolean {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [p]);
  else group.push(p);
  return group !== undefined;
}
