import assert from "node:assert/strict";
import { type Attempt, Attempts } from "../../server/auth/attempts.ts";
import type { Failure } from "../../shard/errors.ts";
import { countingRandom, nameOf } from "./sign_in_fixture.ts";

function open() {
  const time = { nowMs: 0 };
  const limited: number[] = [];
  const attempts = new Attempts(
    {
      perAccount: { burst: 3, refillMs: 1000, keysMax: 100 },
      perAddress: { burst: 5, refillMs: 100, keysMax: 100, debtMax: 2 },
    },
    countingRandom(0.5),
    () => limited.push(time.nowMs),
  );
  const begin = (name: string, address: string, knownPlace: number | null = null) =>
    attempts.begin(() => time.nowMs, { name: nameOf(name), address, knownPlace });
  const guess = (
    name: string,
    address: string,
    verdict: keyof Attempt = "failed",
    knownPlace: number | null = null,
  ) => {
    const attempt = begin(name, address, knownPlace);
    if (!("succeeded" in attempt)) return attempt;
    attempt[verdict]();
    return null;
  };
  return { time, attempts, begin, guess, limited };
}

const code = (refusal: Failure | null) => refusal?.code ?? "taken";

Deno.test("Attempts: an account has so many failures, from wherever they come", () => {
  const { time, guess, limited } = open();
  for (const address of ["a", "b", "c"]) assert.equal(guess("bob", address), null);
  assert.deepEqual(limited, []);
  const refused = guess("bob", "d");
  assert.equal(code(refused), "rate_limited");
  assert.equal(refused?.retryAfterMs, 1500, "a second, and jitter");
  assert.deepEqual(limited, [0], "each refusal is reported, and nothing else");
  assert.equal(guess("alice", "d"), null, "another account");
  time.nowMs += 1000;
  assert.equal(guess("bob", "d"), null, "it is never locked out for ever");
});

Deno.test("Attempts: an address has so many failures, about whomever", () => {
  const { time, guess, attempts } = open();
  for (let i = 0; i < 5; i++) assert.equal(guess(`user${i}`, "a"), null);
  assert.equal(code(guess("user9", "a")), "rate_limited");
  assert.equal(code(attempts.checkAddress(0, "a")), "rate_limited");
  assert.equal(guess("user9", "b"), null);
  time.nowMs += 100;
  assert.equal(guess("user9", "a"), null);
});

Deno.test("Attempts: parallel guesses at an account cannot overtake the count", () => {
  const { begin } = open();
  const parallel = Array.from({ length: 10 }, (_, i) => begin("bob", `address${i}`));
  assert.equal(parallel.filter((a) => "succeeded" in a).length, 3);
});

Deno.test("Attempts: parallel failures of an address are paid for, within bounds", () => {
  const { time, begin, attempts } = open();
  const parallel = Array.from({ length: 20 }, (_, i) => begin(`user${i}`, "a"));
  for (const attempt of parallel) if ("succeeded" in attempt) attempt.failed();
  assert.equal(attempts.checkAddress(time.nowMs, "a")?.retryAfterMs, 450);
  assert.equal(attempts.checkAddress(time.nowMs + 300, "a"), null, "debt is bounded");
});

Deno.test("Attempts: successes and attempts without a verdict cost nothing", () => {
  const { guess } = open();
  for (let i = 0; i < 50; i++) assert.equal(guess("bob", "a", "succeeded"), null);
  for (let i = 0; i < 50; i++) assert.equal(guess("bob", "a", "abandoned"), null);
  for (let i = 0; i < 50; i++) assert.equal(guess(`user${i}`, "a", "succeeded"), null);
  for (let i = 0; i < 50; i++) assert.equal(guess("bob", `place${i}`, "succeeded"), null);
});

Deno.test("Attempts: an attempt ends once", () => {
  const { begin, attempts } = open();
  const attempt = begin("bob", "a") as Attempt;
  attempt.failed();
  attempt.abandoned();
  attempt.succeeded();
  assert.ok("failed" in begin("bob", "b") && "failed" in begin("bob", "c"));
  assert.equal(
    code(attempts.check(0, { name: nameOf("bob"), address: "d", knownPlace: null })),
    "rate_limited",
  );
});

Deno.test("10.9: Attempts: strangers do not lock a user out from a known place", () => {
  const { guess } = open();
  const home = 1;
  for (const address of ["x", "y", "z"]) guess("bob", address);
  assert.equal(code(guess("bob", "elsewhere")), "rate_limited");
  assert.equal(guess("bob", "home", "failed", home), null);
  assert.equal(guess("bob", "home", "succeeded", home), null);
  // The place's own allowance is bounded, too; a success makes it full again.
  for (let i = 0; i < 3; i++) assert.equal(guess("bob", "home", "failed", home), null);
  assert.equal(code(guess("bob", "home", "failed", home)), "rate_limited");
  assert.equal(guess("bob", "work", "failed", 2), null, "another known place");
  assert.equal(guess("alice", "home", "failed", home), null, "another account");
});

Deno.test("Attempts: a guesser's success with an own account does not clear the address", () => {
  const { guess } = open();
  for (let i = 0; i < 5; i++) {
    guess(`victim${i}`, "a");
    if (i < 4) assert.equal(guess("mallory", "a", "succeeded"), null);
  }
  assert.equal(code(guess("mallory", "a", "succeeded")), "rate_limited");
});

Deno.test("Attempts: addresses of one IPv6 network count as one", () => {
  const { guess } = open();
  for (let i = 0; i < 5; i++) guess(`user${i}`, `2001:db8::${i}`);
  assert.equal(code(guess("user9", "2001:db8::9")), "rate_limited");
  assert.equal(guess("user9", "2001:db8:0:1::9"), null);
});

Deno.test("Attempts.noteFailure: counts for the address like a wrong password", () => {
  const { attempts } = open();
  for (let i = 0; i < 4; i++) attempts.noteFailure(0, "a");
  assert.equal(attempts.checkAddress(0, "a"), null);
  attempts.noteFailure(0, "a");
  assert.equal(code(attempts.checkAddress(0, "a")), "rate_limited");
});
