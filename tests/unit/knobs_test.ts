/** The table of settings is the only source of defaults, and their relations hold (issue 9, B6). */
import assert from "node:assert/strict";
import { ADMISSION, SHARD_LIMITS } from "../sim/limits.ts";
import { checkAdmissionOptions } from "../../server/http/admission.ts";
import { configOf } from "../../server/config/config.ts";
import { readSources } from "./tidy_source.ts";
import { STORE_LIMITS } from "../../server/node/ports.ts";

const SOURCES = readSources().filter(({ path }) => /^(server|shard)\//.test(path));

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
  // The head of an account and what it owes to others are one write; a character takes 3 bytes.
  const { headBytesMax, blockBytesMax, outboxCharsMax } = SHARD_LIMITS;
  const head = headBytesMax + blockBytesMax + 3 * outboxCharsMax;
  assert.ok(head < STORE_LIMITS.writeBytesMax, `${head} bytes`);
});
