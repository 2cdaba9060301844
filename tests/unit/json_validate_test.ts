import { deepEqual, equal, match } from "node:assert/strict";
import { REACTIONS_MAX } from "../../shard/message/note.ts";
import fc from "fast-check";
import type { z } from "zod";
import { publicLimits } from "../../server/v1/limits.ts";
import { exceedsBytes, utf8Bytes } from "../../server/text/utf8.ts";
import { nestsDeeper, parseJson, validate } from "../../server/text/validate.ts";
import { PROTOCOL } from "./json_fakes.ts";
import { PROTOCOL_LIMITS } from "../sim/limits.ts";

const LIMITS = PROTOCOL_LIMITS;
const anyText = fc.string({
  unit: fc.integer({ min: 0, max: 0xffff }).map((c) => String.fromCharCode(c)),
});

Deno.test("utf8Bytes counts what the encoder writes", () => {
  fc.assert(fc.property(anyText, (text) => {
    equal(utf8Bytes(text), new TextEncoder().encode(text).length);
  }));
});

Deno.test("exceedsBytes agrees with the count on every side of the bound", () => {
  fc.assert(fc.property(anyText, fc.nat(60), (text, bytesMax) => {
    equal(exceedsBytes(text, bytesMax), utf8Bytes(text) > bytesMax);
  }));
});

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

Deno.test("nestsDeeper agrees with the depth of the parsed value", () => {
  const json = fc.oneof(fc.json({ maxDepth: 6 }), fc.json({ maxDepth: 6, noUnicodeString: false }));
  fc.assert(fc.property(json, fc.nat(6), (text, depthMax) => {
    equal(nestsDeeper(text, depthMax), depthOf(JSON.parse(text)) > depthMax);
  }));
  equal(nestsDeeper(JSON.stringify('[[["\\"[[[['), 0), false);
});

Deno.test("parseJson gives the value, or says in its own words that there is none", () => {
  const limits = { frameBytesMax: 200, jsonDepthMax: 3 };
  fc.assert(fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
    const result = parseJson(text, limits);
    if (result.ok) deepEqual(result.value, JSON.parse(text));
    else match(result.message, /^(The JSON must|This is not valid JSON)/);
  }));
});

/** Code and message for an input of a command. */
function refusal(schema: z.ZodType, input: unknown): string {
  const result = validate(schema, input);
  return result.ok ? "ok" : `${result.code}: ${result.message}`;
}

const { commands, greeting, rest } = PROTOCOL.schemas;
const SEND = { to: "bob", key: "k", body: "hi" };
const HELLO = { t: "hello", v: 1, auth: { token: "x" } };

const CASES: readonly [name: string, schema: z.ZodType, input: unknown, refusal: string][] = [
  ["unknown fields", commands.send, { ...SEND, more: [1] }, "ok"],
  ["body absent", commands.send, { to: "bob", key: "k" }, "bad_request: body must be a string"],
  ["body empty", commands.send, { ...SEND, body: "" }, "bad_request: body must not be empty"],
  ["body at the limit", commands.send, { ...SEND, body: "é".repeat(8192) }, "ok"],
  [
    "body over the limit",
    commands.send,
    { ...SEND, body: `${"é".repeat(8192)}x` },
    "too_large: body must have at most 16384 bytes of UTF-8",
  ],
  [
    "body with half a pair",
    commands.send,
    { ...SEND, body: "\ud83d" },
    "bad_request: body must be well-formed Unicode (no lone surrogates)",
  ],
  [
    "key with a space",
    commands.send,
    { ...SEND, key: "a b" },
    "bad_request: key must be 1 to 64 printable ASCII characters, no spaces",
  ],
  ["seq a fraction", commands.ack, { seq: 1.5 }, "bad_request: seq must be a whole number"],
  ["seq negative", commands.ack, { seq: -1 }, "bad_request: seq must be at least 0"],
  ["seq as text", commands.ack, { seq: "1" }, "bad_request: seq must be a number"],
  [
    "seq unsafe",
    commands.ack,
    { seq: 2 ** 53 },
    "bad_request: seq must be at most 9007199254740991",
  ],
  ["seq at its limit", commands.ack, { seq: 2 ** 53 - 1 }, "ok"],
  [
    "priority over",
    commands.presence,
    { priority: 128 },
    "bad_request: priority must be at most 127",
  ],
  [
    "show unknown",
    commands.presence,
    { show: "gone" },
    "bad_request: show must be online or chat or away or xa or dnd",
  ],
  [
    "limit over",
    commands.history,
    { with: "bob", limit: 501 },
    "bad_request: limit must be at most 500",
  ],
  [
    "before and after",
    commands.history,
    { with: "bob", before: 1, after: 2 },
    "bad_request: The request must have before or after, not both",
  ],
  [
    "groups not a list",
    commands.contact,
    { contact: "bob", groups: {} },
    "bad_request: groups must be an array",
  ],
  [
    "groups too many",
    commands.contact,
    { contact: "bob", groups: Array(17).fill("g") },
    "limit_reached: groups must have at most 16 entries",
  ],
  [
    "a group empty",
    commands.contact,
    { contact: "bob", groups: ["a", ""] },
    "bad_request: groups.1 must not be empty",
  ],
  ["version", greeting.hello, { ...HELLO, v: "1" }, "bad_request: v must be 1"],
  [
    "nested path",
    greeting.hello,
    { ...HELLO, auth: { scram: { mechanism: "PLAIN", message: "x" } } },
    "bad_request: auth.scram.mechanism must be SCRAM-SHA-256 or SCRAM-SHA-1",
  ],
  ["presence null", greeting.hello, { ...HELLO, presence: null }, "ok"],
  [
    "presence a text",
    greeting.hello,
    { ...HELLO, presence: "away" },
    "bad_request: presence must be an object",
  ],
  ["wait over", rest.events, { wait: 61 }, "bad_request: wait must be at most 60"],
];

for (const [name, schema, input, wanted] of CASES) {
  Deno.test(`schemas answer ${name} with ${wanted.split(":")[0]}`, () => {
    equal(refusal(schema, input), wanted);
  });
}

Deno.test("validate never repeats what it refuses", () => {
  const secret = "hunter2hunter2";
  const value = fc.constantFrom<unknown>(secret, [secret], { [secret]: secret }, `${secret}\ud800`);
  const schemas: z.ZodType[] = [...Object.values(commands), ...Object.values(greeting)];
  const fields = fc.dictionary(
    fc.constantFrom("t", "v", "auth", "to", "key", "body", "old", "new", "password", "user", "ext"),
    value,
  );
  fc.assert(fc.property(fc.constantFrom(...schemas), fields, (schema, input) => {
    equal(refusal(schema, { ...input, body: secret.repeat(2000) }).includes(secret), false);
  }));
});

Deno.test("publicLimits tells only limits, as they are", () => {
  const known = { ...LIMITS, reactionsMax: REACTIONS_MAX };
  for (const [name, value] of Object.entries(publicLimits(LIMITS))) {
    equal(value, known[name as keyof typeof known], name);
  }
});
