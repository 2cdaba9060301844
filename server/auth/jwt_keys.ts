/** Keys of outside issuers: PEM, JWK (RFC 7517) and JWK sets, imported once for each algorithm. */
import { type CryptoKey, importJWK, importSPKI, importX509, type JWK } from "jose";
import { JwtConfigError } from "./jwt_error.ts";

/** For each algorithm the key type and curve it takes (RFC 7518, RFC 8037, RFC 9864). */
const KEY_TYPES = {
  RS256: { kty: "RSA", crv: null },
  RS384: { kty: "RSA", crv: null },
  RS512: { kty: "RSA", crv: null },
  PS256: { kty: "RSA", crv: null },
  PS384: { kty: "RSA", crv: null },
  PS512: { kty: "RSA", crv: null },
  ES256: { kty: "EC", crv: "P-256" },
  ES384: { kty: "EC", crv: "P-384" },
  ES512: { kty: "EC", crv: "P-521" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
  Ed25519: { kty: "OKP", crv: "Ed25519" },
  HS256: { kty: "oct", crv: null },
  HS384: { kty: "oct", crv: null },
  HS512: { kty: "oct", crv: null },
} as const;

/** The algorithms that can be configured. `none` is not one. */
export type JwtAlgorithm = keyof typeof KEY_TYPES;

/** Their names. */
export const JWT_ALGORITHMS = Object.keys(KEY_TYPES) as readonly JwtAlgorithm[];

/** Text of a configured key: `pem` a public key or certificate, `jwk` one key, `jwks` a set. */
export interface KeySource {
  readonly kind: "pem" | "jwk" | "jwks";
  readonly text: string;
}

/** A key ready to verify one algorithm. */
export interface JwtKey {
  readonly algorithm: JwtAlgorithm;
  /** null: not named, fits tokens with any key id that no other key has. */
  readonly kid: string | null;
  readonly key: CryptoKey | Uint8Array;
}

/** Whether an algorithm uses a shared secret. */
export function isHmac(algorithm: JwtAlgorithm): boolean {
  return KEY_TYPES[algorithm].kty === "oct";
}

/**
 * Refuses lists that are empty, unknown, or mix HMAC with public keys: with both, a public key
 * could be taken for a shared secret (RFC 8725 section 2.1).
 */
export function checkAlgorithms(algorithms: readonly string[]): void {
  const unknown = algorithms.find((a) => !Object.hasOwn(KEY_TYPES, a));
  if (unknown !== undefined || algorithms.length === 0) {
    throw new JwtConfigError(
      `algorithms: ${unknown ?? "none given"}; want some of ${JWT_ALGORITHMS.join(", ")}`,
    );
  }
  const known = algorithms as readonly JwtAlgorithm[];
  if (known.some(isHmac) && !known.every(isHmac)) {
    throw new JwtConfigError("algorithms: HS… cannot be mixed with public-key algorithms");
  }
}

/** Imports one source for every algorithm that it fits; throws `JwtConfigError` if for none. */
export async function importKeys(
  source: KeySource,
  algorithms: readonly JwtAlgorithm[],
): Promise<readonly JwtKey[]> {
  const keys = source.kind === "pem"
    ? await importPem(source.text, algorithms)
    : await importSet(parseJwks(source), algorithms, source.kind === "jwk");
  if (keys.length === 0) {
    throw new JwtConfigError(`${source.kind} key: fits none of ${algorithms.join(", ")}`);
  }
  return keys;
}

async function importPem(pem: string, algorithms: readonly JwtAlgorithm[]): Promise<JwtKey[]> {
  const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(pem)?.[1];
  if (label !== "PUBLIC KEY" && label !== "CERTIFICATE") {
    throw new JwtConfigError(
      `pem key: is ${label ?? "no PEM"}, want PUBLIC KEY or CERTIFICATE ` +
        "(openssl pkey -in key.pem -pubout)",
    );
  }
  const keys: JwtKey[] = [];
  for (const algorithm of algorithms) {
    if (isHmac(algorithm)) continue;
    try {
      const key = await (label === "PUBLIC KEY" ? importSPKI : importX509)(pem.trim(), algorithm);
      keys.push({ algorithm, kid: null, key });
    } catch {
      // A key of another type or curve: whether it fits any algorithm is checked by the caller.
      continue;
    }
    checkStrength(keys.at(-1)!);
  }
  return keys;
}

function parseJwks(source: KeySource): readonly JWK[] {
  let value: unknown;
  try {
    value = JSON.parse(source.text);
  } catch {
    // Without the cause: it would quote the text, which may be a secret.
    throw new JwtConfigError(`${source.kind} key: is not JSON`);
  }
  const list = source.kind === "jwk" ? [value] : (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(list) || list.some((k) => typeof k !== "object" || k === null)) {
    throw new JwtConfigError(`${source.kind} key: want an object, in a set under "keys"`);
  }
  return list as JWK[];
}

async function importSet(
  jwks: readonly JWK[],
  algorithms: readonly JwtAlgorithm[],
  single: boolean,
): Promise<JwtKey[]> {
  const keys: JwtKey[] = [];
  for (const jwk of jwks) {
    if (jwk.kty !== "oct" && jwk.d !== undefined) {
      throw new JwtConfigError("jwk key: is a private key, want its public half (without d)");
    }
    if (jwk.use !== undefined && jwk.use !== "sig") continue;
    for (const algorithm of algorithms) {
      const type = KEY_TYPES[algorithm];
      if (jwk.kty !== type.kty || (type.crv !== null && jwk.crv !== type.crv)) continue;
      if (jwk.alg !== undefined && jwk.alg !== algorithm) continue;
      const imported = await importOne(jwk, algorithm, single);
      if (imported !== null) keys.push(imported);
    }
  }
  return keys;
}

/** A set may hold keys that this runtime cannot import: they are left out, a single key is not. */
async function importOne(
  jwk: JWK,
  algorithm: JwtAlgorithm,
  single: boolean,
): Promise<JwtKey | null> {
  let key: CryptoKey | Uint8Array;
  try {
    key = await importJWK(jwk, algorithm);
  } catch (cause) {
    if (!single) return null;
    throw new JwtConfigError(`jwk key: cannot be imported for ${algorithm}`, { cause });
  }
  const imported = { algorithm, kid: typeof jwk.kid === "string" ? jwk.kid : null, key };
  checkStrength(imported);
  return imported;
}

/** RFC 7518 sections 3.2 and 3.3: secrets as long as the hash, RSA of 2048 bits. */
function checkStrength({ algorithm, key }: JwtKey): void {
  if (key instanceof Uint8Array) {
    const least = Number(algorithm.slice(2)) / 8;
    if (key.length < least) {
      throw new JwtConfigError(
        `secret for ${algorithm}: has ${key.length} bytes, want at least ${least}`,
      );
    }
    return;
  }
  const bits = "modulusLength" in key.algorithm ? key.algorithm.modulusLength : null;
  if (typeof bits === "number" && bits < 2048) {
    throw new JwtConfigError(`key for ${algorithm}: has ${bits} bits, want at least 2048`);
  }
}
