/** What signatures of passkeys an account accepts, and how its passkeys change. */
import { fail, ok, type Result } from "../errors.ts";
import { equalBytes, type FactorChange, type Factors } from "../account/factors.ts";
import { type Passkey, type PasskeyProof, PASSKEYS_MAX } from "../account/passkeys.ts";
import { USED_CHALLENGES_MAX } from "../account/passkeys.ts";

/** Refusals name their reason in parentheses, for programs. */
export const NO_PASSKEY = fail(
  "unauthorized",
  "Cannot sign in (passkey): it is none of the account",
);
const USED = fail("unauthorized", "Cannot sign in (challenge): it was used already: begin again");
const WENT_BACK = fail(
  "unauthorized",
  "Cannot sign in (counter): the passkey's counter went back, so there may be a copy of it",
);
const NO_SUCH = fail("not_found", "There is no such passkey");

/**
 * The factors once a signature is used up. Refuses one over a challenge that was used, and one whose
 * counter is not above that of the use before (WebAuthn section 6.1.1), where the authenticator counts.
 */
export function usePasskey(factors: Factors, proof: PasskeyProof, now: number): Result<Factors> {
  const passkey = factors.passkeys.find(({ id }) => equalBytes(id, proof.passkey));
  if (passkey === undefined) return NO_PASSKEY;
  const used = factors.used.filter(({ until }) => until > now);
  const { challenge, counter, synced, until } = proof;
  if (used.some((each) => equalBytes(each.challenge, challenge))) return USED;
  if (used.length >= USED_CHALLENGES_MAX) {
    const waitMs = Math.min(...used.map((each) => each.until)) - now;
    return fail("rate_limited", "Too many sign-ins with passkeys: wait", waitMs);
  }
  const counts = counter > 0 || passkey.counter > 0;
  if (counts && counter <= passkey.counter) return WENT_BACK;
  const passkeys = factors.passkeys.map((each) =>
    each === passkey ? { ...each, counter, synced, usedAt: now } : each
  );
  return ok({ ...factors, passkeys, used: [...used, { challenge, until }] });
}

/** The factors with one more passkey. */
export function addPasskey(
  factors: Factors,
  { passkey, recovery }: FactorChange & { readonly kind: "passkey_added" },
): Result<Factors> {
  const { passkeys, totp } = factors;
  if (passkeys.some(({ id }) => equalBytes(id, passkey.id))) {
    return fail("conflict", "The account has this passkey already");
  }
  if (passkeys.length >= PASSKEYS_MAX) {
    return fail("limit_reached", `Cannot add: an account has at most ${PASSKEYS_MAX} passkeys`);
  }
  const first = totp === null && passkeys.length === 0;
  const codes = first ? recovery : factors.recovery;
  return ok({ ...factors, passkeys: [...passkeys, passkey], recovery: codes });
}

/** The factors with another name of a passkey. */
export function namePasskey(factors: Factors, id: Uint8Array, name: string): Result<Factors> {
  const rename = (each: Passkey) => equalBytes(each.id, id) ? { ...each, name } : each;
  if (!factors.passkeys.some((each) => equalBytes(each.id, id))) return NO_SUCH;
  return ok({ ...factors, passkeys: factors.passkeys.map(rename) });
}

/** The factors without a passkey. */
export function removePasskey(factors: Factors, id: Uint8Array): Result<Factors> {
  const passkeys = factors.passkeys.filter((each) => !equalBytes(each.id, id));
  return passkeys.length === factors.passkeys.length ? NO_SUCH : ok({ ...factors, passkeys });
}
