/**
 * One OpenID Connect issuer: its discovery document and keys, read over HTTPS and kept, the
 * authorization code flow with PKCE (RFC 7636, by oauth4webapi), and the check of its ID tokens.
 */
import * as oauth from "oauth4webapi";
import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  type ProtectedHeaderParameters,
} from "jose";
import { encodeBase64Url } from "byte-encodings/base64url";
import { importKeys, type JwtAlgorithm, type JwtKey } from "./jwt_keys.ts";
import { JWT_LENGTH_MAX } from "./jwt.ts";
import { JwtConfigError } from "./jwt_error.ts";
import type { NameRule } from "./oidc_names.ts";
import { IssuerAway, type OidcReason, OidcRefusal } from "./oidc_refusal.ts";
import { Refreshed } from "./refreshed.ts";
import { sha256 } from "./hash.ts";

/** One issuer, as it is configured. */
export interface OidcIssuerOptions {
  /** Names it in requests. */
  readonly id: string;
  /** Names it for people. */
  readonly name: string;
  /** Its address, exactly as in `iss`. */
  readonly issuer: string;
  readonly clientId: string;
  /** null: a public client, which has nothing but PKCE. */
  readonly clientSecret: string | null;
  readonly scopes: readonly string[];
  /** What else may be in `aud` of tokens that applications pass on. */
  readonly audiences: readonly string[];
  readonly nameClaim: string;
  readonly names: NameRule;
  readonly createAccounts: boolean;
  readonly linkAccounts: boolean;
  /** How far its clock may be off. */
  readonly leewayMs: number;
  /** How long its keys are used while it is away. */
  readonly staleMs: number;
}

/** What it takes of the outside. `fetch` rejects where nobody responds in time. */
export interface OidcPorts {
  readonly fetch: (url: string, options: IssuerRequest) => Promise<Response>;
  readonly monoMs: () => number;
  readonly wallMs: () => number;
}

/** A request to an issuer. */
export interface IssuerRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: BodyInit | null | undefined;
}

/** What a browser's way to the issuer and back has to keep. */
export interface OidcFlow {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

/** With public keys only: a shared secret or none would let anybody sign (RFC 8725). */
const ALGORITHMS: readonly JwtAlgorithm[] = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const,
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"] as const,
];

const DOCUMENT = { freshMs: 3_600_000, pauseMs: 10_000 } as const;
const KEYS = { freshMs: 600_000, pauseMs: 10_000 } as const;
/** Keys of a set that are looked at. */
const KEYS_MAX = 64;

const utf8 = new TextEncoder();

/** See the head of this file. */
export class OidcIssuer {
  readonly options: OidcIssuerOptions;
  readonly #ports: OidcPorts;
  readonly #client: oauth.Client;
  readonly #auth: oauth.ClientAuth;
  readonly #document: Refreshed<oauth.AuthorizationServer>;
  readonly #keys: Refreshed<readonly JwtKey[]>;

  constructor(options: OidcIssuerOptions, ports: OidcPorts) {
    this.options = options;
    this.#ports = ports;
    this.#client = {
      client_id: options.clientId,
      [oauth.clockTolerance]: Math.ceil(options.leewayMs / 1000),
    };
    this.#auth = options.clientSecret === null
      ? oauth.None()
      : oauth.ClientSecretBasic(options.clientSecret);
    const { monoMs } = ports;
    const stale = (freshMs: number) => ({ staleMs: Math.max(freshMs, options.staleMs) });
    this.#document = new Refreshed(() => this.#discover(), monoMs, {
      ...DOCUMENT,
      ...stale(DOCUMENT.freshMs),
    });
    this.#keys = new Refreshed(() => this.#readKeys(), monoMs, { ...KEYS, ...stale(KEYS.freshMs) });
  }

  /** Where a browser is sent. */
  async authorizationUrl(flow: OidcFlow): Promise<string> {
    const { authorization_endpoint: endpoint } = await this.#document.get();
    if (endpoint === undefined || !isSecure(endpoint)) {
      throw new IssuerAway("the issuer names no authorization endpoint");
    }
    const url = new URL(endpoint);
    const parameters = {
      client_id: this.options.clientId,
      response_type: "code",
      redirect_uri: flow.redirectUri,
      scope: this.options.scopes.join(" "),
      state: flow.state,
      nonce: flow.nonce,
      code_challenge: encodeBase64Url(sha256(utf8.encode(flow.verifier))),
      code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  /** The claims of the user who returned with `response`, the query of the redirect. */
  async redeem(response: URLSearchParams, flow: OidcFlow): Promise<JWTPayload> {
    const document = await this.#document.get();
    const parameters = this.#responseOf(document, response, flow);
    const answer = await this.#requestTokens(document, parameters, flow);
    const tokens = answer.ok ? tokensOf(await readCopy(answer)) : null;
    if (tokens === null) return await this.#throwError(document, answer, flow);
    const claims = await this.verify(tokens.idToken, [this.options.clientId]);
    if (claims["nonce"] !== flow.nonce) throw new OidcRefusal("nonce");
    // A token for several services says for which of them it was made.
    const azp = claims["azp"];
    if (azp !== undefined && azp !== this.options.clientId) throw new OidcRefusal("audience");
    if (Object.hasOwn(claims, this.options.nameClaim)) return claims;
    return { ...await this.#userInfo(document, tokens.accessToken, claims.sub!), ...claims };
  }

  /** Claims that the ID token leaves out (OpenID Connect Core, section 5.4). */
  async #userInfo(document: oauth.AuthorizationServer, token: string | null, sub: string) {
    const { userinfo_endpoint: endpoint } = document;
    if (endpoint === undefined || token === null) return {};
    const how = this.#over(endpoint);
    const response = await oauth.userInfoRequest(document, this.#client, token, how);
    try {
      return await oauth.processUserInfoResponse(document, this.#client, sub, response);
    } catch (cause) {
      throw new OidcRefusal("malformed", `user info: ${messageOf(cause)}`, { cause });
    }
  }

  /** The claims of an ID token for one of `audiences`. */
  async verify(token: string, audiences: readonly string[]): Promise<JWTPayload> {
    if (token.length > JWT_LENGTH_MAX) throw new OidcRefusal("malformed", "the token is too long");
    const header = headerOf(token);
    const { alg = "" } = header;
    if (!(ALGORITHMS as readonly string[]).includes(alg)) {
      throw new OidcRefusal("algorithm", `the token is signed by ${JSON.stringify(alg)}`);
    }
    const keys = await this.#keysFor(header);
    for (const [i, key] of keys.entries()) {
      try {
        return await this.#verifyBy(token, key, audiences);
      } catch (error) {
        const more = error instanceof errors.JWSSignatureVerificationFailed && i + 1 < keys.length;
        if (!more) throw refusalFor(error);
      }
    }
    throw new OidcRefusal("key", `no key of the issuer fits ${alg} and the token's kid`);
  }

  async #verifyBy(token: string, key: JwtKey, audience: readonly string[]): Promise<JWTPayload> {
    const { issuer, leewayMs } = this.options;
    const { payload } = await jwtVerify(token, key.key, {
      algorithms: [key.algorithm],
      issuer,
      audience: [...audience],
      clockTolerance: leewayMs / 1000,
      currentDate: new Date(this.#ports.wallMs()),
      requiredClaims: ["exp", "iat", "sub"],
    });
    if (payload.iat! * 1000 > this.#ports.wallMs() + leewayMs) throw new OidcRefusal("not_yet");
    if (typeof payload.sub !== "string" || payload.sub === "") throw new OidcRefusal("malformed");
    return payload;
  }

  /** A key that is not known is looked for at the issuer, at most once in ten seconds. */
  async #keysFor({ alg, kid }: ProtectedHeaderParameters): Promise<readonly JwtKey[]> {
    const fitting = (keys: readonly JwtKey[]) =>
      keys.filter((k) => k.algorithm === alg && (kid === undefined || k.kid === kid));
    const known = fitting(await this.#keys.get());
    return known.length > 0 ? known : fitting(await this.#keys.renewed());
  }

  #responseOf(
    document: oauth.AuthorizationServer,
    response: URLSearchParams,
    { state }: OidcFlow,
  ): URLSearchParams {
    try {
      return oauth.validateAuthResponse(document, this.#client, response, state);
    } catch (error) {
      if (error instanceof oauth.AuthorizationResponseError) {
        throw new OidcRefusal("denied", `the issuer says ${error.error}`, { cause: error });
      }
      if (response.get("state") !== state) throw new OidcRefusal("state", "", { cause: error });
      const iss = response.get("iss");
      const strange = iss !== null && iss !== this.options.issuer;
      throw new OidcRefusal(strange ? "issuer" : "malformed", messageOf(error), { cause: error });
    }
  }

  async #requestTokens(
    document: oauth.AuthorizationServer,
    parameters: URLSearchParams,
    { redirectUri, verifier }: OidcFlow,
  ): Promise<Response> {
    return await oauth.authorizationCodeGrantRequest(
      document,
      this.#client,
      this.#auth,
      parameters,
      redirectUri,
      verifier,
      this.#over(document.token_endpoint),
    );
  }

  /** Throws the refusal for a response of the token endpoint that has no ID token. */
  async #throwError(
    document: oauth.AuthorizationServer,
    response: Response,
    { nonce }: OidcFlow,
  ): Promise<never> {
    if (response.status >= 500 || response.status === 429) {
      throw new IssuerAway(`the token endpoint responds ${response.status}`);
    }
    try {
      await oauth.processAuthorizationCodeResponse(document, this.#client, response, {
        expectedNonce: nonce,
        requireIdToken: true,
      });
    } catch (error) {
      const code = error instanceof oauth.ResponseBodyError && error.error === "invalid_grant";
      throw new OidcRefusal(code ? "code" : "malformed", messageOf(error), { cause: error });
    }
    throw new OidcRefusal("malformed", "the token endpoint gives no ID token");
  }

  async #discover(): Promise<oauth.AuthorizationServer> {
    const issuer = new URL(this.options.issuer);
    try {
      const response = await oauth.discoveryRequest(issuer, this.#over(this.options.issuer));
      const document = await oauth.processDiscoveryResponse(issuer, response);
      // A document of another issuer would let that one's tokens in.
      if (document.issuer !== this.options.issuer) throw new Error("it is of another issuer");
      return document;
    } catch (cause) {
      throw new IssuerAway(`its discovery document: ${messageOf(cause)}`, { cause });
    }
  }

  async #readKeys(): Promise<readonly JwtKey[]> {
    const { jwks_uri: uri } = await this.#document.get();
    if (uri === undefined || !isSecure(uri)) throw new IssuerAway("it names no keys over https");
    let set: unknown;
    try {
      const headers = { accept: "application/json" };
      const response = await this.#ports.fetch(uri, { method: "GET", headers });
      if (response.status !== 200) throw new Error(`status ${response.status}`);
      set = await response.json();
    } catch (cause) {
      throw new IssuerAway(`its keys: ${messageOf(cause)}`, { cause });
    }
    const keys = await importSet(set);
    if (keys.length === 0) throw new IssuerAway("its keys: none that can be used");
    return keys;
  }

  #over(url: string | undefined) {
    return {
      [oauth.customFetch]: async (url: string, options: IssuerRequest) => {
        try {
          return await this.#ports.fetch(url, options);
        } catch (cause) {
          throw new IssuerAway(messageOf(cause), { cause });
        }
      },
      [oauth.allowInsecureRequests]: url !== undefined && isLoopbackHttp(url),
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Plain HTTP is taken on this machine only: the setting `oidc.issuers` has the same rule. */
function isLoopbackHttp(url: string): boolean {
  return URL.canParse(url) && /^http:\/\/(127\.|\[::1\]|localhost[:/])/.test(new URL(url).href);
}

function isSecure(url: string): boolean {
  return url.startsWith("https:") || isLoopbackHttp(url);
}

async function readCopy(response: Response): Promise<unknown> {
  try {
    return await response.clone().json();
  } catch {
    // What it says instead is for the library to read.
    return null;
  }
}

interface Tokens {
  readonly idToken: string;
  readonly accessToken: string | null;
}

/** null where there is no ID token. */
function tokensOf(body: unknown): Tokens | null {
  const { id_token: idToken, access_token: access } = (body ?? {}) as Record<string, unknown>;
  if (typeof idToken !== "string") return null;
  return { idToken, accessToken: typeof access === "string" ? access : null };
}

function headerOf(token: string): ProtectedHeaderParameters {
  try {
    return decodeProtectedHeader(token);
  } catch (cause) {
    throw new OidcRefusal("malformed", "", { cause });
  }
}

const REASON_OF_CLAIM: Readonly<Record<string, OidcReason>> = {
  aud: "audience",
  iss: "issuer",
  nbf: "not_yet",
};

function refusalFor(error: unknown): unknown {
  if (error instanceof OidcRefusal) return error;
  const refused = (reason: OidcReason) =>
    new OidcRefusal(reason, messageOf(error), { cause: error });
  if (error instanceof errors.JWTExpired) return refused("expired");
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused("signature");
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refused(REASON_OF_CLAIM[error.claim] ?? "malformed");
  }
  // Whatever a library throws at a stranger's text refuses the text.
  return refused("malformed");
}

/** Every key by itself: one that cannot be used does not take the others with it. */
async function importSet(set: unknown): Promise<readonly JwtKey[]> {
  const list = (set as { readonly keys?: unknown } | null)?.keys;
  if (!Array.isArray(list)) throw new IssuerAway("its keys: no JSON Web Key Set");
  const keys: JwtKey[] = [];
  for (const jwk of list.slice(0, KEYS_MAX)) {
    if ((jwk as { readonly kty?: unknown } | null)?.kty === "oct") continue;
    try {
      const text = JSON.stringify({ keys: [jwk] });
      keys.push(...await importKeys({ kind: "jwks", text }, ALGORITHMS));
    } catch (error) {
      if (!(error instanceof JwtConfigError)) throw error;
    }
  }
  return keys;
}
