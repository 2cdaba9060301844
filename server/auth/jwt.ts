/**
 * Tokens of outside issuers (JWT, RFC 7519, as RFC 8725 says to take them): which are taken, and
 * whose they are. Verifying uses WebCrypto's promises; behind `JwtVerifier` there are callbacks.
 */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import type { AccountName } from "../../shard/name/ids.ts";
import { JwtConfigError } from "./jwt_error.ts";
import {
  checkAlgorithms,
  importKeys,
  type JwtAlgorithm,
  type JwtKey,
  type KeySource,
} from "./jwt_keys.ts";
import { type Claims, createSubjectMapper, type MappedSubject } from "./jwt_subject.ts";
import type { SubjectMapping } from "./jwt_subject.ts";

/** Bound of a token, in characters. */
export const JWT_LENGTH_MAX = 8192;
/** Bound of an issuer's leeway, in milliseconds. */
export const JWT_LEEWAY_MS_MAX = 300_000;
/** What lasts longer counts as lasting this long, in milliseconds. */
const LIFETIME_MS_MAX = 366 * 86_400_000;
/** Keys tried for a token that names none. */
const KEYS_TRIED_MAX = 8;

/** One issuer whose tokens are taken. */
export interface IssuerOptions {
  /** What `iss` must be, exactly. */
  readonly issuer: string;
  /** One of these must be in `aud`: else tokens meant for another service would do here. */
  readonly audience: readonly string[];
  /** The algorithms taken: all with public keys, or all HMAC. */
  readonly algorithms: readonly JwtAlgorithm[];
  readonly keys: readonly KeySource[];
  /** How far the issuer's clock may be off: 0 to `JWT_LEEWAY_MS_MAX`. */
  readonly leewayMs: number;
  readonly subject: SubjectMapping;
  /** Whether a valid token of a name without an account makes the account. */
  readonly createAccounts: boolean;
}

/** What a token proves, or why it proves nothing: `reason` is for the log, not for the client. */
export type JwtCheck =
  | {
    readonly ok: true;
    readonly user: AccountName;
    /** Milliseconds since 1970, leeway included, at most a year ahead. */
    readonly expiresAt: number;
    readonly createAccount: boolean;
  }
  | { readonly ok: false; readonly reason: string };

/** Checks tokens. Answers exactly once, in a later turn or at once. */
export interface JwtVerifier {
  verify(jwt: string, wallMs: number, done: (check: JwtCheck) => void): void;
}

interface Issuer {
  readonly options: IssuerOptions;
  readonly keys: readonly JwtKey[];
  readonly userOf: (claims: Claims) => MappedSubject;
}

function refuse(reason: string): JwtCheck {
  return { ok: false, reason };
}

async function openIssuer(options: IssuerOptions): Promise<Issuer> {
  const { issuer, audience, algorithms, leewayMs } = options;
  if (issuer === "") throw new JwtConfigError("issuer: is empty, want what tokens have in iss");
  if (audience.length === 0 || audience.includes("")) {
    throw new JwtConfigError("audience: is empty, want what tokens for this server have in aud");
  }
  if (!(leewayMs >= 0 && leewayMs <= JWT_LEEWAY_MS_MAX)) {
    throw new JwtConfigError(`leewayMs: is ${leewayMs}, want 0 to ${JWT_LEEWAY_MS_MAX}`);
  }
  checkAlgorithms(algorithms);
  const keys: JwtKey[] = [];
  for (const source of options.keys) keys.push(...await importKeys(source, algorithms));
  if (keys.length === 0) throw new JwtConfigError(`issuer ${issuer}: has no keys`);
  return { options, keys, userOf: createSubjectMapper(options.subject) };
}

/** The keys that may have signed a token with this header. */
function keysFor(issuer: Issuer, alg: string, kid: unknown): readonly JwtKey[] {
  const fitting = issuer.keys.filter((k) => k.algorithm === alg);
  if (kid === undefined) return fitting.slice(0, KEYS_TRIED_MAX);
  const named = fitting.filter((k) => k.kid === kid);
  return (named.length > 0 ? named : fitting.filter((k) => k.kid === null))
    .slice(0, KEYS_TRIED_MAX);
}

/** The claims of a token that one of the keys signed; throws jose's errors. */
async function verifySigned(jwt: string, issuer: Issuer, wallMs: number): Promise<JWTPayload> {
  const { alg = "", kid } = decodeProtectedHeader(jwt);
  const keys = keysFor(issuer, alg, kid);
  for (const [i, { key, algorithm }] of keys.entries()) {
    try {
      const { payload } = await jwtVerify(jwt, key, {
        algorithms: [algorithm],
        issuer: issuer.options.issuer,
        audience: [...issuer.options.audience],
        clockTolerance: issuer.options.leewayMs / 1000,
        currentDate: new Date(wallMs),
        requiredClaims: ["exp"],
      });
      return payload;
    } catch (error) {
      const more = i + 1 < keys.length;
      if (!(more && error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new errors.JOSEAlgNotAllowed("no configured key fits the token's alg and kid");
}

/**
 * Whether the signature is the only text for its bytes, which leave bits of the last character over:
 * libraries skip those, and white space, so that one token would have many texts. What stands before
 * it is signed as it is written.
 */
function isCanonical(jwt: string): boolean {
  const signature = jwt.slice(jwt.lastIndexOf(".") + 1);
  return encodeBase64Url(decodeBase64Url(signature)) === signature;
}

async function check(
  issuers: ReadonlyMap<string, Issuer>,
  jwt: string,
  wallMs: number,
): Promise<JwtCheck> {
  if (jwt.length > JWT_LENGTH_MAX) return refuse(`longer than ${JWT_LENGTH_MAX} characters`);
  try {
    if (!isCanonical(jwt)) return refuse("the signature is not in base64url as RFC 4648 has it");
    // Not verified yet: it only chooses whose keys must have signed.
    const issuer = issuers.get(decodeJwt(jwt).iss ?? "");
    if (issuer === undefined) return refuse("the issuer is not configured");
    const payload = await verifySigned(jwt, issuer, wallMs);
    const mapped = issuer.userOf(payload);
    if (!mapped.ok) return mapped;
    const expiresAt = Math.floor(payload.exp! * 1000) + issuer.options.leewayMs;
    return {
      ok: true,
      user: mapped.user,
      expiresAt: Math.min(expiresAt, wallMs + LIFETIME_MS_MAX),
      createAccount: issuer.options.createAccounts,
    };
  } catch (error) {
    // Whatever a library throws at a stranger's text refuses the text, and never ends the node.
    return refuse(error instanceof Error ? `${error.name}: ${error.message}` : "not a token");
  }
}

/** Imports the keys of all issuers; throws `JwtConfigError`. No issuers: every token is refused. */
export async function openJwtVerifier(issuers: readonly IssuerOptions[]): Promise<JwtVerifier> {
  const byName = new Map<string, Issuer>();
  for (const options of issuers) {
    if (byName.has(options.issuer)) {
      throw new JwtConfigError(`issuer ${options.issuer}: is configured twice`);
    }
    byName.set(options.issuer, await openIssuer(options));
  }
  return {
    verify(jwt, wallMs, done) {
      void check(byName, jwt, wallMs).then(done);
    },
  };
}
