/**
 * A value that all nodes of a cell share: it is read from its register, changed by compare-and-set
 * only, and read again when another user of the store has changed it.
 */
import type { Cancel, Store, StoreError } from "./ports.ts";

/** The part of a store that shared values need. */
export type Registers = Pick<Store, "register" | "cas" | "watch">;

/** What a change makes of a value: the new one, or null to leave it as it is. */
export type Change<T> = (value: T) => T | null;

/** Called with the error, or with null and the value as it is then. */
export type Settled<T> = (error: StoreError | null, value: T) => void;

/** How a value is stored. */
export interface CellFormat<T> {
  /** Name of the register, unique in the cell. */
  readonly name: string;
  /** Throws for bytes that are no such value: then nothing is changed, and reads fail. */
  readonly parse: (bytes: Uint8Array) => T;
  readonly format: (value: T) => Uint8Array;
  /** The value where there is no register yet, such as what an earlier version stored elsewhere. */
  readonly initial: (done: Settled<T>) => void;
}

/** Attempts of one change against others that change the same value at the same time. */
export const CHANGE_ATTEMPTS_MAX = 16;

/** See the head of this file. */
export class CellValue<T> {
  readonly #store: Registers;
  readonly #format: CellFormat<T>;
  /** Called with the value after each change that another user of the store made. */
  onChange: (value: T) => void = () => {};
  #version = -1;
  /** The newest value that was read or written here, with its version. */
  #newest: { readonly version: number; readonly value: T } | null = null;

  constructor(store: Registers, format: CellFormat<T>) {
    this.#store = store;
    this.#format = format;
  }

  /** Reads the value. */
  load(done: Settled<T>): void {
    this.#read((error, value, version) => {
      if (error !== null) return done(error, value);
      this.#version = Math.max(this.#version, version);
      done(null, this.#known(version, value));
    });
  }

  /** The value, or a newer one: replies of the store may be late, and overtake each other. */
  #known(version: number, value: T): T {
    if (this.#newest === null || version >= this.#newest.version) {
      this.#newest = { version, value };
    }
    return this.#newest.value;
  }

  /** Calls `onChange` for changes of others from now on; the store's hints may be late. */
  watch(): Cancel {
    return this.#store.watch(this.#format.name, (version) => {
      if (version <= this.#version) return;
      this.#read((error, value, version) => {
        if (error !== null || version <= this.#version) return;
        this.#version = version;
        this.onChange(this.#known(version, value));
      });
    });
  }

  /**
   * Changes the value as it is in the store, and again where another change came first: `change`
   * may be called several times. An `unknown` outcome is decided by reading. `failed` where other
   * changes came first 16 times.
   */
  update(change: Change<T>, done: Settled<T>): void {
    this.#attempt(change, CHANGE_ATTEMPTS_MAX, done);
  }

  #attempt(change: Change<T>, left: number, done: Settled<T>): void {
    this.#read((error, value, version) => {
      if (error !== null) return done(error, value);
      const next = change(value);
      if (next === null) return done(null, this.#known(version, value));
      if (left === 0) {
        const message = `Cannot change ${this.#format.name}: others change it all the time`;
        return done({ kind: "failed", message }, value);
      }
      const bytes = this.#format.format(next);
      const before = this.#version;
      // The hint of this change comes before its answer: it is no change of another user.
      this.#version = Math.max(before, version + 1);
      this.#store.cas(this.#format.name, version, bytes, [], (error, set) => {
        if (error === null && set) return done(null, this.#known(version + 1, next));
        this.#version = Math.min(this.#version, Math.max(before, version));
        if (error !== null && error.kind !== "unknown") return done(error, value);
        if (error !== null) return this.#decide(bytes, next, error, done);
        this.#attempt(change, left - 1, done);
      });
    });
  }

  /** After an unknown outcome: whether the store has what was written. */
  #decide(bytes: Uint8Array, next: T, unknown: StoreError, done: Settled<T>): void {
    this.#store.register(this.#format.name, (error, register) => {
      const same = error === null && register !== null && sameBytes(register.value, bytes);
      if (same) done(null, this.#known(register.version, next));
      else done(unknown, next);
    });
  }

  #read(done: (error: StoreError | null, value: T, version: number) => void): void {
    const { name, parse, initial } = this.#format;
    this.#store.register(name, (error, register) => {
      if (error !== null || register === null) {
        return initial((failed, value) => done(error ?? failed, value, 0));
      }
      let value: T;
      try {
        value = parse(register.value);
      } catch (cause) {
        const message = `Cannot understand the register ${name}: ${cause}`;
        return initial((_, value) => done({ kind: "failed", message }, value, register.version));
      }
      done(null, value, register.version);
    });
  }
}

/** Whether two values are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/** A text; null where there is none yet. */
export function cellText(name: string): CellFormat<string | null> {
  return {
    name,
    parse: (bytes) => fromUtf8.decode(bytes),
    format: (text) => utf8.encode(text ?? ""),
    initial: (done) => done(null, null),
  };
}

/** A JSON value. */
export function cellJson<T>(
  name: string,
  initial: CellFormat<T>["initial"],
): CellFormat<T> {
  return {
    name,
    parse: (bytes) => JSON.parse(fromUtf8.decode(bytes)) as T,
    format: (value) => utf8.encode(JSON.stringify(value)),
    initial,
  };
}
