/**
 * Rows whose callbacks come late, each by a time of its own: what is listed shows writes that were not
 * called back yet, and its result comes after writes that it does not show. `RowStore` permits both.
 */
import type { ListOptions, Mutation, Row, StoreKey, Timers } from "../../server/node/ports.ts";
import type { Prng } from "./prng.ts";
import type { RowError, RowStore } from "../../server/store/row_store.ts";

/** Longest delay of a callback (ms): longer than most writes of a simulated disk. */
const LATE_MS = 12;
/** Part of the callbacks that are late. */
const LATE = 0.3;

/** What the rows are given. */
export interface OvertakingOptions {
  readonly timers: Timers;
  readonly prng: Prng;
  /** Called when these changes have happened, before those who asked for them know it. */
  applied(mutations: readonly Mutation[]): void;
}

/** See the head of this file. */
export class OvertakingRows implements RowStore {
  readonly #rows: RowStore;
  readonly #options: OvertakingOptions;

  constructor(rows: RowStore, options: OvertakingOptions) {
    this.#rows = rows;
    this.#options = options;
  }

  #late(run: () => void): void {
    const { prng, timers } = this.#options;
    if (prng.chance(LATE)) timers.after(prng.number() * LATE_MS, run);
    else run();
  }

  write(mutations: readonly Mutation[], done: (error: RowError | null) => void): void {
    this.#rows.write(mutations, (error) => {
      if (error === null) this.#options.applied(mutations);
      this.#late(() => done(error));
    });
  }

  read(
    keys: readonly StoreKey[],
    done: (error: RowError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void {
    this.#rows.read(keys, (...read) => this.#late(() => done(...read)));
  }

  list(options: ListOptions, done: (error: RowError | null, rows: readonly Row[]) => void): void {
    this.#rows.list(options, (...listed) => this.#late(() => done(...listed)));
  }

  lastKey(prefix: StoreKey, done: (error: RowError | null, key: StoreKey | null) => void): void {
    this.#rows.lastKey(prefix, (...found) => this.#late(() => done(...found)));
  }

  close(done: () => void): void {
    this.#rows.close(done);
  }
}
