import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { OidcIssuer, type OidcIssuerOptions } from "../../server/auth/oidc_issuer.ts";
import { IssuerAway, OidcRefusal } from "../../server/auth/oidc_refusal.ts";

const ISSUER = "https://id.example";
const NOW_S = 1_800_000_000;
const HOUR_MS = 3_600_000;

const OPTIONS: OidcIssuerOptions = {
  id: "corp",
  name: "Corp",
  issuer: ISSUER,
  clientId: "roost",
  clientSecret: null,
  scopes: ["openid", "profile"],
  audiences: ["app"],
  nameClaim: "preferred_username",
  names: "exact",
  createAccounts: true,
  linkAccounts: false,
  leewayMs: 30_000,
  staleMs: 24 * HOUR_MS,
};

const FLOW = {
  state: "the-state-of-this-flow",
  nonce: "the-nonce",
  verifier: "v".repeat(43),
  redirectUri: "https://chat.example/v1/auth/oidc/callback",
};

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;
/** Claims; undefined ones are left out. */
type Claims = Readonly<Record<string, unknown>>;

async function newPair(alg = "ES256"): Promise<Pair> {
  return await generateKeyPair(alg, { extractable: true });
}

/** An issuer whose network, keys and clock are the test's. */
async function open(change: Partial<OidcIssuerOptions> = {}) {
  const world = {
    away: false,
    monoMs: 0,
    /** Requests, by path. */
    asked: [] as string[],
    keys: [] as object[],
    document: {} as object,
    tokens: {} as object,
    tokenStatus: 200,
  };
  const answers: Readonly<Record<string, () => Response>> = {
    "/.well-known/openid-configuration": () =>
      Response.json({
        issuer: ISSUER,
        authorization_endpoint: `${ISSUER}/authorize`,
        token_endpoint: `${ISSUER}/token`,
        jwks_uri: `${ISSUER}/jwks`,
        ...world.document,
      }),
    "/jwks": () => Response.json({ keys: world.keys }),
    "/token": () => Response.json(world.tokens, { status: world.tokenStatus }),
  };
  const issuer = new OidcIssuer({ ...OPTIONS, ...change }, {
    monoMs: () => world.monoMs,
    wallMs: () => NOW_S * 1000 + world.monoMs,
    fetch: (url) => {
      const { pathname } = new URL(url);
      world.asked.push(pathname);
      if (world.away) return Promise.reject(new Error("no route to host"));
      return Promise.resolve(answers[pathname]!());
    },
  });
  const pair = await newPair();
  const publish = async (pair: Pair, kid: string, alg = "ES256") =>
    void world.keys.push({ ...await exportJWK(pair.publicKey), kid, alg, use: "sig" });
  await publish(pair, "k1");
  const sign = (claims: Claims = {}, key = pair.privateKey, kid: string | null = "k1") =>
    new SignJWT({
      iss: ISSUER,
      aud: "roost",
      sub: "u1",
      iat: NOW_S,
      exp: NOW_S + 300,
      nonce: FLOW.nonce,
      preferred_username: "ann",
      ...claims,
    }).setProtectedHeader({ alg: "ES256", ...(kid === null ? {} : { kid }) }).sign(key);
  return { issuer, world, pair, publish, sign };
}

/** Why it was refused, or `away`, or `ok`. */
async function outcome(act: Promise<unknown>): Promise<string> {
  try {
    await act;
    return "ok";
  } catch (error) {
    if (error instanceof OidcRefusal) return error.reason;
    if (error instanceof IssuerAway) return "away";
    throw error;
  }
}

const back = (change: Readonly<Record<string, string>> = {}) =>
  new URLSearchParams({ code: "c1", state: FLOW.state, ...change });

Deno.test("13: OidcIssuer: the browser is sent with PKCE, state and nonce, and no secret", async () => {
  const { issuer } = await open({ clientSecret: "hidden" });
  const url = new URL(await issuer.authorizationUrl(FLOW));
  assert.equal(url.origin + url.pathname, `${ISSUER}/authorize`);
  const asked = Object.fromEntries(url.searchParams);
  assert.equal(asked["code_challenge_method"], "S256");
  assert.deepEqual([asked["state"], asked["nonce"]], [FLOW.state, FLOW.nonce]);
  assert.equal(asked["response_type"], "code");
  assert.doesNotMatch(url.href, /hidden|vvvv/);
});

const REFUSED: readonly (readonly [string, Claims, string])[] = [
  ["another audience", { aud: "other" }, "audience"],
  ["no audience", { aud: [] }, "audience"],
  ["several audiences, made for another", { aud: ["roost", "x"], azp: "x" }, "audience"],
  ["another issuer", { iss: "https://evil.example" }, "issuer"],
  ["another sign-in's nonce", { nonce: "other" }, "nonce"],
  ["no nonce", { nonce: undefined }, "nonce"],
  ["expired beyond the leeway", { iat: NOW_S - 100, exp: NOW_S - 31 }, "expired"],
  ["not valid yet beyond the leeway", { nbf: NOW_S + 31 }, "not_yet"],
  ["issued in the future", { iat: NOW_S + 31 }, "not_yet"],
  ["without an end", { exp: undefined }, "malformed"],
  ["without a subject", { sub: "" }, "malformed"],
];

Deno.test("13: OidcIssuer: every claim that is not right is refused by its reason", async () => {
  const { issuer, sign, world } = await open();
  for (const [what, claims, reason] of REFUSED) {
    world.tokens = { id_token: await sign(claims), access_token: "a", token_type: "bearer" };
    assert.equal(await outcome(issuer.redeem(back(), FLOW)), reason, what);
  }
  const within = { exp: NOW_S - 29, iat: NOW_S - 100, nbf: NOW_S + 29 };
  world.tokens = { id_token: await sign(within), access_token: "a", token_type: "bearer" };
  assert.equal((await issuer.redeem(back(), FLOW)).sub, "u1");
});

Deno.test("13: OidcIssuer: no algorithm, and none with a public key as its secret, is taken", async () => {
  const { issuer, world, pair, sign } = await open();
  const none = new UnsecuredJWT({ sub: "u1", iss: ISSUER, aud: "roost" })
    .setIssuedAt(NOW_S).setExpirationTime(NOW_S + 300).encode();
  const raw = new TextEncoder().encode(JSON.stringify(world.keys[0]));
  const confused = await new SignJWT({ sub: "u1", iss: ISSUER, aud: "roost" })
    .setProtectedHeader({ alg: "HS256", kid: "k1" }).setIssuedAt(NOW_S)
    .setExpirationTime(NOW_S + 300).sign(raw);
  // Also where the issuer publishes a shared secret as a key.
  world.keys.push({ kty: "oct", k: "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", kid: "k1", alg: "HS256" });
  for (const token of [none, confused]) {
    assert.equal(await outcome(issuer.verify(token, ["roost"])), "algorithm");
  }
  const stranger = await newPair();
  const signed = await sign({}, stranger.privateKey);
  assert.equal(await outcome(issuer.verify(signed, ["roost"])), "signature");
  const token = await sign({}, pair.privateKey);
  const [head, body, seal] = token.split(".");
  const other = (await sign({ sub: "u2" })).split(".")[1];
  assert.equal(await outcome(issuer.verify(`${head}.${other}.${seal}`, ["roost"])), "signature");
  assert.equal(await outcome(issuer.verify(`${head}.${body}`, ["roost"])), "malformed");
  assert.equal(await outcome(issuer.verify("x".repeat(9000), ["roost"])), "malformed");
});

Deno.test("13: OidcIssuer: responses of another sign-in, of another issuer, and denials are refused", async () => {
  const { issuer, world, sign } = await open();
  world.tokens = { id_token: await sign(), access_token: "a", token_type: "bearer" };
  assert.equal(await outcome(issuer.redeem(back({ state: "other" }), FLOW)), "state");
  assert.equal(await outcome(issuer.redeem(back({ iss: "https://evil.example" }), FLOW)), "issuer");
  const denied = new URLSearchParams({ error: "access_denied", state: FLOW.state });
  assert.equal(await outcome(issuer.redeem(denied, FLOW)), "denied");
  assert.ok(!world.asked.includes("/token"), "nothing of these is sent to the issuer");
  world.tokens = { error: "invalid_grant" };
  world.tokenStatus = 400;
  assert.equal(await outcome(issuer.redeem(back(), FLOW)), "code");
  world.tokenStatus = 502;
  assert.equal(await outcome(issuer.redeem(back(), FLOW)), "away");
});

Deno.test("13: OidcIssuer: rotated keys are read again, at most once in ten seconds", async () => {
  const { issuer, world, sign, publish } = await open();
  const reads = () => world.asked.filter((path) => path === "/jwks").length;
  assert.equal(await outcome(issuer.verify(await sign(), ["roost"])), "ok");
  assert.equal(reads(), 1);
  const next = await newPair();
  world.keys = [];
  await publish(next, "k2");
  const rotated = await sign({}, next.privateKey, "k2");
  assert.equal(await outcome(issuer.verify(rotated, ["roost"])), "key", "within the pause");
  assert.equal(reads(), 1);
  world.monoMs += 10_000;
  assert.equal(await outcome(issuer.verify(rotated, ["roost"])), "ok");
  assert.equal(reads(), 2);
  assert.equal(await outcome(issuer.verify(await sign(), ["roost"])), "key", "the old key is gone");
  // Made up key ids cost the issuer nothing.
  for (let i = 0; i < 50; i++) {
    const made = await sign({}, next.privateKey, `made-up-${i}`);
    assert.equal(await outcome(issuer.verify(made, ["roost"])), "key");
  }
  assert.equal(reads(), 2);
});

Deno.test("13: OidcIssuer: keys outlast an issuer that is away, for the stated time", async () => {
  const { issuer, world, sign } = await open();
  assert.equal(await outcome(issuer.verify(await sign(), ["roost"])), "ok");
  world.away = true;
  const later = { iat: NOW_S, exp: NOW_S + 90_000 };
  world.monoMs += 23 * HOUR_MS;
  assert.equal(await outcome(issuer.verify(await sign(later), ["roost"])), "ok");
  world.monoMs += HOUR_MS;
  assert.equal(await outcome(issuer.verify(await sign(later), ["roost"])), "away");
  world.away = false;
  world.monoMs += 10_000;
  assert.equal(await outcome(issuer.verify(await sign(later), ["roost"])), "ok");
});

Deno.test("13: OidcIssuer: a document of another issuer, or keys without https, are not used", async () => {
  const other = await open();
  other.world.document = { issuer: "https://evil.example" };
  assert.equal(await outcome(other.issuer.authorizationUrl(FLOW)), "away");
  const plain = await open();
  plain.world.document = { jwks_uri: "http://id.example/jwks" };
  assert.equal(await outcome(plain.issuer.verify(await plain.sign(), ["roost"])), "away");
  const weak = await open();
  const rsa = await newPair("RS256");
  weak.world.keys.unshift({
    ...await exportJWK(rsa.publicKey),
    n: "AQAB",
    kid: "weak",
    alg: "RS256",
  });
  assert.equal(await outcome(weak.issuer.verify(await weak.sign(), ["roost"])), "ok");
});
