/**
 * Schemas of objects: structs, unions of structs by their `kind`, and rows of sized entries. A struct
 * is a list of operations that one loop runs; no code is generated from text.
 */
import { ByteReader, type ByteWriter, CorruptBytes } from "./bytes.ts";
import {
  type AnySchema,
  BOOL,
  Later,
  OTHER,
  type Schema,
  TEXT,
  type TypeOf,
  UINT,
} from "./schema.ts";

/** Schemas by field, in the order in which they are written. */
export type Fields = { readonly [name: string]: AnySchema };

/** The values of a struct with these fields. */
export type StructOf<F extends Fields> = { readonly [K in keyof F]: TypeOf<F[K]> };

type Values = Record<string, unknown>;

/** So many values with one operation; only integers are skipped together. */
interface Skip {
  readonly op: number;
  readonly count: number;
  readonly schema: AnySchema;
}

function skipsOf(schemas: readonly AnySchema[]): Skip[] {
  const skips: Skip[] = [];
  for (const schema of schemas) {
    const { op } = schema;
    const last = skips.at(-1);
    if (op === UINT && last?.op === UINT) {
      skips[skips.length - 1] = { op, count: last.count + 1, schema };
    } else skips.push({ op, count: 1, schema });
  }
  return skips;
}

/** Schemas one after another, and how each is run. */
class Steps {
  readonly schemas: readonly AnySchema[];
  readonly bytesMin: number;
  readonly #ops: Uint8Array;
  readonly #skips: readonly Skip[];

  constructor(schemas: readonly AnySchema[]) {
    this.schemas = schemas;
    this.bytesMin = schemas.reduce((sum, s) => sum + s.bytesMin, 0);
    this.#ops = Uint8Array.from(schemas, (s) => s.op);
    this.#skips = skipsOf(schemas);
  }

  write(w: ByteWriter, at: number, v: unknown): void {
    switch (this.#ops[at]) {
      case UINT:
        w.uint(v as number);
        return;
      case TEXT:
        w.str(v as string);
        return;
      case BOOL:
        w.bool(v as boolean);
        return;
      default:
        this.schemas[at]!.write(w, v as never);
    }
  }

  read(r: ByteReader, at: number): unknown {
    switch (this.#ops[at]) {
      case UINT:
        return r.uint();
      case TEXT:
        return r.str();
      case BOOL:
        return r.bool();
      default:
        return this.schemas[at]!.read(r);
    }
  }

  skip(r: ByteReader): void {
    const skips = this.#skips;
    for (let i = 0; i < skips.length; i++) {
      const { op, count, schema } = skips[i]!;
      if (op === UINT) r.skipUints(count);
      else if (op === TEXT) r.skipStr();
      else schema.skip(r);
    }
  }
}

/** Fields one after another. */
export class Struct<F extends Fields> implements Schema<StructOf<F>> {
  readonly op = OTHER;
  readonly bytesMin: number;
  readonly open: boolean;
  readonly #keys: readonly string[];
  readonly #steps: Steps;

  constructor(readonly fields: F) {
    this.#keys = Object.keys(fields);
    this.#steps = new Steps(Object.values(fields));
    this.bytesMin = this.#steps.bytesMin;
    const { schemas } = this.#steps;
    const open = schemas.findIndex((s) => s.open);
    this.open = open >= 0;
    const after = this.open ? schemas.slice(open + 1) : [];
    if (!after.every((s) => s instanceof Later)) {
      throw new Error(`field ${this.#keys[open]} has no end: no others can follow`);
    }
  }

  write(w: ByteWriter, value: StructOf<F>): void {
    const keys = this.#keys;
    for (let i = 0; i < keys.length; i++) {
      this.#steps.write(w, i, (value as Values)[keys[i]!]);
    }
  }

  read(r: ByteReader): StructOf<F> {
    return this.fill<Partial<StructOf<F>>>(r, {}) as StructOf<F>;
  }

  /** Sets the fields of `target` to what it reads; returns it. */
  fill<T extends Partial<StructOf<F>>>(r: ByteReader, target: T): T & StructOf<F> {
    const keys = this.#keys;
    for (let i = 0; i < keys.length; i++) {
      (target as Values)[keys[i]!] = this.#steps.read(r, i);
    }
    return target as T & StructOf<F>;
  }

  skip(r: ByteReader): void {
    this.#steps.skip(r);
  }
}

/** A schema of objects with these fields, written in the order in which they stand here. */
export function struct<F extends Fields>(fields: F): Struct<F> {
  return new Struct(fields);
}

// ---- tuples

/** The values of a tuple of these schemas. */
export type TupleOf<S extends readonly AnySchema[]> = {
  readonly [K in keyof S]: TypeOf<S[K]>;
};

/** Values one after another, without names: for objects that are made of them by `mapped`. */
export class Tuple<S extends readonly AnySchema[]> implements Schema<TupleOf<S>> {
  readonly op = OTHER;
  readonly bytesMin: number;
  readonly open = false;
  readonly #steps: Steps;

  constructor(readonly items: S) {
    if (items.some((s) => s.open)) throw new Error("a tuple's items must have an end");
    this.#steps = new Steps(items);
    this.bytesMin = this.#steps.bytesMin;
  }

  write(w: ByteWriter, values: TupleOf<S>): void {
    for (let i = 0; i < values.length; i++) this.#steps.write(w, i, values[i]);
  }

  read(r: ByteReader): TupleOf<S> {
    const count = this.items.length;
    const values = new Array<unknown>(count);
    for (let i = 0; i < count; i++) values[i] = this.#steps.read(r, i);
    return values as unknown as TupleOf<S>;
  }

  skip(r: ByteReader): void {
    this.#steps.skip(r);
  }
}

/** A schema of values one after another. With `mapped` it is quicker than a struct. */
export function tuple<S extends readonly AnySchema[]>(...items: S): Tuple<S> {
  return new Tuple(items);
}

// ---- unions of structs

/** One kind of a union: its stored number, and the fields that follow it. */
export interface Variant<F extends Fields = Fields> {
  readonly number: number;
  readonly struct: Struct<F>;
}

/** A kind with this number (0 … 255), which is stored and never changes. */
export function variant<F extends Fields>(number: number, fields: F): Variant<F> {
  return { number, struct: new Struct(fields) };
}

/** Kinds by name. */
export type Variants = { readonly [kind: string]: Variant };

type Flat<T> = { readonly [K in keyof T]: T[K] };
type FieldsOf<V> = V extends Variant<infer F> ? StructOf<F> : never;

/** The values of a union: one object type for each kind, told apart by `kind`. */
export type UnionOf<V extends Variants> = {
  [K in keyof V]: Flat<{ readonly kind: K } & FieldsOf<V[K]>>;
}[keyof V];

interface Kind {
  readonly kind: string;
  readonly number: number;
  readonly struct: Struct<Fields>;
}

/** Kinds by name and by number. Throws where two kinds have one number. */
class KindTable {
  readonly #byName = new Map<string, Kind>();
  readonly #byNumber: (Kind | undefined)[] = [];

  constructor(what: string, variants: Variants) {
    for (const [kind, { number, struct }] of Object.entries(variants)) {
      if (this.#byNumber[number] !== undefined) throw new Error(`${what}: two kinds ${number}`);
      const entry = { kind, number, struct };
      this.#byName.set(kind, entry);
      this.#byNumber[number] = entry;
    }
  }

  named(kind: string): Kind {
    return this.#byName.get(kind)!;
  }

  numbered(number: number): Kind | undefined {
    return this.#byNumber[number];
  }
}

/** A byte with the number of a kind, then the fields of that kind. */
export class Union<V extends Variants> implements Schema<UnionOf<V>> {
  readonly op = OTHER;
  readonly bytesMin: number;
  readonly open = false;
  readonly #kinds: KindTable;

  constructor(readonly what: string, readonly variants: V) {
    this.#kinds = new KindTable(what, variants);
    const structs = Object.values(variants).map(({ struct }) => struct);
    if (structs.some((s) => s.open)) throw new Error(`${what}: a kind must have an end`);
    this.bytesMin = 1 + Math.min(...structs.map((s) => s.bytesMin));
  }

  write(w: ByteWriter, value: UnionOf<V>): void {
    const { number, struct } = this.#kinds.named((value as { readonly kind: string }).kind);
    struct.write(w.u8(number), value as never);
  }

  #kind(r: ByteReader): Kind {
    const number = r.u8();
    const kind = this.#kinds.numbered(number);
    if (kind === undefined) throw new CorruptBytes(`${this.what} of unknown kind ${number}`);
    return kind;
  }

  read(r: ByteReader): UnionOf<V> {
    const { kind, struct } = this.#kind(r);
    return struct.fill(r, { kind }) as UnionOf<V>;
  }

  skip(r: ByteReader): void {
    this.#kind(r).struct.skip(r);
  }
}

/** A schema of objects of several kinds inside something else; `what` names them in errors. */
export function union<V extends Variants>(what: string, variants: V): Union<V> {
  return new Union(what, variants);
}

// ---- rows of sized entries

/** What a row is made of. */
export interface RowFormat<H, V extends Variants> {
  /** Names the row in errors. */
  readonly what: string;
  /** The version that this program writes, and the only one it reads. */
  readonly version: number;
  /** What stands before the fields of every entry: what the entry is about. */
  readonly head: Schema<H>;
  readonly variants: V;
  /** Kinds from this number on are skipped by programs that do not know them. */
  readonly optionalFrom: number;
}

/**
 * A version, then entries until the bytes end: each the number of its kind, its head, the length of
 * its fields, its fields. By the length a reader skips kinds, and fields at the end of a kind, that
 * it does not know.
 */
export class Row<H, V extends Variants> {
  readonly #format: RowFormat<H, V>;
  readonly #kinds: KindTable;

  constructor(format: RowFormat<H, V>) {
    this.#format = format;
    this.#kinds = new KindTable(format.what, format.variants);
  }

  /** Appends one entry. */
  write(w: ByteWriter, head: H, value: UnionOf<V>): void {
    const { number, struct } = this.#kinds.named((value as { readonly kind: string }).kind);
    w.u8(number);
    this.#format.head.write(w, head);
    const start = w.beginSized();
    struct.write(w, value as never);
    w.endSized(start);
  }

  /** Reads a row. Throws `CorruptBytes` on another version and on unknown kinds that are not optional. */
  read(row: Uint8Array, take: (head: H, value: UnionOf<V>) => void): void {
    const { what, version, head, optionalFrom } = this.#format;
    const r = new ByteReader(row);
    readVersion(r, what, version);
    while (!r.done) {
      const number = r.u8();
      const about = head.read(r);
      const fields = r.sub(r.uint());
      const known = this.#kinds.numbered(number);
      if (known !== undefined) {
        const { kind, struct } = known;
        take(about, struct.fill(fields, { kind }) as UnionOf<V>);
      } else if (number < optionalFrom) {
        throw new CorruptBytes(`${what} of unknown kind ${number}: made by a newer program?`);
      }
    }
  }
}

/** Reads a version byte. Throws `CorruptBytes` where it is not `version`. */
export function readVersion(r: ByteReader, what: string, version: number): void {
  const found = r.u8();
  if (found === version) return;
  throw new CorruptBytes(`${what} of version ${found}, this program reads ${version}`);
}
