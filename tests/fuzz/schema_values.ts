/** Arbitrary values of a schema: what its writer may be given. */
import fc from "fast-check";
import {
  type AnySchema,
  Choice,
  Constant,
  Later,
  List,
  Mapped,
  OneOf,
  Primitive,
  type Schema,
} from "../../shard/record/schema.ts";
import { type Fields, Struct, Tuple, Union, type Variants } from "../../shard/record/struct.ts";

/** Every character but lone surrogates; `unit: "binary"` would hold 120 MB of tables for it. */
export const codePoint: fc.Arbitrary<string> = fc.oneof(
  { weight: 2, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0x7ff }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 0x10f7ff }) },
).map((c) => String.fromCodePoint(c < 0xd800 ? c : c + 0x800));

/** Text with every kind of character that the packed format treats in a way of its own. */
export const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: codePoint, maxLength: 60 }) },
  { weight: 2, arbitrary: fc.string({ maxLength: 60 }) },
  fc.constantFrom(
    "",
    "\ufeff",
    "\ufeffhello",
    "\0",
    "é".repeat(20),
    "😀".repeat(10),
    "x".repeat(200),
  ),
);
/** Integers in 0 … 2⁵³ − 1, most of them where the varints change their length. */
export const uint: fc.Arbitrary<number> = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.integer({ min: 0, max: 53 }).chain((n) => {
    const power = 2 ** n;
    return fc.constantFrom(power - 1, Math.min(power, Number.MAX_SAFE_INTEGER));
  }),
);

const PRIMITIVES: Readonly<Record<Primitive<unknown>["type"], fc.Arbitrary<unknown>>> = {
  u8: fc.nat(255),
  uint,
  int: fc.tuple(uint, fc.boolean()).map(([n, minus]) => Math.floor(minus ? -n / 2 : n / 2)),
  bool: fc.boolean(),
  text,
  bytes: fc.uint8Array({ maxLength: 40 }),
};

/** Values of each field of a struct. */
export function fieldValues(struct: Struct<Fields>): { [name: string]: fc.Arbitrary<unknown> } {
  const fields = Object.entries(struct.fields).map(([k, s]) => [k, anyValue(s)] as const);
  return Object.fromEntries(fields);
}

function anyValue(schema: AnySchema): fc.Arbitrary<unknown> {
  if (schema instanceof Primitive) return PRIMITIVES[schema.type as Primitive<unknown>["type"]];
  if (schema instanceof OneOf) return fc.constantFrom(...schema.values);
  if (schema instanceof Constant) return fc.constant(schema.value);
  if (schema instanceof Later) return anyValue(schema.inner);
  if (schema instanceof List) return fc.array(anyValue(schema.item), { maxLength: 4 });
  if (schema instanceof Mapped) return anyValue(schema.inner).map(schema.to);
  if (schema instanceof Choice) {
    return fc.oneof(...Object.values(schema.forms as Record<string, AnySchema>).map(anyValue));
  }
  if (schema instanceof Struct) return fc.record(fieldValues(schema));
  if (schema instanceof Tuple) {
    return fc.tuple(...(schema.items as readonly AnySchema[]).map(anyValue));
  }
  if (schema instanceof Union) {
    const kinds = Object.entries(schema.variants as Variants).map(([kind, { struct }]) =>
      fc.record({ kind: fc.constant(kind), ...fieldValues(struct) })
    );
    return fc.oneof(...kinds);
  }
  throw new Error(`no arbitrary values for a ${schema.constructor.name}`);
}

/** Values of `schema`, of every kind and form. */
export function valuesOf<T>(schema: Schema<T>): fc.Arbitrary<T> {
  return anyValue(schema) as fc.Arbitrary<T>;
}
