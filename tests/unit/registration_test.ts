import assert from "node:assert/strict";
import { fail, type Result } from "../../shard/errors.ts";
import type { SignIn, Verified } from "../../server/auth/types.ts";
import { inviteName, mintInvite } from "../../server/auth/token.ts";
import {
  answerOf,
  answersOf,
  codeOf,
  countingRandom,
  openSignIn,
  steppedKdf,
} from "./sign_in_fixture.ts";

const GOOD = "correct horse";

function register(
  signIn: SignIn,
  user: string,
  change: { password?: string; invite?: string | null; address?: string } = {},
): Result<Verified> {
  const input = { user, password: GOOD, invite: null, address: "192.0.2.1", ...change };
  return answerOf<Verified>((done) => signIn.register(input, done));
}

function messageOf(result: Result<unknown>): string {
  return result.ok ? "" : result.message;
}

/** In invite mode, with one unused invite. */
function openWithInvite(...args: Parameters<typeof openSignIn>) {
  const opened = openSignIn({ registration: "invite", ...args[0] }, args[1]);
  const code = mintInvite(countingRandom());
  const key = inviteName(code)!;
  opened.shards.invites.set(key, "");
  return { ...opened, code, usedBy: () => opened.shards.invites.get(key) };
}

Deno.test("SignIn.register: makes an account that can sign in", () => {
  const { signIn, shards } = openSignIn();
  const made = register(signIn, "Bob@example.com");
  assert.ok(made.ok);
  const bob = shards.accounts.get("bob")!;
  const { place } = made.value;
  assert.deepEqual(made.value, { user: "bob", id: bob.id, proof: null, place });
  assert.equal(typeof place, "number", "it is known once the first device is added (10.9)");
  const input = { user: "bob", password: GOOD, address: "192.0.2.1" };
  const proof = bob.credentials!.sha256.storedKey;
  const signedIn = answerOf<Verified>((done) => signIn.password(input, done));
  assert.deepEqual(signedIn, { ok: true, value: { ...made.value, proof } });
});

Deno.test("SignIn.register: keeps no SHA-1 key where that is disabled", () => {
  const { signIn, shards } = openSignIn({ iterations: { sha256: 4, sha1: null } });
  assert.equal(codeOf(register(signIn, "bob")), "ok");
  assert.equal(shards.accounts.get("bob")!.credentials!.sha1, null);
});

Deno.test("SignIn.register: says what is wrong with a name or password", () => {
  const { signIn, shards } = openSignIn();
  const rows: readonly (readonly [string, string, RegExp])[] = [
    ["", GOOD, /it is empty/],
    ["foo bar", GOOD, /U\+0020/],
    ["a".repeat(257), GOOD, /256 bytes/],
    ["bob@elsewhere.example", GOOD, /domain is not example\.com/],
    ["/invite/x", GOOD, /U\+002F/],
    ["roost.dark.000001", GOOD, /"roost\." are reserved for the synthetic users of roost load/],
    ["ROOST.fan@example.com", GOOD, /reserved/],
    ["\uff52oost.fan", GOOD, /reserved/],
    ["bob", "1234567", /7 characters, want at least 8/],
    ["bob", "\u{1f600}\u{1f600}\u{1f600}\u{1f600}", /4 characters/],
    ["bob", "", /1 to 1024 bytes/],
    ["bob", "tab\tulator", /control/],
  ];
  for (const [user, password, message] of rows) {
    const result = register(signIn, user, { password });
    assert.equal(codeOf(result), "bad_request");
    assert.match(messageOf(result), message);
    assert.ok(password === "" || !messageOf(result).includes(password));
  }
  assert.deepEqual(shards.asked, []);
});

Deno.test("10.12: SignIn.register refuses names that mix scripts", () => {
  const [imitation, joint] = ["\u0430lice", "a\uae40"];
  const { signIn, shards } = openSignIn({ nameScripts: "high" });
  const refused = register(signIn, imitation);
  assert.equal(codeOf(refused), "bad_request");
  assert.match(messageOf(refused), /mixes letters of scripts/);
  assert.deepEqual(shards.asked, [], "before any work");
  assert.equal(codeOf(register(signIn, joint)), "ok");
  assert.equal(codeOf(register(openSignIn({ nameScripts: "any" }).signIn, imitation)), "ok");
  assert.equal(
    codeOf(register(openSignIn({ nameScripts: "single" }).signIn, joint)),
    "bad_request",
  );
});

Deno.test("SignIn.register: a taken or closed name is a conflict", () => {
  const { signIn, shards } = openSignIn();
  shards.add("bob");
  shards.add("dora", { state: "disabled" });
  shards.add("gone", { state: "deleted" });
  for (const user of ["bob", "BOB", "dora", "gone"]) {
    assert.equal(codeOf(register(signIn, user)), "conflict", user);
  }
});

Deno.test("SignIn.register: closed registration asks nobody", () => {
  const { signIn, shards } = openSignIn({ registration: "closed" });
  assert.equal(codeOf(register(signIn, "bob")), "forbidden");
  assert.deepEqual(shards.asked, []);
});

Deno.test("SignIn.register: an invite makes one account", () => {
  const { signIn, code, usedBy } = openWithInvite();
  assert.equal(codeOf(register(signIn, "bob")), "forbidden");
  assert.equal(codeOf(register(signIn, "bob", { invite: "rubbish" })), "forbidden");
  assert.equal(codeOf(register(signIn, "bob", { invite: code })), "ok");
  assert.equal(usedBy(), "bob");
  assert.equal(codeOf(register(signIn, "alice", { invite: code })), "forbidden");
});

Deno.test("SignIn.register: an invite that nobody made is refused, no account is made", () => {
  const { signIn, shards } = openWithInvite();
  const other = mintInvite(countingRandom(0.1)).replace(/.$/, "_");
  assert.equal(codeOf(register(signIn, "bob", { invite: other })), "forbidden");
  assert.ok(!shards.accounts.has("bob"));
});

Deno.test("SignIn.register: nothing but an account uses an invite up", () => {
  const { signIn, shards, code, usedBy } = openWithInvite();
  shards.add("taken");
  shards.add("gone", { state: "deleted" });
  assert.equal(codeOf(register(signIn, "taken", { invite: code })), "conflict");
  assert.equal(codeOf(register(signIn, "gone", { invite: code })), "conflict");
  assert.equal(codeOf(register(signIn, "foo bar", { invite: code })), "bad_request");
  assert.equal(codeOf(register(signIn, "roost.fan", { invite: code })), "bad_request");
  assert.equal(codeOf(register(signIn, "bob", { invite: code, password: "x" })), "bad_request");
  for (const op of ["account.resolve", "account.info", "invite.redeem"] as const) {
    shards.intercept = (asked) => asked === op ? fail("unavailable", "x", 5) : undefined;
    assert.deepEqual(register(signIn, "bob", { invite: code }), fail("unavailable", "x", 5), op);
  }
  assert.equal(usedBy(), "");
});

Deno.test("SignIn.register: a full queue does not use an invite up", () => {
  const { kdf, step } = steppedKdf();
  const queue = {
    concurrency: 1,
    waitingMax: 0,
    perAddressMax: 9,
    waitMaxMs: 10_000,
    busyRetryMs: 1000,
  };
  const { signIn, code, usedBy } = openWithInvite({ queue }, { kdf });
  const input = { user: "bob", password: GOOD, invite: code, address: "192.0.2.1" };
  const first = answersOf<Verified>((done) => signIn.register(input, done));
  assert.equal(codeOf(register(signIn, "alice", { invite: code })), "busy");
  assert.equal(usedBy(), "");
  while (step());
  assert.deepEqual(first.map(codeOf), ["ok"]);
  assert.equal(usedBy(), "bob");
});

Deno.test("SignIn.register: a repetition goes on where a crash or a fault stopped it", () => {
  const { signIn, shards, code, usedBy } = openWithInvite();
  shards.intercept = (op) => op === "account.create" ? fail("unavailable", "x") : undefined;
  assert.equal(codeOf(register(signIn, "bob", { invite: code })), "unavailable");
  assert.equal(usedBy(), "bob", "used up for this name, but there is no account");
  shards.intercept = () => undefined;
  assert.equal(codeOf(register(signIn, "alice", { invite: code })), "forbidden");
  assert.equal(codeOf(register(signIn, "bob", { invite: code })), "ok");
});

Deno.test("SignIn.register: of two at once one gets the name", () => {
  const { kdf, step } = steppedKdf();
  const { signIn, shards } = openSignIn({}, { kdf });
  const start = (password: string) => {
    const input = { user: "bob", password, invite: null, address: "192.0.2.1" };
    return answersOf<Verified>((done) => signIn.register(input, done));
  };
  const both = [start("first password"), start("second password")];
  while (step());
  assert.deepEqual(both.map((answers) => answers.map(codeOf)), [["ok"], ["conflict"]]);
  assert.equal(shards.accounts.size, 1);
});

Deno.test("SignIn.register: attempts are limited per address, whatever comes of them", () => {
  const { signIn, time, limits } = openSignIn();
  for (let i = 0; i < 20; i++) register(signIn, i % 2 === 0 ? `user${i}` : "user0");
  const refused = register(signIn, "user0");
  assert.deepEqual(
    refused,
    fail("rate_limited", "Too many registrations from this address.", 60_000),
  );
  assert.equal(codeOf(register(signIn, "foo bar")), "bad_request", "costs nothing");
  assert.equal(codeOf(register(signIn, "other", { address: "192.0.2.2" })), "ok");
  time.nowMs += 60_000;
  assert.equal(codeOf(register(signIn, "another")), "ok");
  assert.equal(codeOf(register(signIn, "another")), "rate_limited");
  assert.deepEqual(limits, ["registrations", "registrations"]);
});

Deno.test("12: SignIn.register: a name of another cell is taken, and costs no invite", () => {
  const { signIn, shards, code, usedBy } = openWithInvite();
  shards.intercept = (op) => op === "account.resolve" ? fail("moved", "elsewhere") : undefined;
  assert.equal(codeOf(register(signIn, "bob", { invite: code })), "conflict");
  assert.equal(usedBy(), "");
});
