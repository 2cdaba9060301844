import assert from "node:assert/strict";
import { fail, ok } from "../../shard/errors.ts";
import type { AccountId, DeviceId } from "../../shard/name/ids.ts";
import type { Random } from "../../server/node/ports.ts";
import { createSignIn } from "../../server/auth/sign_in.ts";
import { hashToken, parseToken } from "../../server/auth/token.ts";
import type { SignIn, Verified } from "../../server/auth/types.ts";
import {
  ADDRESS,
  answerOf,
  answersOf,
  begin,
  codeOf,
  countingRandom,
  credentialsFor,
  nameOf,
  openSignIn,
  openWithAccounts,
  password,
  scram,
  steppedKdf,
  syncKdf,
} from "./sign_in_fixture.ts";

Deno.test("SignIn.password: the right one signs in, under any spelling of the name", () => {
  const { signIn, bob } = openWithAccounts();
  for (const user of ["bob", "Bob", "bob@example.com", "BOB@EXAMPLE.COM", "\uff42ob"]) {
    const proof = bob.credentials!.sha256.storedKey;
    const result = password(signIn, user, "pencil");
    assert.ok(result.ok && result.value.place !== null);
    const { place } = result.value;
    assert.deepEqual(result.value, { user: "bob", id: bob.id, proof, place }, user);
  }
});

Deno.test("SignIn.password: every failed sign-in gets the same answer", () => {
  const wrong = fail("unauthorized", "The user name or the password is not right.");
  const rows = [
    ["bob", "Pencil"],
    ["nobody", "pencil"],
    ["dora", "pencil"],
    ["carol", "pencil"],
    ["carol", ""],
    ["bob", ""],
    ["bob", "x".repeat(2000)],
    ["foo bar", "pencil"],
    ["", "pencil"],
    ["bob@elsewhere.example", "pencil"],
    ["/invite/x", "pencil"],
  ] as const;
  for (const [user, word] of rows) {
    const { signIn } = openWithAccounts();
    assert.deepEqual(password(signIn, user, word), wrong, `${user} ${word}`);
  }
});

Deno.test("SignIn.password: unknown, disabled and real accounts cost the same hashing", () => {
  const work = (user: string) => {
    const calls: unknown[] = [];
    const kdf = {
      pbkdf2: (...[hash, word, salt, iterations, done]: Parameters<typeof syncKdf.pbkdf2>) => {
        calls.push([hash, word.length, salt.length, iterations]);
        syncKdf.pbkdf2(hash, word, salt, iterations, done);
      },
    };
    const { signIn, shards } = openWithAccounts({}, { kdf });
    password(signIn, user, "wrong");
    return { calls, asked: shards.asked.map((line) => line.split(" ")[0]) };
  };
  assert.equal(work("bob").calls.length, 1);
  for (const user of ["nobody", "dora", "carol"]) assert.deepEqual(work(user), work("bob"), user);
});

Deno.test("SignIn.password: neither passwords nor tokens reach the log", () => {
  const { signIn, lines } = openWithAccounts();
  password(signIn, "bob", "wrong-secret");
  password(signIn, "nobody", "wrong-secret");
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /sign_in_refused.*password.*bob/);
  for (const line of lines) assert.doesNotMatch(line, /secret/);
});

Deno.test("SignIn.password: a full queue answers busy and takes no allowance", () => {
  const { kdf, step } = steppedKdf();
  const queue = {
    concurrency: 1,
    waitingMax: 1,
    perAddressMax: 9,
    waitMaxMs: 10_000,
    busyRetryMs: 1000,
  };
  const { signIn } = openWithAccounts({ queue }, { kdf });
  const ask = (address: string) =>
    answersOf<Verified>((done) =>
      signIn.password({ user: "bob", password: "pencil", address }, done)
    );
  const first = ask("a");
  const second = ask("b");
  for (let i = 0; i < 30; i++) assert.equal(codeOf(ask("c")[0]), "busy");
  assert.deepEqual([first.length, second.length], [0, 0]);
  while (step());
  assert.deepEqual([codeOf(first[0]), codeOf(second[0])], ["ok", "ok"]);
});

Deno.test("SignIn.password: a shard that does not answer holds up nobody else", () => {
  const queue = {
    concurrency: 1,
    waitingMax: 0,
    perAddressMax: 9,
    waitMaxMs: 10_000,
    busyRetryMs: 1000,
  };
  const { deps, shards, options } = openWithAccounts();
  let stuck = 0;
  const router: typeof shards.router = {
    ...shards.router,
    request: (name, op, input, done) =>
      name === "bob" ? void stuck++ : shards.router.request(name, op, input, done),
  };
  const signIn = createSignIn({ ...deps, router }, { ...options, queue });
  const answers = answersOf<Verified>((done) =>
    signIn.password({ user: "bob", password: "pencil", address: ADDRESS }, done)
  );
  assert.equal(codeOf(password(signIn, "old", "pencil")), "ok");
  assert.deepEqual([stuck, answers.length], [1, 0]);
});

Deno.test("SignIn.password: a shard's refusal is passed on and takes no allowance", () => {
  const { signIn, shards } = openWithAccounts();
  shards.intercept = (op) => op === "account.credentials" ? fail("unavailable", "x", 5) : undefined;
  for (let i = 0; i < 30; i++) {
    assert.deepEqual(password(signIn, "bob", "pencil"), fail("unavailable", "x", 5));
  }
  shards.intercept = () => undefined;
  assert.equal(codeOf(password(signIn, "bob", "pencil")), "ok");
});

Deno.test("SignIn.password: a password changed meanwhile does not sign in", () => {
  const { kdf, step } = steppedKdf();
  const { signIn, bob } = openWithAccounts({}, { kdf });
  const answers = answersOf<Verified>((done) =>
    signIn.password({ user: "bob", password: "pencil", address: ADDRESS }, done)
  );
  bob.credentials = credentialsFor("eraser");
  while (step());
  assert.deepEqual(answers.map(codeOf), ["unauthorized"]);
});

Deno.test("SignIn: failures are limited per account, for existing names and others alike", () => {
  const { signIn, time } = openWithAccounts();
  for (const user of ["bob", "nobody"]) {
    for (let i = 0; i < 10; i++) {
      assert.equal(codeOf(password(signIn, user, "wrong", `10.0.0.${i}`)), "unauthorized");
    }
    const refused = password(signIn, user, "pencil", "10.1.0.1");
    assert.equal(codeOf(refused), "rate_limited");
    assert.ok(!refused.ok && refused.retryAfterMs === 30_000);
  }
  assert.equal(codeOf(begin(signIn, "n,,n=bob,r=client")), "rate_limited");
  assert.equal(codeOf(begin(signIn, "n,,n=nobody,r=client")), "rate_limited");
  time.nowMs += 30_000;
  assert.equal(codeOf(password(signIn, "bob", "pencil", "10.1.0.1")), "ok");
});

/** A user whose password was not asked for. */
function verifiedOf(user: string): Verified {
  return { user: nameOf(user), id: "id" as AccountId, proof: null, place: null };
}

/** Signs in with a device's token for it, as a client does; from then on the place is known. */
function signInFrom(signIn: SignIn, address: string): void {
  const verified = password(signIn, "bob", "pencil", address);
  assert.ok(verified.ok);
  signIn.mint({ ...verified.value, device: null, label: "" }, () => {});
}

Deno.test("10.9: SignIn: a user at a known address is not locked out by strangers", () => {
  const { signIn, deps, options } = openWithAccounts();
  signInFrom(signIn, "10.9.9.9");
  for (let i = 0; i < 50; i++) password(signIn, "bob", "wrong", `10.0.0.${i}`);
  assert.equal(codeOf(password(signIn, "bob", "pencil", "10.8.8.8")), "rate_limited");
  assert.equal(codeOf(password(signIn, "bob", "pencil", "10.9.9.9")), "ok");
  // A new process knows the place from the account.
  const restarted = createSignIn(deps, options);
  for (let i = 0; i < 50; i++) password(restarted, "bob", "wrong", `10.0.0.${i}`);
  assert.equal(codeOf(password(restarted, "bob", "pencil", "10.8.8.8")), "rate_limited");
  assert.equal(codeOf(password(restarted, "bob", "pencil", "10.9.9.9")), "ok");
});

Deno.test("10.9: SignIn: strangers learn nothing of known places", () => {
  const { signIn } = openWithAccounts();
  signInFrom(signIn, "10.9.9.9");
  const guesses = (user: string) =>
    Array.from({ length: 20 }, (_, i) => password(signIn, user, "wrong", `10.0.${i}.1`));
  assert.deepEqual(guesses("bob"), guesses("nobody"));
});

Deno.test("10.9: SignIn: the place is of the account, and no address is to be read from it", () => {
  const { signIn, bob, shards } = openWithAccounts();
  const eve = shards.add("eve", { credentials: credentialsFor("pencil") });
  signInFrom(signIn, "2001:db8::1");
  signInFrom(signIn, "2001:db8::2");
  const other = password(signIn, "eve", "pencil", "2001:db8::1");
  assert.ok(other.ok && bob.places[0] === bob.places[1] && other.value.place !== bob.places[0]);
  assert.deepEqual(eve.places, []);
  assert.ok(Number.isSafeInteger(other.value.place) && other.value.place! < 2 ** 48);
});

Deno.test("SignIn: failures are limited per address, whatever failed", () => {
  const { signIn, time, limits } = openWithAccounts();
  for (let i = 0; i < 60; i++) password(signIn, `user${i}`, "wrong");
  for (let i = 0; i < 39; i++) signIn.noteFailure(ADDRESS);
  assert.equal(signIn.allowed(ADDRESS), null);
  assert.deepEqual(limits, []);
  signIn.noteFailure(ADDRESS);
  assert.equal(signIn.allowed(ADDRESS)?.code, "rate_limited");
  assert.equal(codeOf(password(signIn, "bob", "pencil")), "rate_limited");
  assert.equal(codeOf(password(signIn, "foo bar", "pencil")), "rate_limited");
  assert.equal(codeOf(begin(signIn, "n,,n=bob,r=client")), "rate_limited");
  const jwt = answerOf((done) => signIn.issuer({ jwt: "x", address: ADDRESS }, done));
  assert.equal(codeOf(jwt), "rate_limited");
  assert.deepEqual(limits, Array(5).fill("sign_in_failures"));
  assert.equal(signIn.allowed("192.0.2.2"), null);
  time.nowMs += 1000;
  assert.equal(codeOf(password(signIn, "bob", "pencil")), "ok");
});

Deno.test("SignIn: an address that fails without end is blocked for half a minute at most", () => {
  const { signIn, time } = openWithAccounts();
  for (let i = 0; i < 10_000; i++) signIn.noteFailure(ADDRESS);
  time.nowMs += 31_000;
  assert.equal(signIn.allowed(ADDRESS), null);
});

Deno.test("SignIn.mint: stores a token's hash for the device and returns the token once", () => {
  const { signIn, shards, deps } = openWithAccounts();
  const mint = (device: DeviceId | null) =>
    answerOf<{ token: string; device: DeviceId; expiresAt: number }>((done) =>
      signIn.mint({ ...verifiedOf("bob"), device, label: "Phone" }, done)
    );
  const named = mint("phone" as DeviceId);
  assert.ok(named.ok);
  assert.equal(named.value.device, "phone");
  assert.equal(named.value.expiresAt, deps.clock.wallMs() + 90 * 86_400_000);
  assert.equal(parseToken(named.value.token), "bob");
  assert.deepEqual(shards.inputs.at(-1), {
    device: "phone",
    label: "Phone",
    tokenHash: hashToken(named.value.token),
    expiresAt: named.value.expiresAt,
    proof: null,
  });
  const fresh = mint(null);
  assert.ok(fresh.ok);
  assert.match(fresh.value.device, /^[A-Za-z0-9_-]{16}$/);
  assert.notEqual(fresh.value.token, named.value.token);
  assert.deepEqual(shards.accounts.get("bob")!.devices, ["phone", fresh.value.device]);
  const gone = answerOf((done) =>
    signIn.mint({ ...verifiedOf("dora"), device: null, label: "" }, done)
  );
  assert.equal(codeOf(gone), "unauthorized");
});

const change = (signIn: SignIn, oldPassword: string, newPassword: string, user = "bob") =>
  answerOf<null>((done) =>
    signIn.changePassword({
      user: nameOf(user),
      oldPassword,
      newPassword,
      keepDevice: "phone" as DeviceId,
      address: ADDRESS,
    }, done)
  );

Deno.test("SignIn.changePassword: sets the new one and ends the other devices", () => {
  const { signIn, bob } = openWithAccounts();
  bob.devices = ["phone", "laptop"];
  assert.deepEqual(change(signIn, "pencil", "a new password"), ok(null));
  assert.deepEqual(bob.devices, ["phone"]);
  assert.equal(codeOf(password(signIn, "bob", "pencil")), "unauthorized");
  assert.equal(codeOf(password(signIn, "bob", "a new password")), "ok");
  assert.equal(codeOf(scram(signIn, "bob", "a new password", "SCRAM-SHA-1")), "ok");
});

Deno.test("SignIn.changePassword: refuses a wrong old one, and counts it as a guess", () => {
  const { signIn, bob, shards } = openWithAccounts();
  const before = bob.credentials;
  assert.equal(codeOf(change(signIn, "\u0000", "a new password")), "forbidden");
  for (let i = 0; i < 10; i++) {
    assert.equal(codeOf(change(signIn, "wrong", "a new password")), "forbidden");
  }
  assert.equal(codeOf(change(signIn, "pencil", "a new password")), "rate_limited");
  assert.equal(bob.credentials, before);
  assert.ok(!shards.asked.some((line) => line.startsWith("account.setCredentials")));
  assert.equal(codeOf(change(signIn, "pencil", "a new password", "carol")), "forbidden");
});

Deno.test("SignIn.changePassword: refuses a new one that is too short or not text", () => {
  const { signIn, shards } = openWithAccounts();
  for (const bad of ["", "1234567", "12345678\n", "x".repeat(1025)]) {
    assert.equal(codeOf(change(signIn, "pencil", bad)), "bad_request", bad.slice(0, 9));
  }
  assert.deepEqual(shards.asked, []);
});

Deno.test("SignIn.changePassword: waits in the password queue like sign-in", () => {
  const { kdf, step } = steppedKdf();
  const queue = {
    concurrency: 1,
    waitingMax: 0,
    perAddressMax: 9,
    waitMaxMs: 10_000,
    busyRetryMs: 1000,
  };
  const { signIn } = openWithAccounts({ queue }, { kdf });
  const input = {
    user: nameOf("bob"),
    oldPassword: "pencil",
    newPassword: "a new password",
    keepDevice: null,
    address: ADDRESS,
  };
  const answers = answersOf<null>((done) => signIn.changePassword(input, done));
  step();
  // The old one is checked, the new one is being hashed in the same place.
  assert.equal(codeOf(password(signIn, "bob", "pencil")), "busy");
  while (step());
  assert.deepEqual(answers, [ok(null)]);
});

Deno.test("createSignIn: refuses a guessable secret and counts that are none", () => {
  const { deps, options } = openSignIn();
  assert.throws(() => createSignIn(deps, { ...options, fakeSaltSecret: new Uint8Array(15) }));
  for (const sha256 of [0, -1, 1.5, NaN]) {
    assert.throws(() => createSignIn(deps, { ...options, iterations: { sha256, sha1: null } }));
  }
});

Deno.test("SignIn: waits that clients get have jitter", () => {
  const random: Random = { ...countingRandom(), number: () => 0.9 };
  const { signIn } = openWithAccounts({}, { random });
  for (let i = 0; i < 100; i++) signIn.noteFailure(ADDRESS);
  assert.equal(signIn.allowed(ADDRESS)?.retryAfterMs, 1900);
});
