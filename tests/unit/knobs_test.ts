/** The table of settings is the only source of defaults, and their relations hold (issue 9, B6). */
import assert from "node:assert/strict";
import { configOf } from "../../server/config/config.ts";

Deno.test("relations: a webhook's waits do not end below where they begin", () => {
  const settings = { "gateway.webhookRetryMaxMs": "999" };
  assert.throws(() => configOf("/data", settings), /webhookRetryMaxMs is 999.*raise it to 1000/);
});
