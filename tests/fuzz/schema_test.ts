import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { BODY } from "../../shard/mailbox/mailbox_event.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { credentials, credentialsOrNone, messagesFrom } from "../../shard/record/fields.ts";
import { ENTRIES } from "../../shard/account/records.ts";
import { hostile, LENGTH_BOMBS, readOrCorrupt, runs } from "./hostile_bytes.ts";
import { PAYLOAD } from "../../shard/message/packets.ts";
import { ROSTER_ITEM, ROSTER_VIEW } from "../../shard/roster/roster.ts";
import {
  type AnySchema,
  bool,
  bytes,
  constant,
  int,
  later,
  list,
  oneOf,
  optional,
  type Schema,
  text,
  u8,
  uint,
} from "../../shard/record/schema.ts";
import { Row, struct, tuple, union, variant } from "../../shard/record/struct.ts";
import { valuesOf } from "./schema_values.ts";

/** Every schema of the program, and one of each sort of schema. */
const SCHEMAS: Readonly<Record<string, AnySchema>> = {
  ...Object.fromEntries(Object.entries(ENTRIES).map(([kind, v]) => [`entry ${kind}`, v.struct])),
  BODY,
  PAYLOAD,
  ROSTER_ITEM,
  ROSTER_VIEW,
  credentials,
  credentialsOrNone,
  messagesFrom,
  u8,
  uint,
  int,
  bool,
  text,
  bytes,
  oneOf: oneOf("letter", ["a", "b", "c"]),
  optional: optional("pair", struct({ a: uint, b: text })),
  "list of lists": list(list(uint)),
  "list of structs": list(struct({ a: uint, none: constant(5), b: int, c: bytes, d: bool })),
  tuple: tuple(text, uint, bool, list(bytes)),
  "later fields": struct({ a: uint, b: later(text, "?"), c: later(list(uint), []) }),
};

type Any = Schema<unknown>;

function written(schema: Any, value: unknown): Uint8Array {
  const w = new ByteWriter();
  schema.write(w, value);
  return w.take();
}

/** Where `use` has left the reader; null where it found the bytes corrupt. */
function endOf(bytes: Uint8Array, use: (r: ByteReader) => unknown): number | null {
  const r = new ByteReader(bytes);
  return readOrCorrupt(() => {
    use(r);
    return r.at;
  });
}

for (const [name, schema] of Object.entries(SCHEMAS) as [string, Any][]) {
  const values = valuesOf(schema);

  Deno.test(`schema ${name}: reads what it writes, skips the same, refuses every prefix`, () => {
    fc.assert(
      fc.property(values, fc.nat(), (value, cut) => {
        const bytes = written(schema, value);
        const r = new ByteReader(bytes);
        deepEqual(schema.read(r), value);
        ok(r.done && bytes.length >= schema.bytesMin);
        equal(endOf(bytes, (s) => schema.skip(s)), bytes.length);
        if (schema.open || bytes.length === 0) return;
        const prefix = bytes.slice(0, cut % bytes.length);
        throws(() => schema.read(new ByteReader(prefix)), CorruptBytes);
      }),
      runs(60),
    );
  });

  Deno.test(`schema ${name}: skips bytes that it would read, and no others`, () => {
    const bytes = hostile(values.map((value) => written(schema, value)));
    fc.assert(
      fc.property(bytes, (b) => {
        equal(endOf(b, (r) => schema.skip(r)), endOf(b, (r) => schema.read(r)));
      }),
      runs(200),
    );
  });
}

Deno.test("list refuses counts that its bytes cannot hold, by the size of its items", () => {
  const wide = list(struct({ a: uint, b: uint, c: uint, d: uint }));
  for (const bomb of LENGTH_BOMBS) {
    for (
      const use of [() => wide.read(new ByteReader(bomb)), () => wide.skip(new ByteReader(bomb))]
    ) {
      throws(use, CorruptBytes);
    }
  }
  // Two items take eight bytes; there are seven.
  const short = new Uint8Array([2, 1, 1, 1, 1, 1, 1, 1]);
  throws(() => wide.read(new ByteReader(short)), { message: "2 items past the end" });
});

Deno.test("union and Row refuse unknown kinds; Row skips optional ones and new fields", () => {
  const old = { a: variant(0, { x: uint }) };
  const format = { what: "frame", version: 3, head: text, optionalFrom: 128 };
  const oldRow = new Row({ ...format, variants: old });
  const newRow = new Row({
    ...format,
    variants: {
      a: variant(0, { x: uint, y: later(text, "") }),
      b: variant(128, { z: uint }),
      c: variant(1, { z: uint }),
    },
  });
  const w = new ByteWriter().u8(3);
  newRow.write(w, "h1", { kind: "a", x: 1, y: "new" });
  newRow.write(w, "h2", { kind: "b", z: 2 });
  newRow.write(w, "h3", { kind: "a", x: 3, y: "" });
  const read: unknown[] = [];
  oldRow.read(w.view(), (head, value) => read.push([head, value]));
  deepEqual(read, [["h1", { kind: "a", x: 1 }], ["h3", { kind: "a", x: 3 }]]);
  newRow.write(w, "h4", { kind: "c", z: 4 });
  throws(() => oldRow.read(w.view(), () => {}), { message: /frame of unknown kind 1: .*newer/ });
  throws(() => oldRow.read(new Uint8Array([4]), () => {}), { message: /version 4.* reads 3/ });
  const body = union("body", old);
  throws(() => body.read(new ByteReader(new Uint8Array([7]))), { message: /unknown kind 7/ });
});

Deno.test("schemas that could not be read back are refused when they are made", () => {
  throws(() => list(constant(1)), /byte/);
  throws(() => list(struct({ a: uint, b: later(uint, 0) })), /an end/);
  throws(() => struct({ a: later(uint, 0), b: uint }), /field a has no end/);
  throws(() => union("u", { a: variant(0, { x: later(uint, 0) }) }), /end/);
  throws(() => union("u", { a: variant(0, {}), b: variant(0, {}) }), /two kinds 0/);
});
