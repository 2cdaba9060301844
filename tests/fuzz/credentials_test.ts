import { deepEqual, equal, match, ok } from "node:assert/strict";
import fc from "fast-check";
import { SignJWT } from "jose";
import { type JwtCheck, openJwtVerifier } from "../../server/auth/jwt.ts";
import { importKeys } from "../../server/auth/jwt_keys.ts";
import { JwtConfigError } from "../../server/auth/jwt_error.ts";
import {
  finishScram,
  parseClientFinal,
  parseClientFirst,
  SCRAM_MESSAGE_LENGTH_MAX,
  startScramWithNonce,
} from "../../server/auth/scram.ts";
import {
  decodeBase64,
  encodeBase64,
  escapeSaslName,
  isNonce,
} from "../../server/auth/scram_text.ts";
import { createScramClient } from "../../server/auth/scram_client.ts";
import {
  hashToken,
  inviteName,
  looksLikeToken,
  mintToken,
  parseToken,
} from "../../server/auth/token.ts";
import { parseName } from "../../shard/name/name.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { syncScramCrypto } from "../unit/sign_in_fixture.ts";
import { hostile, runs } from "./hostile_bytes.ts";
import { codePoint } from "./schema_values.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const latin1 = (bytes: Uint8Array) => Array.from(bytes, (b) => String.fromCharCode(b)).join("");

const unicode = fc.string({ unit: codePoint, maxLength: 40 });
const nonce = fc.string({
  unit: fc.constantFrom(..."abcXYZ019+/=!~"),
  minLength: 1,
  maxLength: 30,
});
const user = fc.string({ unit: codePoint, minLength: 1, maxLength: 20 })
  .filter((u) => !u.includes("\0"));

const clientFirst = fc.tuple(fc.constantFrom("n", "y"), fc.option(user), user, nonce).map(
  ([flag, authzid, name, r]) => {
    const a = authzid === null ? "" : `a=${escapeSaslName(authzid)}`;
    return `${flag},${a},n=${escapeSaslName(name)},r=${r}`;
  },
);
const clientFinal = fc.tuple(nonce, fc.uint8Array({ maxLength: 40 })).map(([r, proof]) =>
  `c=biws,r=${r},p=${encodeBase64(proof)}`
);
/** Messages that were cut, flipped and spliced, as any UTF-16. */
const mutated = (valid: fc.Arbitrary<string>) =>
  fc.oneof(unicode, valid, hostile(valid.map(utf8)).map(latin1));

Deno.test("parseClientFirst finds the user and nonce that were written", () => {
  fc.assert(
    fc.property(fc.option(user), user, nonce, (authzid, name, r) => {
      const a = authzid === null ? "" : `a=${escapeSaslName(authzid)}`;
      const bare = `n=${escapeSaslName(name)},r=${r}`;
      const first = parseClientFirst(`n,${a},${bare}`);
      deepEqual(first, { gs2Header: `n,${a},`, authzid, bare, user: name, nonce: r });
    }),
    runs(500),
  );
});

Deno.test("parseClientFirst answers any text with an exchange's beginning or a typed fault", () => {
  fc.assert(
    fc.property(mutated(clientFirst), (text) => {
      const first = parseClientFirst(text);
      if (typeof first === "string") return match(first, /^(malformed|binding|extension)$/);
      ok(first.user !== "" && isNonce(first.nonce));
      equal(first.gs2Header + first.bare, text);
    }),
    runs(3000),
  );
});

const key = {
  salt: utf8("salt"),
  iterations: 4096,
  storedKey: new Uint8Array(32),
  serverKey: utf8("k"),
};

Deno.test("finishScram answers any final message as malformed or wrong", () => {
  const first = parseClientFirst("n,,n=user,r=abc");
  ok(typeof first !== "string");
  const start = startScramWithNonce(first, key, "SERVER");
  const proofs = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((proof) =>
    `c=biws,r=abcSERVER,p=${encodeBase64(proof)}`
  );
  fc.assert(
    fc.property(fc.oneof(mutated(clientFinal), mutated(proofs)), (text) => {
      const end = finishScram("SCRAM-SHA-256", start, key, text);
      ok(!end.ok && (end.kind === "malformed" || end.kind === "wrong"));
      const final = parseClientFinal(text);
      if (final !== null) ok(text.startsWith(final.withoutProof));
    }),
    runs(1500),
  );
});

Deno.test("createScramClient answers any server-first message with a reply or null", () => {
  const client = createScramClient({ user: "u", password: "p", nonce: "abc" }, {
    ...syncScramCrypto("SHA-256"),
    pbkdf2: (_password, _salt, _iterations, done) => done(new Uint8Array(32)),
  });
  const serverFirst = fc.tuple(fc.uint8Array(), fc.nat()).map(([salt, i]) =>
    `r=abcS,s=${encodeBase64(salt)},i=${i}`
  );
  fc.assert(
    fc.property(mutated(serverFirst), mutated(serverFirst), (text, last) => {
      let replies = 0;
      client.reply(text, (reply) => {
        replies++;
        equal(reply?.proves(last) ?? false, false);
      });
      equal(replies, 1);
    }),
    runs(800),
  );
});

Deno.test("SCRAM messages over their bound are refused before they are looked at", () => {
  const began = performance.now();
  for (const unit of ["n=a,", "=2C", ",", "p=A", "é", "\ud800"]) {
    const long = unit.repeat(200_000);
    equal(parseClientFirst(`n,,${long}`), "malformed");
    equal(parseClientFinal(long), null);
  }
  equal(parseClientFirst(`n,,n=a,r=${"x".repeat(SCRAM_MESSAGE_LENGTH_MAX)}`), "malformed");
  ok(performance.now() - began < 1000);
});

Deno.test("decodeBase64 takes exactly what encodeBase64 makes", () => {
  fc.assert(
    fc.property(mutated(fc.uint8Array().map(encodeBase64)), (text) => {
      const bytes = decodeBase64(text);
      if (bytes !== null) equal(encodeBase64(bytes), text);
    }),
    runs(1500),
  );
});

const random = simRandom(new Prng("tokens"));
const names = fc.constantFrom("bob", "é", "\u30ac\u30ac", "x".repeat(256), "a.b-c_d")
  .map((n) => parseName(n)!);

Deno.test("parseToken takes tokens as they were minted and no other text for them", () => {
  fc.assert(fc.property(names, (name) => equal(parseToken(mintToken(name, random)), name)), {
    ...runs(100),
  });
  const token = names.map((name) => mintToken(name, random));
  fc.assert(
    fc.property(mutated(token), (text) => {
      const name = parseToken(text);
      equal(inviteName(text), null);
      equal(hashToken(text).length, 32);
      if (name === null) return;
      ok(looksLikeToken(text));
      equal(parseName(name), name);
      equal(text.slice(0, -43), mintToken(name, random).slice(0, -43));
    }),
    runs(2000),
  );
});

const SECRET = new Uint8Array(32).fill(7);
const NOW_MS = 1_700_000_000_000;
const verifier = await openJwtVerifier([{
  issuer: "https://issuer.example",
  audience: ["roost"],
  algorithms: ["HS256"],
  keys: [{
    kind: "jwk",
    text: JSON.stringify({ kty: "oct", k: btoa(latin1(SECRET)).replace(/=+$/, "") }),
  }],
  leewayMs: 0,
  subject: { kind: "template", template: "{sub}" },
  createAccounts: false,
}]);

const encode = (value: unknown) =>
  btoa(latin1(utf8(typeof value === "string" ? value : JSON.stringify(value))))
    .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

const good = await new SignJWT({
  iss: "https://issuer.example",
  aud: "roost",
  sub: "bob",
  exp: NOW_MS / 1000 + 60,
}).setProtectedHeader({ alg: "HS256" }).sign(SECRET);

const verify = (jwt: string) =>
  new Promise<JwtCheck>((resolve) => verifier.verify(jwt, NOW_MS, resolve));

const jwtHeader = fc.record({
  alg: fc.oneof(fc.constantFrom("HS256", "none", "RS256", "hs256"), fc.jsonValue()),
  kid: fc.jsonValue(),
  crit: fc.jsonValue(),
  b64: fc.jsonValue(),
  zip: fc.constant("DEF"),
}, { requiredKeys: ["alg"] });
const jwtClaims = fc.record({
  iss: fc.oneof(fc.constant("https://issuer.example"), fc.jsonValue()),
  aud: fc.oneof(fc.constantFrom("roost", ["roost"]), fc.jsonValue()),
  sub: fc.oneof(fc.constantFrom("bob", "__proto__"), fc.jsonValue()),
  exp: fc.oneof(fc.constant(NOW_MS), fc.jsonValue()),
  nbf: fc.jsonValue(),
  iat: fc.jsonValue(),
}, { requiredKeys: [] });
const hostileJwt = fc.oneof(
  mutated(fc.constant(good)),
  fc.tuple(jwtHeader, jwtClaims, fc.base64String()).map(([h, c, s]) =>
    `${encode(h)}.${encode(c)}.${s}`
  ),
  fc.tuple(fc.json(), fc.string(), fc.string()).map((p) => p.map(encode).join(".")),
  fc.tuple(fc.string(), fc.string(), fc.string()).map((p) => p.join(".")),
);

Deno.test("JwtVerifier takes the good token and refuses all others with a reason", async () => {
  equal((await verify(good)).ok, true);
  await fc.assert(
    fc.asyncProperty(hostileJwt, async (jwt) => {
      const result = await verify(jwt);
      if (jwt === good) return;
      ok(!result.ok && typeof result.reason === "string", jwt);
    }),
    runs(600),
  );
});

Deno.test("JwtVerifier decides what a signed token claims, whatever its claims are", async () => {
  await fc.assert(
    fc.asyncProperty(jwtClaims, async (claims) => {
      const header = encode({ alg: "HS256" });
      const input = `${header}.${encode(claims)}`;
      const hmac = await crypto.subtle.importKey(
        "raw",
        SECRET,
        { name: "HMAC", hash: "SHA-256" },
        false,
        ["sign"],
      );
      const signature = new Uint8Array(await crypto.subtle.sign("HMAC", hmac, utf8(input)));
      const jwt = `${input}.${
        btoa(latin1(signature)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")
      }`;
      const result = await verify(jwt);
      if (result.ok) {
        equal(result.user, (claims as { sub?: unknown }).sub);
        ok(Number((claims as { exp?: unknown }).exp) > NOW_MS / 1000);
      }
    }),
    runs(300),
  );
});

Deno.test("importKeys refuses any text with JwtConfigError", async () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.record({ keys: fc.array(fc.jsonValue()) }).map((v) => JSON.stringify(v)),
    fc.record({
      kty: fc.constantFrom("oct", "RSA", "EC", "OKP"),
      k: fc.jsonValue(),
      n: fc.jsonValue(),
      e: fc.jsonValue(),
      crv: fc.constantFrom("P-256", "Ed25519"),
      x: fc.jsonValue(),
    }, { requiredKeys: ["kty"] }).map((v) => JSON.stringify(v)),
    fc.string().map((s) => `-----BEGIN PUBLIC KEY-----\n${s}\n-----END PUBLIC KEY-----`),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom("pem", "jwk", "jwks"), text, async (kind, text) => {
      for (const algorithms of [["RS256", "ES256", "Ed25519"], ["HS256"]] as const) {
        try {
          await importKeys({ kind, text }, algorithms);
        } catch (error) {
          ok(error instanceof JwtConfigError, String((error as Error).stack));
        }
      }
    }),
    runs(300),
  );
});
