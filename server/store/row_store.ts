/** What keeps rows under the store: embedded Deno KV, or the simulated disk. It knows no shards. */
import type { ListOptions, Mutation, Row, StoreError, StoreKey } from "../node/ports.ts";

/** A row engine fails in these ways only: fences are not its work. */
export type RowError = Exclude<StoreError, { readonly kind: "fenced" }>;

/**
 * Rows by key. Callbacks run in a later turn. Writes happen in the order in which they are asked
 * for, and a read or list sees every write that was called back before it was asked for. A write
 * that succeeds decides those before it whose outcome is `unknown`: they never appear afterwards.
 */
export interface RowStore {
  /** All or nothing; durable when `done(null)`. */
  write(mutations: readonly Mutation[], done: (error: RowError | null) => void): void;
  /** Values in the order of the keys (any number of them), null where there is none. */
  read(
    keys: readonly StoreKey[],
    done: (error: RowError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void;
  /** Rows under `prefix`, ascending, after `after` (exclusive), at most `limit` (≤ 500). */
  list(options: ListOptions, done: (error: RowError | null, rows: readonly Row[]) => void): void;
  /** The key of the last row under `prefix`, whatever its value; null where none exists. */
  lastKey(prefix: StoreKey, done: (error: RowError | null, key: StoreKey | null) => void): void;
  /** Closes it after what is under way. */
  close(done: () => void): void;
}
