/**
 * Appends of several processes to one store, which takes one at a time: those that wait for the one
 * under way become the next one together, in the order in which they were asked for. So one commit
 * serves them all, and a claim that is not current refuses only the append that rests on it.
 */
import type { LogBatch, Store, StoreError } from "../node/ports.ts";
import { mutationBytes } from "./store_limits.ts";
import { STORE_LIMITS } from "../node/ports.ts";
import { fenced } from "./own_claims.ts";
import { logMutations } from "./store_checks.ts";

interface Waiting {
  readonly batches: readonly LogBatch[];
  readonly done: (error: StoreError | null) => void;
  readonly rows: number;
  readonly bytes: number;
  /** Whether the caller still wants it; what it has not begun is then not done. */
  readonly wanted: () => boolean;
}

/** See the head of this file. */
export class AppendQueue {
  readonly #store: Pick<Store, "append">;
  #waiting: Waiting[] = [];
  #busy = false;
  /** Appends of the store so far, and those of its callers. */
  readonly counts = { appends: 0, asked: 0 };

  constructor(store: Pick<Store, "append">) {
    this.#store = store;
  }

  /** As `Store.append`, but any number at a time. The batches are within the store's limits. */
  append(
    batches: readonly LogBatch[],
    wanted: () => boolean,
    done: (error: StoreError | null) => void,
  ): void {
    const rows = logMutations(batches);
    const bytes = rows.reduce((sum, row) => sum + mutationBytes(row), 0);
    this.counts.asked++;
    this.#waiting.push({ batches, done, rows: rows.length, bytes, wanted });
    this.#next();
  }

  #next(): void {
    if (this.#busy) return;
    this.#waiting = this.#waiting.filter(({ wanted }) => wanted());
    const group = this.#take();
    if (group.length === 0) return;
    this.#busy = true;
    this.counts.appends++;
    this.#store.append(group.flatMap(({ batches }) => batches), (error) => {
      this.#busy = false;
      if (error?.kind === "fenced") this.#refuse(group, error.shards);
      else for (const { done } of group) done(error);
      this.#next();
    });
  }

  /** The oldest ones that fit into one append. Two of one shard do not: the second needs the first. */
  #take(): readonly Waiting[] {
    const { mutationsMax, writeBytesMax } = STORE_LIMITS;
    const shards = new Set<number>();
    let rows = 0;
    let bytes = 0;
    const fits = (w: Waiting) =>
      rows + w.rows <= mutationsMax && bytes + w.bytes <= writeBytesMax &&
      w.batches.every(({ shard }) => !shards.has(shard));
    let count = 0;
    for (; count < this.#waiting.length && fits(this.#waiting[count]!); count++) {
      const { batches, rows: more, bytes: length } = this.#waiting[count]!;
      for (const { shard } of batches) shards.add(shard);
      rows += more;
      bytes += length;
    }
    return this.#waiting.splice(0, count);
  }

  /** Nothing of the group has happened: those that rest on other claims are the next ones. */
  #refuse(group: readonly Waiting[], shards: readonly number[]): void {
    const stale = (w: Waiting) =>
      w.batches.map(({ shard }) => shard).filter((shard) => shards.includes(shard));
    this.#waiting.unshift(...group.filter((w) => stale(w).length === 0));
    for (const w of group) {
      const own = stale(w);
      if (own.length > 0) w.done(fenced(own));
    }
  }
}
