import assert from "node:assert/strict";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { JwtCheck } from "../../server/auth/jwt.ts";
import type { SignIn, Verified } from "../../server/auth/types.ts";
import { ADDRESS, answerOf, codeOf, nameOf, openWithAccounts } from "./sign_in_fixture.ts";

function issuers(check: JwtCheck) {
  return {
    issuers: { verify: (_: string, __: number, done: (c: JwtCheck) => void) => done(check) },
  };
}

const jwtFor = (user: string, createAccount: boolean): JwtCheck => ({
  ok: true,
  user: nameOf(user),
  expiresAt: 99,
  createAccount,
});

const issuer = (signIn: SignIn) =>
  answerOf((done: (r: Result<Verified & { readonly expiresAt: number }>) => void) =>
    signIn.issuer({ jwt: "secret.jwt", address: ADDRESS }, done)
  );

Deno.test("SignIn.issuer: an existing account signs in until the token ends", () => {
  const { signIn, bob } = openWithAccounts({}, issuers(jwtFor("bob", false)));
  assert.deepEqual(
    issuer(signIn),
    ok({ user: "bob", id: bob.id, proof: null, place: null, expiresAt: 99 }),
  );
});

Deno.test("SignIn.issuer: makes accounts only where configured, without a password", () => {
  const no = openWithAccounts({}, issuers(jwtFor("new", false)));
  assert.equal(codeOf(issuer(no.signIn)), "unauthorized");
  assert.ok(!no.shards.accounts.has("new"));
  const yes = openWithAccounts({}, issuers(jwtFor("new", true)));
  const made = issuer(yes.signIn);
  assert.equal(yes.shards.accounts.get("new")?.credentials, null);
  assert.deepEqual(issuer(yes.signIn), made);
});

Deno.test("SignIn.issuer: an account made meanwhile is used, a closed name refused", () => {
  const race = openWithAccounts({}, issuers(jwtFor("new", true)));
  race.shards.intercept = (op) => {
    if (op !== "account.create") return undefined;
    race.shards.add("new");
    return fail("conflict", "taken");
  };
  assert.equal(codeOf(issuer(race.signIn)), "ok");
  const closed = openWithAccounts({}, issuers(jwtFor("gone", true)));
  closed.shards.add("gone", { state: "deleted" });
  assert.equal(codeOf(issuer(closed.signIn)), "unauthorized");
  const down = openWithAccounts({}, issuers(jwtFor("new", true)));
  down.shards.intercept = (op) => op === "account.create" ? fail("busy", "x", 7) : undefined;
  assert.deepEqual(issuer(down.signIn), fail("busy", "x", 7));
});

Deno.test("12: SignIn.issuer: whose account is at home in another cell is sent there", () => {
  const moved = { ...fail("moved", "elsewhere"), cell: "b", servers: ["https://b.example.org"] };
  const known = openWithAccounts({}, issuers(jwtFor("bob", true)));
  known.shards.intercept = (op) => op === "account.resolve" ? moved : undefined;
  assert.deepEqual(issuer(known.signIn), moved);
  assert.ok(!known.shards.asked.some((asked) => asked.startsWith("account.create")));
  // This cell learns it by its own attempt to make the account.
  const learned = openWithAccounts({}, issuers(jwtFor("new", true)));
  learned.shards.intercept = (op) => {
    if (op === "account.create") return fail("conflict", "taken");
    return learned.shards.asked.includes("account.create new") ? moved : undefined;
  };
  assert.deepEqual(issuer(learned.signIn), moved);
});

Deno.test("SignIn.issuer: a bad token counts as a failure and is logged without the token", () => {
  const { signIn, lines } = openWithAccounts({}, issuers({ ok: false, reason: "expired" }));
  for (let i = 0; i < 100; i++) assert.equal(codeOf(issuer(signIn)), "unauthorized");
  assert.equal(codeOf(issuer(signIn)), "rate_limited");
  assert.match(lines[0]!, /jwt.*expired/);
  assert.doesNotMatch(lines.join(), /secret/);
});

Deno.test("SignIn.issuer: without an issuer every token is refused", () => {
  assert.equal(codeOf(issuer(openWithAccounts().signIn)), "unauthorized");
});
