/**
 * Factors of an account: what a user proves besides the password, or in its place. They are kept with the
 * account, so that they move and end with it, and so that what may be used once is used up by the
 * same commit that signs a device in, whatever node the user asks.
 */
import { bytes, list, optional, type TypeOf, uint } from "../record/schema.ts";
import { struct } from "../record/struct.ts";
import type { Passkey, PasskeyProof, UsedChallenge } from "./passkeys.ts";

/** An authenticator app (RFC 6238). */
const TOTP = struct({
  secret: bytes,
  /** When it was set up (ms). */
  at: uint,
  /** The last step of 30 s whose code was used: codes of it and of earlier ones are refused. */
  lastStep: uint,
});

/** The stored form of all but passkeys, which have records of their own. */
export const FACTORS = struct({
  totp: optional("totp", TOTP),
  /** SHA-256 of the recovery codes that were not used. */
  recovery: list(bytes),
});

/** Factors of one account. */
export interface Factors extends TypeOf<typeof FACTORS> {
  readonly passkeys: readonly Passkey[];
  /** What their signatures were over, and is not signed again. */
  readonly used: readonly UsedChallenge[];
}

/** What was proved, as the node has checked it; the account decides whether it was used before. */
export type FactorProof =
  | { readonly kind: "totp"; readonly step: number }
  | { readonly kind: "recovery"; readonly hash: Uint8Array }
  | PasskeyProof;

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
  | {
    readonly kind: "passkey_added";
    readonly passkey: Passkey;
    /** Taken where the account had no factor. */
    readonly recovery: readonly Uint8Array[];
  }
  /** Needs no proof. */
  | { readonly kind: "passkey_named"; readonly passkey: Uint8Array; readonly name: string }
  | { readonly kind: "passkey_removed"; readonly passkey: Uint8Array }
  | { readonly kind: "recovery_made"; readonly recovery: readonly Uint8Array[] };

/** Whether both are the same; takes longer the more they begin alike. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const NONE: Factors = { totp: null, recovery: [], passkeys: [], used: [] };

/** As records have them: an account without factors has empty ones. */
export function stored(factors: Factors | null): Factors {
  return factors ?? NONE;
}

/** The reverse of `stored`. */
export function ofStored(factors: Factors): Factors | null {
  return factors.totp === null && factors.passkeys.length === 0 ? null : factors;
}
