import assert from "node:assert/strict";
import { Authenticator, type Lies } from "./authenticator.ts";
import { ADDRESS, codeOf, nameOf, openWithAccounts, password } from "./sign_in_fixture.ts";
import type { DeviceId } from "../../shard/name/ids.ts";
import { createSignIn } from "../../server/auth/sign_in.ts";
import { fail, type Result } from "../../shard/errors.ts";
import type { MintedToken, Verified } from "../../server/auth/types.ts";
import { recordedSignIn } from "../../server/audit/sign_ins.ts";
import type { AuditInput } from "../../server/audit/entry.ts";

const BOB = nameOf("bob");
const OLD = nameOf("old");
const ORIGIN = "https://example.com";
const AMPLE = { burst: 1000, refillMs: 1, keysMax: 1000 };
const caller = { user: BOB, device: "phone" as DeviceId, address: ADDRESS };
const NEW_DEVICE = { device: null, label: "", address: ADDRESS };

function later<T>(call: (done: (result: Result<T>) => void) => void): Promise<Result<T>> {
  return new Promise((resolve) => call(resolve));
}

/** `ok`, the reason that a refusal names, or its code. */
function endOf(result: Result<unknown>): string {
  if (result.ok) return "ok";
  return /^Cannot sign in \((\w+)\)/.exec(result.message)?.[1] ?? result.code;
}

function valueOf<T>(result: Result<T>): T {
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

function open(failures = { perAccount: AMPLE, perAddress: AMPLE }) {
  const opened = openWithAccounts({ failures });
  const records: AuditInput[] = [];
  const record = (input: AuditInput) => void records.push(input);
  const signIn = recordedSignIn(
    opened.signIn,
    { signIn: record, failed: record },
    "example.com",
  );
  const { passkeys } = signIn;
  const askNew = async (more = {}) =>
    await later<{ exchange: string; options: Record<string, unknown> }>((done) =>
      passkeys.beginAdd({ ...caller, password: "pencil", at: ORIGIN, ...more }, done)
    );
  const add = async (made: Authenticator, lies: Lies = {}, origin = ORIGIN, more = {}) => {
    const begun = await askNew(more);
    if (!begun.ok) return begun;
    const { exchange, options } = begun.value;
    const response = made.create(options, origin, lies);
    return await later<{ recoveryCodes?: readonly string[] }>((done) =>
      passkeys.add({ ...caller, ...more, exchange, response, name: "Key" }, done)
    );
  };
  const begin = async (second: string | null = null, at = ORIGIN) =>
    valueOf(
      await later<{ exchange: string; options: Record<string, unknown> }>((done) =>
        passkeys.begin({ at, second, address: ADDRESS }, done)
      ),
    );
  const finish = (answer: { exchange: string; response: ReturnType<Authenticator["sign"]> }) =>
    later<MintedToken & { user: string }>((done) =>
      passkeys.finish({ ...answer, ...NEW_DEVICE }, done)
    );
  const enter = async (made: Authenticator, lies: Lies = {}, origin = ORIGIN) => {
    const { exchange, options } = await begin();
    return endOf(await finish({ exchange, response: made.sign(options, origin, lies) }));
  };
  /** The exchange that a right password leads to. */
  const first = async () => {
    const verified = valueOf(password(opened.signIn, "bob", "pencil")) as Verified;
    const refused = await later((done) =>
      signIn.mint({ ...verified, device: null, label: "" }, done)
    );
    assert.equal(codeOf(refused), "second_factor_required");
    const { exchange, methods } = refused.ok ? assert.fail() : refused.second!;
    assert.ok(methods.includes("passkey"));
    return exchange;
  };
  return { ...opened, signIn, passkeys, records, askNew, add, begin, finish, enter, first };
}

Deno.test("13: passkeys: one is added, signs in alone, and is listed, renamed and removed", async () => {
  const { add, bob, enter, passkeys, records } = open();
  const made = new Authenticator(1, 7);
  const added = valueOf(await add(made));
  assert.equal(added.recoveryCodes?.length, 10);
  assert.equal(await enter(made), "ok");
  assert.equal(bob.devices.length, 1);
  const list = async () =>
    valueOf(
      await later<readonly Record<string, unknown>[]>((done) => passkeys.list(BOB, done as never)),
    );
  const [first] = await list();
  assert.deepEqual(
    [first!["name"], first!["domain"], Number(first!["usedAt"]) > 0],
    ["Key", "example.com", true],
  );
  const passkey = String(first!["passkey"]);
  const rename = { ...caller, passkey, name: "Blue" };
  assert.equal(endOf(await later((done) => passkeys.rename(rename, done))), "ok");
  assert.equal((await list())[0]!["name"], "Blue");
  const remove = (code: string) =>
    later<null>((done) => passkeys.remove({ ...caller, passkey, code }, done));
  assert.equal(endOf(await remove("000000")), "forbidden");
  assert.equal(endOf(await remove(added.recoveryCodes![0]!)), "ok");
  assert.equal(bob.factors, null);
  assert.equal(await enter(made), "passkey");
  const actions = records.map(({ action, method, outcome }) => `${action} ${method} ${outcome}`);
  assert.ok(actions.includes("signIn passkey ok"), actions.join("\n"));
  assert.ok(actions.includes("removePasskey passkey ok"), actions.join("\n"));
});

Deno.test("13: passkeys: whatever is not right of a signature is refused with its reason", async () => {
  const { add, begin, bob, enter, finish, records, time } = open();
  const [made, other] = [new Authenticator(1), new Authenticator(2)];
  valueOf(await add(made));
  assert.equal(await enter(made, {}, "https://evil.example.com"), "origin");
  assert.equal(await enter(made, { crossOrigin: true }), "origin");
  assert.equal(await enter(made, { rpId: "evil.com" }), "rp");
  assert.equal(await enter(made, { verified: false }), "user");
  assert.equal(await enter(made, { challenge: "AAAA" }), "challenge");
  assert.equal(await enter(made, { type: "webauthn.create" }), "response");
  assert.equal(await enter(made, { id: "AAAA" }), "passkey");
  assert.equal(await enter(made, { userHandle: "bm9ib2R5" }), "passkey", "no such account");
  assert.equal(await enter(made, { userHandle: "ZG9yYQ" }), "passkey", "of a disabled account");
  assert.equal(await enter(made, { userHandle: "Y2Fyb2w" }), "passkey", "of another account");
  assert.equal(await enter(made, { userHandle: "" }), "passkey");
  const { exchange, options } = await begin();
  const forged = other.sign(options, ORIGIN, { id: made.sign(options, ORIGIN).id });
  const response = { ...forged, response: { ...forged.response, userHandle: "Ym9i" } };
  assert.equal(endOf(await finish({ exchange, response })), "signature");
  const good = made.sign(options, ORIGIN);
  assert.equal(endOf(await finish({ exchange: "AAAA", response: good })), "challenge");
  const cut = { ...good, response: { ...good.response, authenticatorData: "AAAA" } };
  assert.equal(endOf(await finish({ exchange, response: cut })), "response");
  assert.equal(bob.devices.length, 0);
  assert.equal(endOf(await finish({ exchange, response: good })), "ok");
  assert.equal(endOf(await finish({ exchange, response: good })), "challenge", "again");
  const late = await begin();
  time.nowMs += 5 * 60_000;
  const slow = { exchange: late.exchange, response: made.sign(late.options, ORIGIN) };
  assert.equal(endOf(await finish(slow)), "challenge", "too late");
  assert.equal(bob.devices.length, 1);
  assert.ok(records.some(({ detail, method }) => method === "passkey" && detail === "origin"));
  assert.ok(records.every(({ outcome, user }) => outcome === "ok" || user !== "bob"));
});

Deno.test("13: passkeys: one whose counter goes back is refused, and the audit log names the account", async () => {
  const { add, enter, records } = open();
  const made = new Authenticator(1, 7);
  valueOf(await add(made));
  assert.equal(await enter(made), "ok");
  made.counter = 3;
  assert.equal(await enter(made), "counter");
  const entry = records.find(({ detail }) => detail === "counter");
  assert.deepEqual([entry?.user, entry?.outcome], ["bob", "unauthorized"]);
  made.counter = 50;
  assert.equal(await enter(made), "ok");
});

Deno.test("13: passkeys: one ends a sign-in by password, and nothing that is not bound to it", async () => {
  const { add, begin, bob, finish, first, signIn, time } = open();
  const made = new Authenticator(1);
  valueOf(await add(made));
  const second = (exchange: string, passkey: Parameters<typeof finish>[0]) =>
    later<MintedToken>((done) => signIn.second({ exchange, passkey, ...NEW_DEVICE }, done));
  const one = await first();
  time.nowMs++;
  const two = await first();
  const of = async (exchange: string | null) => {
    const asked = await begin(exchange);
    return { exchange: asked.exchange, response: made.sign(asked.options, ORIGIN) };
  };
  const alone = await of(null);
  assert.equal(endOf(await second(one, alone)), "challenge", "it was for a sign-in alone");
  const answer = await of(one);
  assert.equal(endOf(await finish(answer)), "challenge", "it was for a second factor");
  assert.equal(endOf(await second(two, answer)), "challenge", "of another sign-in");
  assert.equal(bob.devices.length, 0);
  assert.equal(endOf(await second(one, answer)), "ok");
  assert.equal(endOf(await second(one, answer)), "challenge", "again");
});

Deno.test("13: passkeys: adding needs the password, and then one of the factors", async () => {
  const { add, askNew, bob, passkeys } = open();
  assert.equal(endOf(await askNew({ password: "wrong" })), "forbidden");
  assert.equal(endOf(await askNew({ password: undefined })), "forbidden");
  const made = new Authenticator(1);
  assert.equal(endOf(await add(made, {}, "https://evil.example.com")), "origin");
  assert.equal(endOf(await add(made, { rpId: "evil.com" })), "rp");
  assert.equal(endOf(await add(made, { verified: false })), "user");
  assert.equal(endOf(await add(made, { challenge: "AAAA" })), "challenge");
  assert.equal(endOf(await add(made, { format: "packed", x5c: true })), "response");
  assert.equal(bob.factors, null);
  valueOf(await add(made));
  assert.equal(endOf(await askNew()), "second_factor_required");
  assert.equal(endOf(await askNew({ code: "000000" })), "forbidden");
  const asked = valueOf(
    await later<{ exchange: string; options: Record<string, unknown> }>((done) =>
      passkeys.ask(BOB, ORIGIN, done)
    ),
  );
  const response = made.sign(asked.options, ORIGIN);
  const proof = { exchange: asked.exchange, response };
  const begun = valueOf(await askNew({ password: undefined, proof }));
  const next = new Authenticator(2);
  const input = { ...caller, exchange: begun.exchange, name: "Key" };
  const created = next.create(begun.options, ORIGIN);
  const put = (user = BOB) =>
    later((done) => passkeys.add({ ...input, user, response: created }, done));
  assert.equal(endOf(await put(OLD)), "challenge", "of another account");
  assert.equal(endOf(await put()), "ok");
  assert.equal(endOf(await put()), "challenge", "its proof is used up");
  assert.equal(bob.factors!.passkeys.length, 2);
  assert.equal(endOf(await add(new Authenticator(3), {}, ORIGIN, { proof })), "challenge");
});

Deno.test("13: passkeys: pages without https or a name, and strange ones, get a reason", async () => {
  const { passkeys, shards } = open();
  const at = async (page: string) =>
    endOf(
      await later((done) => passkeys.begin({ at: page, second: null, address: ADDRESS }, done)),
    );
  assert.equal(await at("https://example.com:8443/a/roost"), "ok");
  assert.equal(await at("http://localhost:8420"), "ok");
  assert.equal(await at("http://127.0.0.1:8420"), "unsupported");
  assert.equal(await at("https://[::1]"), "unsupported");
  assert.equal(await at("http://example.com"), "unsupported");
  assert.equal(await at("https://evil.com"), "forbidden");
  assert.equal(await at("https://example.com.evil.com"), "forbidden");
  assert.equal(await at("data:text/html,x"), "bad_request");
  shards.intercept = (op) => op === "account.factors" ? fail("moved", "elsewhere") : undefined;
  const made = new Authenticator(1);
  const response = made.sign({ challenge: "AAAA", rpId: "x" }, ORIGIN, { userHandle: "Ym9i" });
  const input = { exchange: "x", response, ...NEW_DEVICE };
  assert.equal(endOf(await later((done) => passkeys.finish(input, done))), "moved");
});

Deno.test("13: passkeys: a sign-in that another cell has begun ends at the account's home", async () => {
  const { add, deps, options } = open();
  const made = new Authenticator(1);
  valueOf(await add(made));
  const secret = (text: string) => new TextEncoder().encode(`${text} of 16 bytes and more`);
  const cell = (own: string, shared: string) =>
    createSignIn(
      { ...deps, passkeySecret: secret(shared) },
      { ...options, fakeSaltSecret: secret(own) },
    ).passkeys;
  const page = { at: ORIGIN, second: null, address: ADDRESS };
  const begun = valueOf(
    await later<{ exchange: string; options: Record<string, unknown> }>((done) =>
      cell("here", "shared").begin(page, done)
    ),
  );
  const response = made.sign(begun.options, ORIGIN);
  const input = { exchange: begun.exchange, response, ...NEW_DEVICE };
  const end = (shared: string) =>
    later((done) => cell("there", shared).finish(input, done)).then(endOf);
  assert.equal(await end("another"), "challenge");
  assert.equal(await end("shared"), "ok");
});

Deno.test("13: passkeys: an address that fails is limited", async () => {
  const perAddress = { burst: 3, refillMs: 1e9, keysMax: 1000 };
  const { add, enter } = open({ perAccount: AMPLE, perAddress });
  const made = new Authenticator(1);
  valueOf(await add(made));
  const wrong = () => enter(made, { rpId: "evil.com" });
  assert.deepEqual([await wrong(), await wrong(), await wrong()], ["rp", "rp", "rp"]);
  const [refused] = await Promise.allSettled([enter(made)]);
  assert.equal(refused!.status, "rejected", "begin is refused");
});
