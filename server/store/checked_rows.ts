/**
 * Rows with checksums, over rows without: every value is stored with one, and none is returned whose
 * checksum does not fit. This is the only place where checksums are made and checked.
 */
import type { ListOptions, Mutation, Row, StoreKey } from "../node/ports.ts";
import type { RowError, RowStore } from "./row_store.ts";
import { addChecksum, checkRow } from "./row_checksum.ts";
import { checkWrite } from "./store_limits.ts";

/** Key of the row whose existence says that every row of the store has a checksum. */
export const CHECKSUMS_KEY: StoreKey = ["meta", "checksums"];

/** Called with each damaged row that is read, and why it counts as damaged. */
export type ObserveDamage = (key: StoreKey, reason: string) => void;

/** The error of a read that found these damaged rows. */
function damagedError(keys: readonly StoreKey[], reason: string): RowError {
  const named = keys.slice(0, 3).map((key) => key.join(" ")).join(", ");
  const more = keys.length > 3 ? ` and ${keys.length - 3} others` : "";
  return { kind: "damaged", message: `Row ${named}${more} is damaged: ${reason}.`, keys };
}

/** See the head of this file. */
export class CheckedRows implements RowStore {
  readonly #rows: RowStore;
  readonly #plainRows: boolean;
  readonly #observe: ObserveDamage;

  /** `plainRows`: whether the store may have rows of programs before checksums. */
  constructor(rows: RowStore, plainRows: boolean, observe: ObserveDamage) {
    this.#rows = rows;
    this.#plainRows = plainRows;
    this.#observe = observe;
  }

  write(mutations: readonly Mutation[], done: (error: RowError | null) => void): void {
    checkWrite(mutations);
    this.#rows.write(
      mutations.map((m) => m.kind === "set" ? { ...m, value: addChecksum(m.key, m.value) } : m),
      done,
    );
  }

  read(
    keys: readonly StoreKey[],
    done: (error: RowError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void {
    this.#rows.read(keys, (error, stored) => {
      if (error !== null) return done(error, []);
      const damage = this.#damage();
      const values = stored.map((bytes, i) => bytes && damage.check(keys[i]!, bytes));
      if (damage.error !== null) done(damage.error, []);
      else done(null, values);
    });
  }

  list(options: ListOptions, done: (error: RowError | null, rows: readonly Row[]) => void): void {
    this.#rows.list(options, (error, stored) => {
      if (error !== null) return done(error, []);
      if (options.keysOnly === true) {
        return done(null, stored.map(({ key }) => ({ key, value: new Uint8Array() })));
      }
      const damage = this.#damage();
      const rows = stored.map(({ key, value }) => ({ key, value: damage.check(key, value) }));
      if (damage.error !== null) done(damage.error, []);
      else done(null, rows);
    });
  }

  lastKey(prefix: StoreKey, done: (error: RowError | null, key: StoreKey | null) => void): void {
    this.#rows.lastKey(prefix, done);
  }

  close(done: () => void): void {
    this.#rows.close(done);
  }

  /** Checks the rows of one read and collects those that are damaged. */
  #damage() {
    const keys: StoreKey[] = [];
    let last = "";
    return {
      check: (key: StoreKey, bytes: Uint8Array): Uint8Array => {
        const row = checkRow(key, bytes, this.#plainRows);
        if (row.kind !== "damaged") return row.value;
        this.#observe(key, row.reason);
        keys.push(key);
        last = row.reason;
        return new Uint8Array();
      },
      get error(): RowError | null {
        return keys.length === 0 ? null : damagedError(keys, last);
      },
    };
  }
}
