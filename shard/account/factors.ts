/**
 * Second factors of an account: what a user proves besides the password. They are kept with the
 * account, so that they move and end with it, and so that what may be used once is used up by the
 * same commit that signs a device in, whatever node the user asks.
 */
import { bytes, list, optional, type TypeOf, uint } from "../record/schema.ts";
import { struct } from "../record/struct.ts";

/** An authenticator app (RFC 6238). */
const TOTP = struct({
  secret: bytes,
  /** When it was set up (ms). */
  at: uint,
  /** The last step of 30 s whose code was used: codes of it and of earlier ones are refused. */
  lastStep: uint,
});

/** The stored form; fields are only ever appended, as `later`. */
export const FACTORS = struct({
  totp: optional("totp", TOTP),
  /** SHA-256 of the recovery codes that were not used. */
  recovery: list(bytes),
});

/** Second factors of one account. */
export type Factors = TypeOf<typeof FACTORS>;

/** What was proved, as the node has checked it; the account decides whether it was used before. */
export type FactorProof =
  | { readonly kind: "totp"; readonly step: number }
  | { readonly kind: "recovery"; readonly hash: Uint8Array };

/** A change of them. Removing the last factor removes the recovery codes too. */
export type FactorChange =
  | {
    readonly kind: "totp_added";
    readonly secret: Uint8Array;
    /** Of the code that confirms it. */
    readonly step: number;
    readonly recovery: readonly Uint8Array[];
  }
  | { readonly kind: "totp_removed" }
  | { readonly kind: "recovery_made"; readonly recovery: readonly Uint8Array[] };

const NONE: Factors = { totp: null, recovery: [] };

/** As records have them: an account without factors has empty ones. */
export function stored(factors: Factors | null): Factors {
  return factors ?? NONE;
}

/** The reverse of `stored`. */
export function ofStored(factors: Factors): Factors | null {
  return factors.totp === null ? null : factors;
}
