/** The gateway's rows: JSON in the store, one write in flight as the store wants it. */
import type { Claim, Mutation, Row, Store, StoreError, StoreKey } from "../node/ports.ts";

/** Told how a write ended. */
export type Written = (error: StoreError | null) => void;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/** Sets a row. */
export function setRow(key: StoreKey, value: unknown): Mutation {
  return { kind: "set", key, value: utf8.encode(JSON.stringify(value)) };
}

/** The value of a row that `setRow` made. */
export function rowValue(bytes: Uint8Array): unknown {
  return JSON.parse(fromUtf8.decode(bytes));
}

/** See the head of this file. */
export class Rows {
  readonly #store: Store;
  readonly #claim: Claim | null;
  readonly #waiting: { readonly mutations: readonly Mutation[]; readonly done: Written }[] = [];
  #writing = false;

  /** `claim`: what every write is fenced by; null where nobody else writes the rows. */
  constructor(store: Store, claim: Claim | null = null) {
    this.#store = store;
    this.#claim = claim;
  }

  /** All or nothing, after what was asked for before. */
  write(mutations: readonly Mutation[], done: Written): void {
    this.#waiting.push({ mutations, done });
    this.#next();
  }

  #next(): void {
    const job = this.#writing ? undefined : this.#waiting.shift();
    if (job === undefined) return;
    this.#writing = true;
    const written: Written = (error) => {
      this.#writing = false;
      job.done(error);
      this.#next();
    };
    if (this.#claim === null) this.#store.write(job.mutations, written);
    else this.#store.checkpoint([this.#claim], job.mutations, [], written);
  }

  /** The value of one row, null where there is none. */
  read(key: StoreKey, done: (error: StoreError | null, value: unknown) => void): void {
    this.#store.read([key], (error, values) => {
      const bytes = values[0] ?? null;
      done(error, bytes === null ? null : rowValue(bytes));
    });
  }

  /** A page of rows under `prefix`, ascending. */
  list(
    prefix: StoreKey,
    after: StoreKey | null,
    limit: number,
    done: (error: StoreError | null, rows: readonly Row[]) => void,
  ): void {
    this.#store.list({ prefix, after, limit }, done);
  }

  /** Every row under `prefix`; for what is small and read at the start. */
  all(prefix: StoreKey, done: (error: StoreError | null, rows: readonly Row[]) => void): void {
    const rows: Row[] = [];
    const next = (after: StoreKey | null) =>
      this.list(prefix, after, ALL_PAGE, (error, page) => {
        if (error !== null) return done(error, []);
        rows.push(...page);
        if (page.length < ALL_PAGE) done(null, rows);
        else next(page.at(-1)!.key);
      });
    next(null);
  }
}

const ALL_PAGE = 500;
