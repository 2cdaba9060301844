/** The table of settings is the only source of defaults, and their relations hold (issue 9, B6). */
import assert from "node:assert/strict";
import { z } from "zod";
import { ADMISSION } from "../sim/limits.ts";
import { checkAdmissionOptions } from "../../server/http/admission.ts";
import { configOf } from "../../server/config/config.ts";
import { bool, choice, int, ints, knobOf } from "../../server/config/knob.ts";
import { readSources } from "./tidy_source.ts";
import { shardLimits } from "../../server/settings.ts";
import { STORE_LIMITS } from "../../server/node/ports.ts";

const ALL = readSources();
const SOURCES = ALL.filter(({ path }) => /^(server|shard)\//.test(path));

Deno.test("relations: a webhook's waits do not end below where they begin", () => {
  const settings = { "gateway.webhookRetryMaxMs": "999" };
  assert.throws(() => configOf("/data", settings), /webhookRetryMaxMs is 999.*raise it to 1000/);
});

Deno.test("9 B6: no part has a table of defaults of its own, nor limits by default", () => {
  const table = /^(?:export )?const (?:\w*DEFAULTS|DEFAULT_\w*(?:LIMITS|RATES|OPTIONS))\b.*/gm;
  const parameter = /\b(?:limits|options)\w*: \w+(?:Limits|Options) = \w+/gi;
  const found = SOURCES.flatMap(({ path, text }) =>
    [table, parameter].flatMap((pattern) =>
      [...text.matchAll(pattern)].map(([line]) => `${path}: ${line}`)
    )
  );
  assert.deepEqual(found, []);
});

Deno.test("9 B6: relations of bounds that are no settings", () => {
  checkAdmissionOptions(ADMISSION);
  // What an account owes to others is one write, with a row of a page; a character takes 3 bytes.
  const most = shardLimits(configOf("/data", { "limits.sendingCharsMax": "131072" }));
  const { headShape, outboxCharsMax, waitingTotalCharsMax } = most;
  const head = headShape.writeBytes + headShape.rowBytes +
    3 * (outboxCharsMax + waitingTotalCharsMax);
  assert.ok(head < STORE_LIMITS.writeBytesMax - 128 * 1024, `${head} bytes`);
  assert.ok(headShape.rowBytes < STORE_LIMITS.valueBytesMax);
});

Deno.test("9 B8: all of a setting derives from its schema and metadata", () => {
  const number = knobOf(int({ default: 7, min: 1, max: 9, unit: "nodes", doc: "How many." }));
  assert.deepEqual({ ...number, parse: null }, {
    default: 7,
    unit: "nodes",
    wants: "a whole number (nodes) from 1 to 9",
    doc: "How many.",
    parse: null,
  });
  assert.deepEqual(["1_000", "1e3", ""].map(number.parse), [1000, "1e3", ""]);
  const numbers = knobOf(ints({ min: 2, max: 3, unit: "nodes", doc: "Which." }));
  assert.equal(numbers.wants, "whole numbers (nodes) from 2 to 3");
  assert.deepEqual(numbers.parse("2, x,"), [2, "x"]);
  const word = knobOf(choice({ default: "a", of: ["a", "b"], doc: "Which." }));
  assert.deepEqual([word.wants, word.default, word.unit], ["one of a, b", "a", ""]);
  assert.deepEqual(knobOf(bool({ default: true, doc: "Whether." })).parse("false"), false);
  assert.throws(() => knobOf(z.string()), /without the functions of knob.ts/);
});

Deno.test("9 B8: one builder makes the nodes of tests, and one table their limits", () => {
  const makes = ALL.filter(({ path, code }) =>
    path.startsWith("tests/") && code.some((line) => line.includes("new Node("))
  );
  assert.deepEqual(makes.map(({ path }) => path), ["tests/sim/test_node.ts"]);
});
