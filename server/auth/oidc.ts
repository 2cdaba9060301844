/**
 * Sign-in by OpenID Connect: the way of a browser to an issuer and back, and ID tokens that
 * applications pass on. Nothing is kept between the two halves of a way but a cookie, so that any
 * node of the cell finishes what another one began.
 */
import { encodeBase64Url } from "byte-encodings/base64url";
import { decodeJwt, type JWTPayload } from "jose";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import { FlowSeal, type SealedFlow } from "./oidc_flow_seal.ts";
import { identityOf, type Outsider } from "./identity.ts";
import { OidcIssuer, type OidcIssuerOptions, type OidcPorts } from "./oidc_issuer.ts";
import { IssuerAway, OidcRefusal, refusalOf } from "./oidc_refusal.ts";
import { namesOf } from "./oidc_names.ts";
import type { Log, Random } from "../node/ports.ts";

/** What the service needs of the outside. */
export interface OidcDeps extends OidcPorts {
  readonly random: Pick<Random, "bytes">;
  readonly log: Pick<Log, "info">;
  /** Of the cell, at least 16 bytes. */
  readonly serverSecret: Uint8Array;
}

/** A way that has begun. */
export interface BegunFlow {
  /** Where the browser goes. */
  readonly url: string;
  /** Tells the flow from others of the browser. */
  readonly id: string;
  /** For the browser to keep until it returns. */
  readonly sealed: string;
}

/** Who returned, and from which flow. */
export interface ReturnedUser {
  readonly outsider: Outsider;
  /** The same for every end of one flow: it ends once. */
  readonly state: string;
}

/** How long a way may take (ms). */
export const OIDC_FLOW_MS = 600_000;

const SECRET_BYTES = 32;
const RESPONSE_CHARS_MAX = 8192;
const FLOW_ID_CHARS = 12;

/** The id of the flow with this state, as the issuer returns it. */
export function flowId(state: string): string {
  return state.slice(0, FLOW_ID_CHARS);
}

/** See the head of this file. */
export class Oidc {
  readonly #deps: OidcDeps;
  readonly #byId = new Map<string, OidcIssuer>();
  readonly #byIssuer = new Map<string, OidcIssuer>();
  readonly #seal: FlowSeal;

  constructor(issuers: readonly OidcIssuerOptions[], deps: OidcDeps) {
    this.#deps = deps;
    this.#seal = new FlowSeal(deps.serverSecret, (count) => deps.random.bytes(count));
    for (const options of issuers) {
      const issuer = new OidcIssuer(options, deps);
      this.#byId.set(options.id, issuer);
      this.#byIssuer.set(options.issuer, issuer);
    }
  }

  /** For people to choose from. */
  get issuers(): readonly { readonly id: string; readonly name: string }[] {
    return [...this.#byId.values()].map(({ options: { id, name } }) => ({ id, name }));
  }

  /** Whether tokens of this `iss` are checked here. */
  has(issuer: string): boolean {
    return this.#byIssuer.has(issuer);
  }

  /** Begins a way; `not_found` where there is no such issuer. */
  async begin(
    input: { readonly issuer: string; readonly redirectUri: string; readonly page: string },
  ): Promise<Result<BegunFlow>> {
    const issuer = this.#byId.get(input.issuer);
    if (issuer === undefined) return fail("not_found", "There is no such issuer here");
    const flow: SealedFlow = {
      ...input,
      state: this.#secret(),
      nonce: this.#secret(),
      verifier: this.#secret(),
    };
    try {
      const url = await issuer.authorizationUrl(flow);
      const sealed = await this.#seal.seal(flow, this.#deps.wallMs() + OIDC_FLOW_MS);
      return ok({ url, id: flowId(flow.state), sealed });
    } catch (error) {
      return this.#refused(error, issuer.options.id, null);
    }
  }

  /** The page of a flow, where its browser has kept it; "" is the chat. */
  async pageOf(sealed: string | null): Promise<string> {
    if (sealed === null) return "";
    return (await this.#seal.open(sealed, this.#deps.wallMs()))?.page ?? "";
  }

  /** Who returned with `response`, the query of the redirect; `sealed` is what the browser kept. */
  async finish(
    response: string,
    sealed: string | null,
    address: string,
  ): Promise<Result<ReturnedUser>> {
    const flow = sealed === null ? null : await this.#seal.open(sealed, this.#deps.wallMs());
    const issuer = flow === null ? undefined : this.#byId.get(flow.issuer);
    try {
      if (flow === null || issuer === undefined || response.length > RESPONSE_CHARS_MAX) {
        throw new OidcRefusal("state", "no flow of this browser");
      }
      const claims = await issuer.redeem(new URLSearchParams(response), flow);
      return ok({ outsider: outsiderOf(claims, issuer.options), state: flow.state });
    } catch (error) {
      return this.#refused(error, flow?.issuer ?? null, address);
    }
  }

  /** Whose an ID token is that an application passes on, and when it ends (ms since 1970). */
  async bearer(
    token: string,
    address: string,
  ): Promise<Result<{ readonly outsider: Outsider; readonly expiresAt: number }>> {
    // Not verified yet: it only chooses whose keys must have signed.
    const issuer = this.#byIssuer.get(issuerIn(token) ?? "");
    if (issuer === undefined) return refusalOf(new OidcRefusal("issuer"));
    const { id, clientId, audiences, leewayMs } = issuer.options;
    try {
      const claims = await issuer.verify(token, [clientId, ...audiences]);
      const expiresAt = Math.floor(claims.exp! * 1000) + leewayMs;
      return ok({ outsider: outsiderOf(claims, issuer.options), expiresAt });
    } catch (error) {
      return this.#refused(error, id, address);
    }
  }

  #secret(): string {
    return encodeBase64Url(this.#deps.random.bytes(SECRET_BYTES));
  }

  #refused(error: unknown, issuer: string | null, address: string | null): Failure {
    const known = error instanceof OidcRefusal || error instanceof IssuerAway;
    if (!known) throw error;
    const reason = error instanceof OidcRefusal ? error.reason : "away";
    const told = { method: "oidc", issuer, address, reason, why: error.message };
    this.#deps.log.info("sign_in_refused", told);
    return refusalOf(error);
  }
}

/** The issuer that a token says it is of; null where it is no token. */
export function issuerIn(token: string): string | null {
  try {
    return decodeJwt(token).iss ?? null;
  } catch {
    // The verifier refuses what it is instead.
    return null;
  }
}

function outsiderOf(claims: JWTPayload, options: OidcIssuerOptions): Outsider {
  return {
    identity: identityOf(options.issuer, claims.sub!),
    names: namesOf(claims, options.nameClaim, options.names),
    creates: options.createAccounts,
    links: options.linkAccounts,
    by: options.id,
  };
}
