/**
 * Schemas of values in the packed format of `bytes.ts`. One schema value gives the type of a value
 * (`TypeOf`), its writer, its reader, and a reader that only skips it. This file has the schemas of
 * single values, lists and alternatives; `struct.ts` has those of objects.
 *
 * A reader throws `CorruptBytes`, and nothing else, on bytes that no writer made. It never makes a
 * list of more items than its bytes can hold. Skipping throws exactly where reading throws.
 */
import { type ByteReader, type ByteWriter, CorruptBytes } from "./bytes.ts";

/** What all schemas have in common, whatever their values are. */
export interface AnySchema {
  /** How a struct handles a field of it: one of the operations below. */
  readonly op: number;
  /** Fewest bytes of a value. */
  readonly bytesMin: number;
  /** Whether it reads on until its bytes end, so that nothing can follow it. */
  readonly open: boolean;
  write(w: ByteWriter, value: never): void;
  read(r: ByteReader): unknown;
  skip(r: ByteReader): void;
}

/** Writes, reads and skips values of type `T`. */
export interface Schema<T> extends AnySchema {
  write(w: ByteWriter, value: T): void;
  read(r: ByteReader): T;
}

/** The type of a schema's values. */
export type TypeOf<S extends AnySchema> = ReturnType<S["read"]>;

/** Operations that a struct runs in its own loop, without a call of the field's schema. */
export const UINT = 1;
export const TEXT = 2;
export const BOOL = 3;
/** The operation of all other fields: a call of the field's schema. */
export const OTHER = 0;

// ---- single values

/** A value that the byte format has a method for. */
export class Primitive<T> implements Schema<T> {
  readonly open = false;

  constructor(
    readonly type: "u8" | "uint" | "int" | "bool" | "text" | "bytes",
    readonly op: number,
    readonly bytesMin: number,
    readonly write: (w: ByteWriter, value: T) => void,
    readonly read: (r: ByteReader) => T,
    readonly skip: (r: ByteReader) => void,
  ) {}
}

/** One byte, 0 … 255. */
export const u8: Schema<number> = new Primitive(
  "u8",
  OTHER,
  1,
  (w, value: number) => void w.u8(value),
  (r) => r.u8(),
  (r) => void r.u8(),
);

/** An integer in 0 … 2⁵³ − 1: times in ms, positions, counts. */
export const uint: Schema<number> = new Primitive(
  "uint",
  UINT,
  1,
  (w, value: number) => void w.uint(value),
  (r) => r.uint(),
  (r) => void r.uint(),
);

/** A signed integer of at most 53 bits. */
export const int: Schema<number> = new Primitive(
  "int",
  OTHER,
  1,
  (w, value: number) => void w.int(value),
  (r) => r.int(),
  (r) => void r.uint(),
);

/** One byte; every value but 0 is true. */
export const bool: Schema<boolean> = new Primitive(
  "bool",
  BOOL,
  1,
  (w, value: boolean) => void w.bool(value),
  (r) => r.bool(),
  (r) => void r.u8(),
);

/** A length in bytes, then UTF-8. */
export const text: Schema<string> = new Primitive(
  "text",
  TEXT,
  1,
  (w, value: string) => void w.str(value),
  (r) => r.str(),
  (r) => r.skipStr(),
);

/** A length, then as many bytes. A reader copies them. */
export const bytes: Schema<Uint8Array> = new Primitive(
  "bytes",
  OTHER,
  1,
  (w, value: Uint8Array) => void w.bytes(value),
  (r) => r.bytes(),
  (r) => r.skip(r.uint()),
);

/** Text that is an identifier: its writer had parsed it. */
export function branded<T extends string>(): Schema<T> {
  return text as unknown as Schema<T>;
}

/** One of a few texts, as its position in one byte. Positions are stored: only ever append. */
export class OneOf<T extends string> implements Schema<T> {
  readonly op = OTHER;
  readonly bytesMin = 1;
  readonly open = false;

  constructor(readonly what: string, readonly values: readonly T[]) {}

  write(w: ByteWriter, value: T): void {
    w.u8(this.values.indexOf(value));
  }

  read(r: ByteReader): T {
    const at = r.u8();
    const value = this.values[at];
    if (value === undefined) throw new CorruptBytes(`${this.what}: no value has number ${at}`);
    return value;
  }

  skip(r: ByteReader): void {
    this.read(r);
  }
}

/** A schema of one of `values`, which `what` names in errors. */
export function oneOf<T extends string>(what: string, values: readonly T[]): OneOf<T> {
  return new OneOf(what, values);
}

/** A value that takes no bytes, because it is always the same. */
export class Constant<T> implements Schema<T> {
  readonly op = OTHER;
  readonly bytesMin = 0;
  readonly open = false;

  constructor(readonly value: T) {}

  write(): void {}

  read(): T {
    return this.value;
  }

  skip(): void {}
}

/** A schema of `value` alone. */
export function constant<T>(value: T): Constant<T> {
  return new Constant(value);
}

// ---- schemas made of others

/** Values of `inner` in another form. */
export class Mapped<A, T> implements Schema<T> {
  readonly op = OTHER;
  readonly bytesMin: number;
  readonly open: boolean;

  constructor(
    readonly inner: Schema<A>,
    readonly to: (inner: A) => T,
    readonly from: (value: T) => A,
  ) {
    this.bytesMin = inner.bytesMin;
    this.open = inner.open;
  }

  write(w: ByteWriter, value: T): void {
    this.inner.write(w, this.from(value));
  }

  read(r: ByteReader): T {
    return this.to(this.inner.read(r));
  }

  skip(r: ByteReader): void {
    this.inner.skip(r);
  }
}

/**
 * Stores what `from` makes of a value; `to` is its inverse, takes every inner value and never
 * throws.
 */
export function mapped<A, T>(
  inner: Schema<A>,
  to: (inner: A) => T,
  from: (value: T) => A,
): Mapped<A, T> {
  return new Mapped(inner, to, from);
}

/** Two texts as a bool: `no` is false. */
export function either<N extends string, Y extends string>(no: N, yes: Y): Schema<N | Y> {
  return mapped<boolean, N | Y>(bool, (b) => b ? yes : no, (v) => v === yes);
}

/** A count and as many items. */
export class List<T> implements Schema<readonly T[]> {
  readonly op = OTHER;
  readonly bytesMin = 1;
  readonly open = false;

  constructor(readonly item: Schema<T>) {
    if (item.bytesMin === 0) throw new Error("a list's items must take a byte at least");
    if (item.open) throw new Error("a list's items must have an end");
  }

  write(w: ByteWriter, items: readonly T[]): void {
    w.uint(items.length);
    for (const item of items) this.item.write(w, item);
  }

  read(r: ByteReader): T[] {
    const count = r.count(this.item.bytesMin);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(this.item.read(r));
    return items;
  }

  skip(r: ByteReader): void {
    for (let i = r.count(this.item.bytesMin); i > 0; i--) this.item.skip(r);
  }
}

/** A schema of lists; a reader takes no count that the rest of its bytes cannot hold. */
export function list<T>(item: Schema<T>): Schema<readonly T[]> {
  return new List(item);
}

type Forms = { readonly [number: number]: AnySchema };
type FormOf<F extends Forms> = TypeOf<F[keyof F & number]>;

/** A byte that says which of several forms follows. */
export class Choice<F extends Forms> implements Schema<FormOf<F>> {
  readonly op = OTHER;
  readonly bytesMin = 1;
  readonly open = false;
  readonly #forms: (AnySchema | undefined)[] = [];

  constructor(
    readonly what: string,
    readonly forms: F,
    readonly numberOf: (value: FormOf<F>) => number,
  ) {
    for (const [number, form] of Object.entries(forms)) {
      if (form.open) throw new Error(`${what}: a form must have an end`);
      this.#forms[Number(number)] = form;
    }
  }

  write(w: ByteWriter, value: FormOf<F>): void {
    const number = this.numberOf(value);
    this.#forms[number]!.write(w.u8(number), value as never);
  }

  #form(r: ByteReader): AnySchema {
    const number = r.u8();
    const form = this.#forms[number];
    if (form === undefined) throw new CorruptBytes(`${this.what} of unknown form ${number}`);
    return form;
  }

  read(r: ByteReader): FormOf<F> {
    return this.#form(r).read(r) as FormOf<F>;
  }

  skip(r: ByteReader): void {
    this.#form(r).skip(r);
  }
}

/** A schema of values of several forms by their numbers, which are stored; `numberOf` picks one. */
export function choice<F extends Forms>(
  what: string,
  forms: F,
  numberOf: (value: FormOf<F>) => number,
): Choice<F> {
  return new Choice(what, forms, numberOf);
}

/** A byte 0 for null, or 1 and the value. */
export function optional<T>(what: string, inner: Schema<T>): Schema<T | null> {
  const forms = { 0: constant(null), 1: inner };
  return choice(what, forms, (value) => value === null ? 0 : 1) as unknown as Schema<T | null>;
}

/** A field that older programs did not write. */
export class Later<T> implements Schema<T> {
  readonly op = OTHER;
  readonly bytesMin = 0;
  readonly open = true;

  constructor(readonly inner: Schema<T>, readonly fallback: T) {}

  write(w: ByteWriter, value: T): void {
    this.inner.write(w, value);
  }

  read(r: ByteReader): T {
    return r.done ? this.fallback : this.inner.read(r);
  }

  skip(r: ByteReader): void {
    if (!r.done) this.inner.skip(r);
  }
}

/** `fallback` where the bytes end before the field: only for the last fields of something sized. */
export function later<T>(inner: Schema<T>, fallback: T): Later<T> {
  return new Later(inner, fallback);
}
