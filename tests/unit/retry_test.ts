/** One retry policy: its bounds, what it counts, and the client library's copy (issue 9, B6). */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  Retries,
  RETRY_POLICIES,
  type RetryPolicy,
  retryWaitMs,
  spreadOf,
} from "../../shard/retry.ts";
import { GRACE_MS } from "../../shard/presence/returning.ts";
import { retryWaitMs as clientWaitMs } from "../../server/web/client/backoff.js";

const ms = (max: number) => fc.integer({ min: 0, max });
const anyPolicy: fc.Arbitrary<RetryPolicy> = fc.record({
  leastMs: ms(10_000),
  baseMs: ms(10_000),
  capMs: ms(600_000),
  askedMaxMs: ms(600_000),
});
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const tries = fc.integer({ min: 1, max: 10_000 });

Deno.test("retryWaitMs: at least what is asked for within its bound, at most the cap more", () => {
  fc.assert(
    fc.property(anyPolicy, tries, random, ms(2_000_000), (policy, tries, random, askedMs) => {
      const waitMs = retryWaitMs(policy, tries, random, askedMs);
      const leastMs = Math.max(policy.leastMs, Math.min(askedMs, policy.askedMaxMs));
      assert.ok(waitMs >= leastMs && waitMs <= leastMs + policy.capMs);
      assert.ok(Number.isFinite(waitMs));
    }),
  );
});

Deno.test("retryWaitMs: the random part begins at 0, and its bound doubles up to the cap", () => {
  const policy = { leastMs: 50, baseMs: 100, capMs: 1000, askedMaxMs: 5000 };
  const bounds = [1, 2, 3, 4, 5, 1000].map((tries) => retryWaitMs(policy, tries, 1) - 50);
  assert.deepEqual(bounds, [100, 200, 400, 800, 1000, 1000]);
  assert.equal(retryWaitMs(policy, 4, 0), 50);
  assert.equal(retryWaitMs(policy, 4, 0.5), 450);
  assert.equal(retryWaitMs(policy, 1, 0, 700), 700);
  assert.equal(retryWaitMs(policy, 1, 0, 1e9), 5000);
});

Deno.test("RETRY_POLICIES: every wait is bounded by a minute and a half where nobody asks for more", () => {
  for (const [kind, policy] of Object.entries(RETRY_POLICIES)) {
    assert.ok(policy.baseMs > 0 && policy.baseMs <= policy.capMs, kind);
    // But orders of certificates and push messages, which nobody waits for and others count.
    assert.ok(kind === "acme" || kind === "push" || policy.leastMs + policy.capMs <= 90_000, kind);
  }
});

Deno.test("RETRY_POLICIES: a shard that serves again still waits when an edge announces again", () => {
  const asksMs = 2000;
  assert.ok(retryWaitMs(RETRY_POLICIES.announce, 1000, 1, asksMs) + asksMs < GRACE_MS);
});

Deno.test("Retries: counts what is tried again, by kind, and not what is only waited for", () => {
  const retries = new Retries({ leastMs: 0, baseMs: 10, capMs: 20, askedMaxMs: 20 });
  retries.waitMs("outbox", 1, 0.5);
  retries.againMs("outbox", 2, 0.5);
  assert.equal(retries.againMs("webhook", 5, 0.5, 1000), 30);
  const counted = Object.entries(retries.counts).filter(([, count]) => count > 0);
  assert.deepEqual(counted, [["outbox", 1], ["webhook", 1]]);
});

Deno.test("spreadOf: accounts that fail together are spread over the whole wait", () => {
  const spread = Array.from({ length: 1000 }, (_, i) => spreadOf(`user${i}`, 1));
  assert.ok(spread.every((number) => number >= 0 && number < 1));
  const tenths = new Set(spread.map((number) => Math.floor(number * 10)));
  assert.equal(tenths.size, 10);
});

Deno.test("backoff.js of the client library waits as shard/retry.ts does", () => {
  fc.assert(
    fc.property(anyPolicy, tries, random, ms(2_000_000), (policy, tries, random, askedMs) => {
      assert.equal(
        clientWaitMs(policy, tries, random, askedMs),
        retryWaitMs(policy, tries, random, askedMs),
      );
      assert.equal(clientWaitMs(policy, tries, random), retryWaitMs(policy, tries, random));
    }),
  );
});
