/** Why a sign-in by an issuer was refused. */
import { fail, type Failure } from "../../shard/errors.ts";

/** Every reason, with what is said of it. */
export const OIDC_REASONS = {
  malformed: "the response or token is not one of OpenID Connect",
  denied: "the issuer did not sign the user in",
  state: "it does not belong to a sign-in that this browser has begun, or that is over",
  code: "the issuer does not take the code (any more)",
  issuer: "the response or token is of another issuer",
  audience: "the token is for another service",
  nonce: "the token belongs to another sign-in",
  expired: "the token has expired",
  not_yet: "the token is not valid yet: compare the clocks",
  algorithm: "the token is signed by an algorithm that is not taken",
  key: "the token is signed by a key that the issuer does not have",
  signature: "the signature of the token is wrong",
} as const;

/** One of them. */
export type OidcReason = keyof typeof OIDC_REASONS;

/** Thrown where a response or token of an issuer proves nothing; `detail` is for the log. */
export class OidcRefusal extends Error {
  override readonly name = "OidcRefusal";
  readonly reason: OidcReason;

  constructor(reason: OidcReason, detail = "", options?: ErrorOptions) {
    super(detail === "" ? OIDC_REASONS[reason] : detail, options);
    this.reason = reason;
  }
}

/** Thrown where the issuer did not respond, or not as one. */
export class IssuerAway extends Error {
  override readonly name = "IssuerAway";
}

const AWAY_RETRY_MS = 5000;

/** What the client gets: never the detail. */
export function refusalOf(error: unknown): Failure {
  if (error instanceof IssuerAway) {
    return fail("unavailable", "The issuer cannot be reached now", AWAY_RETRY_MS);
  }
  if (!(error instanceof OidcRefusal)) throw error;
  const { reason } = error;
  return fail("unauthorized", `Cannot sign in (${reason}): ${OIDC_REASONS[reason]}`);
}
