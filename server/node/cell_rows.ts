/**
 * Rows that all nodes of a cell share, such as the webhooks of a service: each value is a row of its
 * own, so that they may be many or large, and one register guards them all. A change writes its rows
 * and the register in one transaction, and only if nobody else has changed any row since they were
 * read.
 */
import type { Cancel, Mutation, Random, Row, Store, StoreError, StoreKey } from "./ports.ts";
import { CHANGE_ATTEMPTS_MAX, sameBytes, type Settled } from "./cell_value.ts";

/** The part of a store that shared rows need. */
export type RowRegisters = Pick<Store, "register" | "cas" | "watch" | "list">;

/** Where the rows are. */
export interface CellRowsPlace {
  /** Name of the register that guards them, unique in the cell. */
  readonly name: string;
  /** Their keys are this and the id. Rows that earlier versions have stored here are among them. */
  readonly prefix: StoreKey;
}

/** The rows by id. */
export type RowsById<T> = ReadonlyMap<string, T>;

/** What a change makes of rows: new values by id, null for those to be deleted. */
export type RowChange<T> = ReadonlyMap<string, T | null>;

/** Rows of one page of a listing. */
const PAGE = 500;
/** Bytes of the number that tells one change from all others. */
const MARK_BYTES = 12;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/** JSON values by id; see the head of this file. */
export class CellRows<T> {
  readonly #store: RowRegisters;
  readonly #random: Pick<Random, "bytes">;
  readonly #place: CellRowsPlace;
  /** Called with all rows after each change that another user of the store made. */
  onChange: (rows: RowsById<T>) => void = () => {};
  #version = -1;

  constructor(store: RowRegisters, random: Pick<Random, "bytes">, place: CellRowsPlace) {
    this.#store = store;
    this.#random = random;
    this.#place = place;
  }

  /** Reads the rows. */
  load(done: Settled<RowsById<T>>): void {
    this.#read((error, rows, version) => {
      if (error === null) this.#version = Math.max(this.#version, version);
      done(error, rows);
    });
  }

  /** Calls `onChange` for changes of others from now on. */
  watch(): Cancel {
    return this.#store.watch(this.#place.name, (version) => {
      if (version <= this.#version) return;
      this.#read((error, rows, version) => {
        if (error !== null || version <= this.#version) return;
        this.#version = version;
        this.onChange(rows);
      });
    });
  }

  /**
   * Changes rows as they are in the store, and again where another change came first: `change` may
   * be called several times, and returns null to leave all as it is. An `unknown` outcome is decided
   * by reading. `failed` where other changes came first 16 times.
   */
  update(change: (rows: RowsById<T>) => RowChange<T> | null, done: Settled<RowsById<T>>): void {
    this.#attempt(change, CHANGE_ATTEMPTS_MAX, done);
  }

  #attempt(
    change: (rows: RowsById<T>) => RowChange<T> | null,
    left: number,
    done: Settled<RowsById<T>>,
  ): void {
    const { name } = this.#place;
    this.#read((error, rows, version) => {
      if (error !== null) return done(error, rows);
      const changed = change(rows);
      if (changed === null) return done(null, rows);
      if (left === 0) {
        const message = `Cannot change ${name}: others change it all the time`;
        return done({ kind: "failed", message }, rows);
      }
      const next = new Map(rows);
      for (const [id, value] of changed) value === null ? next.delete(id) : next.set(id, value);
      const mark = this.#random.bytes(MARK_BYTES);
      const before = this.#version;
      // The hint of this change comes before its answer: it is no change of another user.
      this.#version = Math.max(before, version + 1);
      this.#store.cas(name, version, mark, this.#mutations(changed), (error, set) => {
        if (error === null && set) return done(null, next);
        this.#version = Math.min(this.#version, Math.max(before, version));
        if (error === null) return this.#attempt(change, left - 1, done);
        if (error.kind !== "unknown") return done(error, rows);
        this.#decide(mark, error, (error) => done(error, error === null ? next : rows));
      });
    });
  }

  #mutations(changed: RowChange<T>): readonly Mutation[] {
    return [...changed].map(([id, value]) => {
      const key = [...this.#place.prefix, id];
      if (value === null) return { kind: "delete", key };
      return { kind: "set", key, value: utf8.encode(JSON.stringify(value)) };
    });
  }

  /** After an unknown outcome: whether the store has the change. */
  #decide(mark: Uint8Array, unknown: StoreError, done: (error: StoreError | null) => void): void {
    this.#store.register(this.#place.name, (error, register) => {
      const made = error === null && register !== null && sameBytes(register.value, mark);
      done(made ? null : unknown);
    });
  }

  /** The version is read first: rows may be newer than it, never older. */
  #read(done: (error: StoreError | null, rows: RowsById<T>, version: number) => void): void {
    const { name, prefix } = this.#place;
    const found: Row[] = [];
    this.#store.register(name, (error, register) => {
      if (error !== null) return done(error, new Map(), 0);
      const version = register?.version ?? 0;
      const page = (after: StoreKey | null): void =>
        this.#store.list({ prefix, after, limit: PAGE }, (error, rows) => {
          if (error !== null) return done(error, new Map(), 0);
          found.push(...rows);
          if (rows.length === PAGE) return page(rows.at(-1)!.key);
          done(
            null,
            new Map(found.map(({ key, value }) => [String(key.at(-1)), parse(value)])),
            version,
          );
        });
      page(null);
    });
    const parse = (bytes: Uint8Array) => JSON.parse(fromUtf8.decode(bytes)) as T;
  }
}
