import assert from "node:assert/strict";
import {
  base64url,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from "jose";
import {
  type IssuerOptions,
  JWT_LENGTH_MAX,
  type JwtCheck,
  openJwtVerifier,
} from "../../server/auth/jwt.ts";
import { JwtConfigError } from "../../server/auth/jwt_error.ts";
import type { KeySource } from "../../server/auth/jwt_keys.ts";
import { createSubjectMapper, type SubjectMapping } from "../../server/auth/jwt_subject.ts";

const NOW_MS = 1_700_000_000_000;
const NOW_S = NOW_MS / 1000;

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

const rsa = await generateKeyPair("RS256", { extractable: true });
const rsaOther = await generateKeyPair("RS256", { extractable: true });
const ec = await generateKeyPair("ES256", { extractable: true });
const ed = await generateKeyPair("Ed25519", { extractable: true });
// The same key for another algorithm.
const pss = await importJWK(await exportJWK(rsa.privateKey), "PS256");
const rsaPem = await exportSPKI(rsa.publicKey);

const jwkOf = async (pair: Pair, extra: Record<string, unknown> = {}) => ({
  ...await exportJWK(pair.publicKey),
  ...extra,
});
const pem = (text: string): KeySource => ({ kind: "pem", text });
const jwks = (...keys: unknown[]): KeySource => ({ kind: "jwks", text: JSON.stringify({ keys }) });
const secret = (bytes: number): KeySource => ({
  kind: "jwk",
  text: JSON.stringify({ kty: "oct", k: base64url.encode(new Uint8Array(bytes).fill(5)) }),
});

function optionsWith(change: Partial<IssuerOptions> = {}): IssuerOptions {
  return {
    issuer: "https://issuer.example",
    audience: ["roost"],
    algorithms: ["RS256"],
    keys: [pem(rsaPem)],
    leewayMs: 5000,
    subject: { kind: "template", template: "{sub}" },
    createAccounts: false,
    ...change,
  };
}

const CLAIMS: JWTPayload = {
  iss: "https://issuer.example",
  aud: "roost",
  sub: "bob",
  exp: NOW_S + 600,
};

function sign(
  claims: JWTPayload = CLAIMS,
  header: { alg: string; [name: string]: unknown } = { alg: "RS256" },
  key: Parameters<SignJWT["sign"]>[0] = rsa.privateKey,
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader(header).sign(key);
}

async function verify(jwt: string, options = optionsWith(), nowMs = NOW_MS): Promise<JwtCheck> {
  const verifier = await openJwtVerifier([options]);
  return await new Promise((resolve) => verifier.verify(jwt, nowMs, resolve));
}

async function refusal(jwt: string, options = optionsWith(), nowMs = NOW_MS): Promise<string> {
  const result = await verify(jwt, options, nowMs);
  return result.ok ? "accepted" : result.reason;
}

Deno.test("JwtVerifier: takes a token of the issuer and says until when", async () => {
  assert.deepEqual(await verify(await sign()), {
    ok: true,
    user: "bob",
    expiresAt: NOW_MS + 605_000,
    createAccount: false,
  });
});

Deno.test("JwtVerifier: takes each configured kind of key", async () => {
  const rows: readonly (readonly [Partial<IssuerOptions>, string, Pair])[] = [
    [{ algorithms: ["RS256", "PS256"] }, "PS256", { ...rsa, privateKey: pss as CryptoKey }],
    [{ algorithms: ["ES256"], keys: [pem(await exportSPKI(ec.publicKey))] }, "ES256", ec],
    [{ algorithms: ["Ed25519"], keys: [pem(await exportSPKI(ed.publicKey))] }, "Ed25519", ed],
    [{ algorithms: ["EdDSA"], keys: [jwks(await jwkOf(ed))] }, "EdDSA", ed],
    [{ keys: [{ kind: "jwk", text: JSON.stringify(await jwkOf(rsa)) }] }, "RS256", rsa],
    [{ keys: [jwks(await jwkOf(rsa, { alg: "RS256", use: "sig" }))] }, "RS256", rsa],
    [{ algorithms: ["RS256", "ES256"], keys: [pem(rsaPem), jwks(await jwkOf(ec))] }, "ES256", ec],
  ];
  for (const [change, alg, pair] of rows) {
    const jwt = await sign(CLAIMS, { alg }, pair.privateKey);
    assert.equal(await refusal(jwt, optionsWith(change)), "accepted", alg);
  }
  const hmac = await sign(CLAIMS, { alg: "HS256" }, new Uint8Array(32).fill(5));
  const options = optionsWith({ algorithms: ["HS256"], keys: [secret(32)] });
  assert.equal(await refusal(hmac, options), "accepted");
});

Deno.test("JwtVerifier: chooses the key by its id, and tries the keys without one", async () => {
  const set = jwks(await jwkOf(rsaOther, { kid: "old" }), await jwkOf(rsa, { kid: "new" }));
  const options = optionsWith({ keys: [set] });
  const signed = (kid?: string) =>
    sign(CLAIMS, kid === undefined ? { alg: "RS256" } : { alg: "RS256", kid });
  assert.equal(await refusal(await signed("new"), options), "accepted");
  assert.equal(await refusal(await signed(), options), "accepted");
  assert.match(await refusal(await signed("old"), options), /signature/);
  assert.match(await refusal(await signed("none"), options), /no configured key/);
  assert.equal(await refusal(await signed("any")), "accepted", "the PEM has no id");
});

Deno.test("JwtVerifier: refuses other issuers, audiences, times and missing claims", async () => {
  const rows: readonly (readonly [string, JWTPayload, RegExp])[] = [
    ["issuer", { ...CLAIMS, iss: "https://other.example" }, /issuer/],
    ["no issuer", { aud: "roost", sub: "bob", exp: NOW_S + 600 }, /issuer/],
    ["audience", { ...CLAIMS, aud: "other" }, /aud/],
    ["no audience", { iss: CLAIMS.iss!, sub: "bob", exp: NOW_S + 600 }, /aud/],
    ["no exp", { iss: CLAIMS.iss!, aud: "roost", sub: "bob" }, /exp/],
    ["expired", { ...CLAIMS, exp: NOW_S - 6 }, /exp/],
    ["not yet", { ...CLAIMS, nbf: NOW_S + 6 }, /nbf/],
    ["no subject", { iss: CLAIMS.iss!, aud: "roost", exp: NOW_S + 600 }, /claim sub/],
    ["subject is no name", { ...CLAIMS, sub: "foo bar" }, /no name/],
    ["subject is upper case", { ...CLAIMS, sub: "Bob" }, /not a normalised/],
  ];
  for (const [why, claims, reason] of rows) {
    assert.match(await refusal(await sign(claims)), reason, why);
  }
});

Deno.test("JwtVerifier: the leeway covers the issuer's clock both ways", async () => {
  const late = await verify(await sign({ ...CLAIMS, exp: NOW_S - 4 }));
  assert.ok(late.ok);
  assert.equal(late.expiresAt, NOW_MS + 1000);
  assert.equal(await refusal(await sign({ ...CLAIMS, nbf: NOW_S + 4 })), "accepted");
  const none = optionsWith({ leewayMs: 0 });
  assert.match(await refusal(await sign({ ...CLAIMS, exp: NOW_S - 1 }), none), /exp/);
});

Deno.test("JwtVerifier: a token for ever ends within about a year", async () => {
  const result = await verify(await sign({ ...CLAIMS, exp: 1e15 }));
  assert.ok(result.ok);
  assert.equal(result.expiresAt, NOW_MS + 366 * 86_400_000);
});

Deno.test("JwtVerifier: one of several audiences is enough on either side", async () => {
  const options = optionsWith({ audience: ["roost", "chat"] });
  assert.equal(await refusal(await sign({ ...CLAIMS, aud: ["x", "chat"] }), options), "accepted");
});

Deno.test("JwtVerifier: refuses forged tokens", async () => {
  const jwt = await sign();
  const [header, payload, signature] = jwt.split(".") as [string, string, string];
  const json = (value: unknown) => base64url.encode(JSON.stringify(value));
  const unsecured = new UnsecuredJWT(CLAIMS).encode();
  // The public key's text as an HMAC secret: works where algorithms are mixed.
  const confused = await sign(CLAIMS, { alg: "HS256" }, new TextEncoder().encode(rsaPem));
  const critical = await new SignJWT(CLAIMS)
    .setProtectedHeader({ alg: "RS256", crit: ["x"], x: 1 })
    .sign(rsa.privateKey, { crit: { x: true } });
  const rows: readonly (readonly [string, string])[] = [
    ["none", unsecured],
    ["none with a signature", unsecured + signature],
    ["None", `${json({ alg: "None" })}.${payload}.`],
    ["confused", confused],
    ["another key", await sign(CLAIMS, { alg: "RS256" }, rsaOther.privateKey)],
    ["algorithm not configured", await sign(CLAIMS, { alg: "PS256" }, pss)],
    ["payload", `${header}.${json({ ...CLAIMS, sub: "alice" })}.${signature}`],
    ["header", `${json({ alg: "RS256", kid: "x" })}.${payload}.${signature}`],
    ["crit", critical],
    ["cut", `${header}.${payload}.`],
    ["cut more", `${header}.${payload}`],
    ["key in the header", `${json({ alg: "RS256", jwk: await jwkOf(rsaOther) })}.${payload}.x`],
    ["too long", await sign({ ...CLAIMS, pad: "x".repeat(JWT_LENGTH_MAX) })],
    ["", ""],
    ["rubbish", "a.b.c"],
    ["rubbish", "\u0000"],
    ["null payload", `${header}.${json(null)}.${signature}`],
    ["array payload", `${header}.${json([])}.${signature}`],
  ];
  for (const [why, text] of rows) {
    assert.notEqual(await refusal(text), "accepted", why);
  }
});

Deno.test("JwtVerifier: takes a signature in one text only", async () => {
  const jwt = await sign();
  // 256 bytes leave four bits of the last character over.
  const last = String.fromCharCode(jwt.charCodeAt(jwt.length - 1) + 1);
  const others = [jwt.slice(0, -1) + last, `${jwt}=`, `${jwt}==`, `${jwt}\n`, ` ${jwt}`];
  for (const text of others) assert.notEqual(await refusal(text), "accepted", text.slice(-4));
  assert.equal((await verify(jwt)).ok, true);
});

Deno.test("JwtVerifier: each issuer is held to its own keys", async () => {
  const other = "https://other.example";
  const verifier = await openJwtVerifier([
    optionsWith(),
    optionsWith({ issuer: other, keys: [pem(await exportSPKI(rsaOther.publicKey))] }),
  ]);
  const accepted = async (iss: string, pair: Pair) => {
    const jwt = await sign({ ...CLAIMS, iss }, { alg: "RS256" }, pair.privateKey);
    return await new Promise((done) => verifier.verify(jwt, NOW_MS, (r) => done(r.ok)));
  };
  assert.equal(await accepted(CLAIMS.iss!, rsa), true);
  assert.equal(await accepted(other, rsaOther), true);
  assert.equal(await accepted(CLAIMS.iss!, rsaOther), false);
  assert.equal(await accepted(other, rsa), false);
});

Deno.test("openJwtVerifier: without issuers every token is refused", async () => {
  const verifier = await openJwtVerifier([]);
  const jwt = await sign();
  assert.equal(await new Promise((done) => verifier.verify(jwt, NOW_MS, (r) => done(r.ok))), false);
});

Deno.test("openJwtVerifier: says what to change in options that cannot work", async () => {
  const privateJwk = JSON.stringify(await exportJWK(rsa.privateKey));
  const weak = await crypto.subtle.generateKey(
    {
      name: "RSASSA-PKCS1-v1_5",
      hash: "SHA-256",
      modulusLength: 1024,
      publicExponent: new Uint8Array([1, 0, 1]),
    },
    true,
    ["sign", "verify"],
  );
  const weakJwk = JSON.stringify(await crypto.subtle.exportKey("jwk", weak.publicKey));
  const rows: readonly (readonly [Partial<IssuerOptions>, RegExp])[] = [
    [{ issuer: "" }, /issuer/],
    [{ audience: [] }, /audience/],
    [{ leewayMs: 300_001 }, /leewayMs/],
    [{ leewayMs: NaN }, /leewayMs/],
    [{ algorithms: [] }, /algorithms: none given/],
    [{ algorithms: ["none" as "RS256"] }, /algorithms: none; want/],
    [{ algorithms: ["RS256", "HS256"] }, /cannot be mixed/],
    [{ keys: [] }, /has no keys/],
    [{ keys: [pem("rubbish")] }, /no PEM/],
    [{ keys: [pem("-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----")] }, /-pubout/],
    [{ keys: [pem("-----BEGIN PUBLIC KEY-----\nAA\n-----END PUBLIC KEY-----")] }, /fits none/],
    [{ keys: [pem(await exportSPKI(ec.publicKey))] }, /fits none of RS256/],
    [{ keys: [{ kind: "jwk", text: "{" }] }, /is not JSON/],
    [{ keys: [{ kind: "jwks", text: "[]" }] }, /under "keys"/],
    [{ keys: [{ kind: "jwks", text: "null" }] }, /under "keys"/],
    [{ keys: [jwks(7)] }, /want an object/],
    [{ keys: [jwks()] }, /fits none/],
    [{ keys: [{ kind: "jwk", text: privateJwk }] }, /private key/],
    [{ keys: [{ kind: "jwk", text: weakJwk }] }, /1024 bits/],
    [{ keys: [jwks(await jwkOf(rsa, { use: "enc" }))] }, /fits none/],
    [{ keys: [secret(32)] }, /fits none/],
    [{ algorithms: ["HS256"] }, /fits none/],
    [{ algorithms: ["HS256"], keys: [secret(31)] }, /31 bytes/],
    [{ algorithms: ["HS512"], keys: [secret(63)] }, /63 bytes/],
    [{ subject: { kind: "template", template: "bob" } }, /exactly one/],
  ];
  for (const [change, message] of rows) {
    await assert.rejects(openJwtVerifier([optionsWith(change)]), (error: unknown) => {
      assert.ok(error instanceof JwtConfigError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
  await assert.rejects(openJwtVerifier([optionsWith(), optionsWith()]), /configured twice/);
});

Deno.test("openJwtVerifier: a set may hold keys for other uses beside", async () => {
  const set = jwks(
    { kty: "OKP", crv: "X9999", x: "AA" },
    { kty: "unknown" },
    { kty: "RSA", n: 5, e: null },
    await jwkOf(rsa, { use: "enc" }),
    await jwkOf(rsa),
  );
  assert.equal(await refusal(await sign(), optionsWith({ keys: [set] })), "accepted");
});

Deno.test("createSubjectMapper: takes the name out of the claim, or nothing", () => {
  const mapped = (mapping: SubjectMapping, claims: Record<string, unknown>) => {
    const result = createSubjectMapper(mapping)(claims);
    return result.ok ? result.user : null;
  };
  const template = (text: string): SubjectMapping => ({ kind: "template", template: text });
  const pattern = (text: string): SubjectMapping => ({
    kind: "pattern",
    claim: "sub",
    pattern: text,
  });
  assert.equal(mapped(template("{sub}"), { sub: "bob" }), "bob");
  assert.equal(mapped(template("{sub}"), { sub: "e\u0301" }), "\u00e9", "composition");
  assert.equal(mapped(template("{sub}"), { sub: "Bob" }), null, "case");
  assert.equal(mapped(template("{sub}"), { sub: "\uff42ob" }), null, "width");
  assert.equal(mapped(template("{sub}"), { sub: "" }), null);
  assert.equal(mapped(template("{sub}"), { sub: 7 }), null);
  assert.equal(mapped(template("{sub}"), { sub: ["bob"] }), null);
  assert.equal(mapped(template("{sub}"), {}), null);
  assert.equal(mapped(template("{sub}"), { sub: "roost.dark.000001" }), null, "reserved");
  assert.equal(mapped(template("{constructor}"), {}), null, "own claims only");
  assert.equal(mapped(template("{sub}"), { sub: "b".repeat(2000) }), null);
  const mail = template("{email}@corp.example");
  assert.equal(mapped(mail, { email: "bob@corp.example", sub: "x" }), "bob");
  assert.equal(mapped(mail, { email: "bob@corp.example.org" }), null);
  assert.equal(mapped(mail, { email: "bob@evil@corp.example" }), null);
  assert.equal(mapped(mail, { email: "@corp.example" }), null);
  assert.equal(mapped(template("auth0|{sub}"), { sub: "auth0|bob" }), "bob");
  assert.equal(mapped(template("auth0|{sub}"), { sub: "other|bob" }), null);
  assert.equal(mapped(template("a{sub}a"), { sub: "a" }), null, "prefix and suffix overlap");
  assert.equal(mapped(pattern("user-([a-z]+)"), { sub: "user-bob" }), "bob");
  assert.equal(mapped(pattern("user-([a-z]+)"), { sub: "x user-bob x" }), null, "anchored");
  assert.equal(mapped(pattern("user-([a-z]+)"), { sub: "user-bob\n" }), null, "anchored");
  assert.equal(mapped(pattern("x|(y)"), { sub: "x" }), null);
  assert.equal(mapped(pattern("(?:a|b)-(.*)"), { sub: "b-bob" }), "bob");
  for (const bad of ["", "sub", "{}", "{sub", "{a}{b}", "{{sub}}", "{a}x{b}"]) {
    assert.throws(() => createSubjectMapper(template(bad)), JwtConfigError, bad);
  }
  for (const bad of ["sub", "(", "(a)(b)", "[", "(?<a>x)(y)"]) {
    assert.throws(() => createSubjectMapper(pattern(bad)), JwtConfigError, bad);
  }
});
