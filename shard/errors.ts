/**
 * The one closed list of errors a client can be answered with. Each is a returned value, never an
 * exception; the codes are part of protocol v1 and never change their meaning.
 */

/** Every code, with what it tells the client to do. */
export const ERROR_CODES = {
  bad_request: "The request is malformed; do not repeat it unchanged.",
  unsupported: "The protocol version or the feature is not known here.",
  unauthorized: "Sign in (again): the credentials, token or session are not accepted.",
  second_factor_required: "The password is right; the account wants a second factor too.",
  forbidden: "Signed in, but this is not allowed.",
  not_found: "There is no such thing, or none that you may know of.",
  conflict: "It exists already, or the state does not allow it.",
  too_large: "Over a size limit; the message names the limit.",
  limit_reached: "Over a count limit (sessions, roster, pending requests, quota).",
  rate_limited: "Too many requests; wait retryAfterMs.",
  busy: "The server sheds load; wait retryAfterMs and try again.",
  unavailable: "Nothing is known to have happened; repeat with the same idempotency key.",
  moved: "The account is at home in another cell: sign in at one of `servers`.",
  reset: "The cursor is not one this mailbox can continue from; take a snapshot.",
} as const;

/** A code of the closed list. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What a sign-in needs whose password is right. */
export interface SecondFactorAsked {
  /** Goes on with the sign-in, for some minutes. */
  readonly exchange: string;
  /** What the account has. */
  readonly methods: readonly ("passkey" | "totp" | "recovery")[];
  /** SCRAM's server-final message, where the password was proved by SCRAM. */
  readonly scram?: string;
}

/** A client fault or a refusal. */
export interface Failure {
  readonly ok: false;
  readonly code: ErrorCode;
  /** One sentence: action, actual, wanted. Never contains bodies, passwords or tokens. */
  readonly message: string;
  /** Milliseconds after which a repetition makes sense; absent where it never does. */
  readonly retryAfterMs?: number;
  /** Of `moved`, and of `unavailable` where its servers are not known: the name of the cell, … */
  readonly cell?: string;
  /** … and the addresses of its servers, where they are known. */
  readonly servers?: readonly string[];
  /** Of `second_factor_required` at a sign-in: what to go on with. */
  readonly second?: SecondFactorAsked;
}

/** A value or a refusal. */
export type Result<T> = { readonly ok: true; readonly value: T } | Failure;

/** Wraps a value. */
export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** Makes a refusal. */
export function fail(code: ErrorCode, message: string, retryAfterMs?: number): Failure {
  return retryAfterMs === undefined
    ? { ok: false, code, message }
    : { ok: false, code, message, retryAfterMs };
}
