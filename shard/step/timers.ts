/** When a shard acts by itself: unacked outboxes, untold receipts and the like, by account. */
import type { AccountName } from "../name/ids.ts";
import type { DueKind } from "../handlers/turn.ts";

const KINDS = [
  "outbox",
  "receipts",
  "waiting",
  "requests",
  "home",
  "push",
] as const satisfies readonly DueKind[];

/** The due times of a shard, in monotonic ms. */
export class Timers {
  readonly #due: Readonly<Record<DueKind, Map<AccountName, number>>> = {
    outbox: new Map(),
    receipts: new Map(),
    waiting: new Map(),
    requests: new Map(),
    home: new Map(),
    push: new Map(),
  };

  /** Due times that are set. */
  get size(): number {
    return KINDS.reduce((sum, kind) => sum + this.#due[kind].size, 0);
  }

  has(kind: DueKind, name: AccountName): boolean {
    return this.#due[kind].has(name);
  }

  /** Sets the due time of an account, whatever it was before. */
  set(kind: DueKind, name: AccountName, atMs: number): void {
    this.#due[kind].set(name, atMs);
  }

  /** Sets the due time of an account unless an earlier one is set. */
  setEarlier(kind: DueKind, name: AccountName, atMs: number): void {
    const before = this.#due[kind].get(name);
    if (before === undefined || before > atMs) this.#due[kind].set(name, atMs);
  }

  /** Calls `run` for each account that is due and clears its time first. */
  takeDue(nowMs: number, run: (kind: DueKind, name: AccountName) => void): void {
    for (const kind of KINDS) {
      const due = this.#due[kind];
      due.forEach((at, name) => {
        if (at > nowMs) return;
        due.delete(name);
        run(kind, name);
      });
    }
  }

  /** Takes over the times of the accounts that `owns` has from a shard that ends. */
  inherit(from: Timers, owns: (name: AccountName) => boolean): void {
    for (const kind of KINDS) {
      for (const [name, at] of from.#due[kind]) if (owns(name)) this.#due[kind].set(name, at);
    }
  }

  /**
   * Forgets what follows from accounts once they are loaded again. When withheld requests are due
   * follows from no account: an early look changes nothing, a lost one is not made up for.
   */
  clear(): void {
    for (const kind of KINDS) if (kind !== "requests") this.#due[kind].clear();
  }
}
