/** Listings of the accounts in the store: for operators, and to trim those that nobody uses. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Store, StoreError, StoreKey } from "./ports.ts";

/** Accounts that one sweep looks at. */
const SWEEP_ROWS = 50;

/** A page of accounts; `next` continues after it, null: there are no more. */
export type AccountPage = (
  error: StoreError | null,
  names: readonly AccountName[],
  next: StoreKey | null,
) => void;

/** The accounts that have been checkpointed. */
export class AccountListing {
  readonly #store: Store;
  #sweepAfter: StoreKey | null = null;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Names of accounts in the order of their keys, after a key. */
  page(after: StoreKey | null, limit: number, done: AccountPage): void {
    this.#store.list({ prefix: ["u"], after, limit, keysOnly: true }, (error, rows) => {
      if (error !== null) return done(error, [], null);
      const names = rows.filter((r) => r.key[3] === 0).map((r) => r.key[2] as AccountName)
        .filter((n) => !n.startsWith("/"));
      done(null, names, rows.length < limit ? null : rows.at(-1)!.key);
    });
  }

  /** Calls `look` for a few accounts, for others at the next call, all in turn. */
  sweep(look: (name: AccountName) => void): void {
    this.#store.list(
      { prefix: ["u"], after: this.#sweepAfter, limit: SWEEP_ROWS, keysOnly: true },
      (error, rows) => {
        if (error !== null) return;
        this.#sweepAfter = rows.length < SWEEP_ROWS ? null : rows.at(-1)!.key;
        for (const row of rows) if (row.key[3] === 0) look(row.key[2] as AccountName);
      },
    );
  }
}
