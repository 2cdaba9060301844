/** Variants of a JSON object that are wrong in one field. */

type Json = unknown;

/** Values of every type, and of every size that a bound may have been forgotten for. */
export const WRONG_VALUES: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER,
  "",
  " ",
  "\0",
  "\u202e\u200d",
  "\ud800",
  "__proto__",
  "../../etc",
  "x".repeat(5000),
  "😀".repeat(5000),
  [],
  [[]],
  ["x"],
  Array.from({ length: 3000 }, () => 0),
  {},
  { toString: 1, constructor: {}, length: 5 },
  { a: { a: { a: { a: { a: {} } } } } },
];

function isObject(value: Json): value is Readonly<Record<string, Json>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `example` with each field, nested ones included, replaced by each of `values`, then left out. */
export function* wrongFields(
  example: Readonly<Record<string, Json>>,
  values: readonly Json[] = WRONG_VALUES,
): Generator<Readonly<Record<string, Json>>> {
  for (const [name, value] of Object.entries(example)) {
    for (const wrong of values) yield { ...example, [name]: wrong };
    const { [name]: _, ...rest } = example;
    yield rest;
    if (!isObject(value)) continue;
    for (const inner of wrongFields(value, values)) yield { ...example, [name]: inner };
  }
}

/** JSON texts that parsers, or those who trust their results, have stumbled over. */
export const ODD_JSON: readonly string[] = [
  "",
  "\ufeff{}",
  "{",
  "}",
  "[]",
  "null",
  '"t"',
  "1e999",
  "-",
  '{"t":}',
  '{"t":"ping","id":1}{}',
  '{"t":"ping","id":1,}',
  '{"t":"ping","t":"send","id":1}',
  '{"__proto__":{"t":"ping"},"id":1}',
  '{"t":"__proto__","id":1}',
  '{"t":"constructor","id":1}',
  '{"t":"ping","id":1e3}',
  '{"t":"ping","id":-0}',
  '{"t":"ping","id":9007199254740993}',
  '{"t":"ping","id":"1"}',
  "[".repeat(30_000),
  '{"a":'.repeat(10_000),
  `${"[".repeat(5000)}${"]".repeat(5000)}`,
  `{"t":"ping","id":1,"x":${"[".repeat(20)}${"]".repeat(20)}}`,
  `"${"\\u0000".repeat(5000)}"`,
  `{"t":"ping","id":1,"x":${"9".repeat(10_000)}}`,
  `{${Array.from({ length: 5000 }, (_, i) => `"k${i}":0`).join()}}`,
  "x".repeat(70_000),
];
