/**
 * Passkeys of an account (WebAuthn): what its authenticators sign with. Each is a factor of its own:
 * it signs in alone, or ends a sign-in by password.
 */
import { bool, bytes, list, text, type TypeOf, uint } from "../record/schema.ts";
import { struct } from "../record/struct.ts";

/** Passkeys of one account. */
export const PASSKEYS_MAX = 16;
/** Challenges that an account remembers because they were used and have not expired. */
export const USED_CHALLENGES_MAX = 64;

/** One passkey, as it is stored. */
const PASSKEY = struct({
  /** Credential id, at most 1,023 bytes. */
  id: bytes,
  /** COSE key (RFC 9052). */
  publicKey: bytes,
  /** Signature counter of its last use; 0 where the authenticator does not count. */
  counter: uint,
  name: text,
  /** When it was added, and last used; 0: never (ms). */
  at: uint,
  usedAt: uint,
  /** The domain that it is for. */
  rpId: text,
  /** How browsers reach it, as they said. */
  transports: list(text),
  /** Kept in several places, such as an account of its maker. */
  synced: bool,
});

/** A challenge that was used; until then (ms) it is not taken again. */
const USED_CHALLENGE = struct({ challenge: bytes, until: uint });

/** Lists as records and heads have them. */
export const PASSKEYS = list(PASSKEY);
/** See `PASSKEYS`. */
export const USED_CHALLENGES = list(USED_CHALLENGE);

/** One passkey. */
export type Passkey = TypeOf<typeof PASSKEY>;
/** A challenge that was used. */
export type UsedChallenge = TypeOf<typeof USED_CHALLENGE>;

/** A signature that the node has verified. */
export interface PasskeyProof {
  readonly kind: "passkey";
  /** Credential id. */
  readonly passkey: Uint8Array;
  readonly counter: number;
  readonly synced: boolean;
  /** What was signed, which the account takes once, … */
  readonly challenge: Uint8Array;
  /** … and the node until then (ms). */
  readonly until: number;
}
