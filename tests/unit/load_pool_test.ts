import assert from "node:assert/strict";
import { newPool, parsePool, type Pool, poolMismatch, tokensOf } from "../../server/load/pool.ts";
import { parseToken } from "../../server/auth/token.ts";

const RANDOM = { bytes: (count: number) => new Uint8Array(count).fill(3), number: () => 0.5 };
const WISH = {
  url: "http://127.0.0.1:8420",
  pool: "roost.10x4",
  users: 10,
  contacts: 4,
  absent: 0,
  via: "admin",
  password: false,
} as const;
const NOW = Date.UTC(2025, 0, 1);

Deno.test("newPool makes what parsePool reads back", () => {
  for (const via of ["admin", "public"] as const) {
    const pool = newPool({ ...WISH, via }, RANDOM, NOW);
    assert.deepEqual(parsePool(JSON.stringify(pool)), pool);
    assert.equal(pool.complete, false);
    // Registration needs a password even where sign-in does not.
    assert.equal(pool.password !== null, via === "public");
    assert.equal(poolMismatch(pool, { ...WISH, via }, NOW), null);
  }
});

Deno.test("parsePool reads files from before there were contacts who never come", () => {
  const { absent: _, ...pool } = newPool(WISH, RANDOM, NOW);
  assert.deepEqual(parsePool(JSON.stringify(pool)), { ...pool, absent: 0 });
});

Deno.test("parsePool says what is wrong with a file", () => {
  const pool = newPool(WISH, RANDOM, NOW);
  assert.equal(parsePool("{"), "it is not JSON");
  assert.match(String(parsePool("{}")), /^v: /);
  assert.match(String(parsePool(JSON.stringify({ ...pool, contacts: 3 }))), /even number/);
  assert.match(String(parsePool(JSON.stringify({ ...pool, pool: "No" }))), /pool's name/);
});

Deno.test("poolMismatch says why a pool cannot serve", () => {
  const pool = newPool(WISH, RANDOM, NOW);
  const cases: readonly (readonly [Partial<Parameters<typeof poolMismatch>[1]>, RegExp])[] = [
    [{ url: "http://127.0.0.1:1" }, /it is for http:\/\/127\.0\.0\.1:8420/],
    [{ pool: "other" }, /holds the pool roost\.10x4/],
    [{ users: 20 }, /has 10 users with 4 contacts/],
    [{ absent: 6 }, /has 0 contacts who never come/],
    [{ via: "public" }, /over the admin API/],
    [{ password: true }, /no password/],
  ];
  for (const [change, wanted] of cases) {
    assert.match(String(poolMismatch(pool, { ...WISH, ...change }, NOW)), wanted);
  }
  assert.match(String(poolMismatch(pool, WISH, NOW + 61 * 86_400_000)), /about to expire/);
});

Deno.test("tokensOf gives registered users their own token, others the one from the secret", () => {
  const pool: Pool = newPool(WISH, RANDOM, NOW);
  assert.equal(parseToken(tokensOf(pool)(3)), "roost.10x4.000003");
  assert.equal(tokensOf({ ...pool, tokens: ["rt1_a", "rt1_b"] })(1), "rt1_b");
});
