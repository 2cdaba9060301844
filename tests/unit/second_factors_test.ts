import assert from "node:assert/strict";
import type { AccountId, DeviceId } from "../../shard/name/ids.ts";
import { appCode } from "./totp_code.ts";
import type { FactorCaller, MintedToken, Verified } from "../../server/auth/types.ts";
import { fail, type Result } from "../../shard/errors.ts";
import {
  ADDRESS,
  answerOf,
  codeOf,
  credentialsFor,
  nameOf,
  openWithAccounts,
  password,
} from "./sign_in_fixture.ts";

const BOB = nameOf("bob");
const DEVICE = "phone" as DeviceId;
/** Rates that no test here but one meets. */
const AMPLE = { burst: 1000, refillMs: 1, keysMax: 1000 };
const scarce = (burst: number) => ({ burst, refillMs: 1e9, keysMax: 1000 });

function open(failures = { perAccount: AMPLE, perAddress: AMPLE }) {
  const opened = openWithAccounts({ failures });
  const { deps, signIn, time } = opened;
  const { factors } = signIn;
  const caller = (more: Partial<FactorCaller> = {}): FactorCaller => ({
    user: BOB,
    device: DEVICE,
    address: ADDRESS,
    ...more,
  });
  const mint = (verified: Result<Verified>) => {
    assert.ok(verified.ok);
    const input = { ...verified.value, device: null, label: "" };
    return answerOf<MintedToken>((done) => signIn.mint(input, done));
  };
  /** The exchange that a right password leads to. */
  const first = () => {
    const refused = mint(password(signIn, "bob", "pencil"));
    assert.equal(codeOf(refused), "second_factor_required");
    return refused.ok ? "" : refused.second!.exchange;
  };
  const second = (exchange: string, code: string, address = ADDRESS) =>
    answerOf<unknown>((done) =>
      signIn.second({ exchange, code, address, device: null, label: "" }, done)
    );
  const begin = (more: Partial<FactorCaller>) =>
    answerOf<{ setup: string; secret: string; uri: string }>((done) =>
      factors.beginTotp(caller(more), done)
    );
  /** Sets an app up; its secret and the recovery codes. */
  const setUp = () => {
    const begun = begin({ password: "pencil" });
    assert.ok(begun.ok);
    const { secret, setup } = begun.value;
    const code = appCode(secret, deps.clock.wallMs());
    const done = answerOf<{ recoveryCodes: readonly string[] }>((done) =>
      factors.confirmTotp({ ...caller(), setup, code }, done)
    );
    assert.ok(done.ok);
    time.nowMs += 60_000;
    return { secret, recovery: done.value.recoveryCodes };
  };
  const now = (secret: string, steps = 0) => appCode(secret, deps.clock.wallMs(), steps);
  return { ...opened, begin, caller, factors, first, mint, now, second, setUp };
}

Deno.test("13: SignIn.mint: asks for the second factor, and SignIn.second takes it once", () => {
  const { bob, first, now, second, setUp } = open();
  const { secret } = setUp();
  const exchange = first();
  assert.deepEqual(bob.devices, []);
  assert.equal(codeOf(second(exchange, "000000")), "unauthorized");
  const code = now(secret);
  const spaced = `${code.slice(0, 3)} ${code.slice(3)}`;
  assert.equal(codeOf(second(exchange, spaced)), "ok");
  assert.equal(codeOf(second(exchange, code)), "unauthorized", "the same code again");
  assert.equal(codeOf(second(first(), now(secret, -1))), "unauthorized", "an earlier one");
  assert.equal(codeOf(second(first(), now(secret, 1))), "ok", "a clock that is ahead");
  assert.equal(bob.devices.length, 2);
});

Deno.test("13: SignIn.second: takes a recovery code once, and new ones end the old", () => {
  const { caller, factors, first, now, second, setUp } = open();
  const { recovery, secret } = setUp();
  assert.equal(codeOf(second(first(), recovery[0]!)), "ok");
  assert.equal(codeOf(second(first(), recovery[0]!)), "unauthorized");
  const made = answerOf<{ recoveryCodes: readonly string[] }>((done) =>
    factors.renewRecovery(caller({ code: now(secret) }), done)
  );
  assert.ok(made.ok);
  assert.equal(codeOf(second(first(), recovery[1]!)), "unauthorized");
  assert.equal(codeOf(second(first(), made.value.recoveryCodes[9]!)), "ok");
  const view = answerOf((done) => factors.view(BOB, done));
  assert.deepEqual(view.ok && view.value, { totp: true, recoveryCodes: 9, password: true });
});

Deno.test("13: SignIn.second: refuses exchanges that are late, made up, or of another password", () => {
  const { bob, first, now, second, setUp, shards, time } = open();
  const { secret } = setUp();
  const exchange = first();
  const [user, sealed] = exchange.split(".") as [string, string];
  const flipped = `${sealed.slice(0, -2)}${sealed.at(-2) === "A" ? "B" : "A"}${sealed.at(-1)}`;
  // Of dora, who exists: the name in front has to be the sealed one.
  for (const text of ["", "x", `${user}.`, `${user}.${flipped}`, `ZG9yYQ.${sealed}`]) {
    assert.equal(codeOf(second(text, now(secret))), "unauthorized", text);
  }
  bob.credentials = credentialsFor("another");
  assert.equal(codeOf(second(exchange, now(secret))), "unauthorized", "the password has changed");
  bob.credentials = credentialsFor("pencil");
  const { id } = bob;
  bob.id = "account-number-9" as AccountId;
  assert.equal(codeOf(second(exchange, now(secret))), "unauthorized", "a later account");
  bob.id = id;
  time.nowMs += 5 * 60_000;
  assert.equal(codeOf(second(exchange, now(secret))), "unauthorized", "too late");
  shards.intercept = (op) => op === "account.factors" ? fail("moved", "elsewhere") : undefined;
  assert.equal(codeOf(second(exchange, "123456")), "moved", "its home may have sealed it");
});

Deno.test("13: SignIn.second: wrong codes are limited for the account, wherever they come from", () => {
  const perAccount = scarce(3);
  const { first, limits, now, second, setUp } = open({ perAccount, perAddress: AMPLE });
  const { secret } = setUp();
  for (let i = 0; i < 3; i++) {
    assert.equal(codeOf(second(first(), "000000", `192.0.2.${i}`)), "unauthorized");
  }
  const last = second(first(), now(secret), "192.0.2.9");
  assert.equal(codeOf(last), "rate_limited");
  assert.deepEqual(limits, ["sign_in_failures"]);
});

Deno.test("13: an issuer's users are not asked, and a directory's are", () => {
  const { bob, mint, setUp } = open();
  setUp();
  const verified = { user: BOB, id: bob.id, proof: null, place: null };
  assert.equal(codeOf(mint({ ok: true, value: { ...verified, exempt: true } })), "ok");
  assert.equal(codeOf(mint({ ok: true, value: verified })), "second_factor_required");
});

Deno.test("13: FactorSettings: needs the password or a sign-in just now, and a code to confirm", () => {
  const { begin, bob, caller, deps, factors, now, time } = open();
  assert.equal(codeOf(begin({})), "forbidden");
  assert.equal(codeOf(begin({ password: "wrong" })), "forbidden");
  bob.deviceAt = deps.clock.wallMs() - 11 * 60_000;
  assert.equal(codeOf(begin({})), "forbidden", "it signed in some time ago");
  bob.deviceAt = deps.clock.wallMs();
  const begun = begin({});
  assert.ok(begun.ok);
  assert.equal(bob.factors, null);
  const { secret, setup } = begun.value;
  const confirm = (code: string, text = setup, user = BOB) =>
    codeOf(
      answerOf<unknown>((done) =>
        factors.confirmTotp({ ...caller({ user }), setup: text, code }, done)
      ),
    );
  assert.equal(confirm("000000"), "forbidden");
  assert.equal(confirm(now(secret), setup, nameOf("old")), "bad_request", "of another account");
  assert.equal(confirm(now(secret), "made up"), "bad_request");
  assert.equal(confirm(now(secret)), "ok");
  assert.equal(confirm(now(secret, 1)), "second_factor_required", "the same secret again");
  assert.equal(codeOf(begin({ password: "pencil" })), "second_factor_required");
  time.nowMs += 60_000;
  assert.equal(codeOf(begin({ code: now(secret) })), "conflict");
  const other = begin({ user: nameOf("old"), password: "pencil" });
  assert.ok(other.ok);
  time.nowMs += 16 * 60_000;
  const late = confirm(now(other.value.secret), other.value.setup, nameOf("old"));
  assert.equal(late, "bad_request");
});

Deno.test("13: FactorSettings: removal needs a code, which counts as a try", () => {
  const perAccount = scarce(2);
  const { bob, caller, factors, first, lines, now, second, setUp } = open({
    perAccount,
    perAddress: AMPLE,
  });
  const { secret } = setUp();
  const remove = (code?: string) =>
    codeOf(answerOf<null>((done) => factors.removeTotp(caller({ code }), done)));
  assert.equal(remove(), "second_factor_required");
  assert.equal(remove("000000"), "forbidden");
  const code = now(secret);
  assert.equal(codeOf(second(first(), code)), "ok");
  assert.equal(remove(code), "forbidden", "used already");
  assert.equal(remove(now(secret, 1)), "rate_limited");
  assert.notEqual(bob.factors, null);
  assert.doesNotMatch(lines.join("\n"), new RegExp(`${secret}|${code}`));
});
