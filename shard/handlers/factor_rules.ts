/** What second factors an account accepts, and how they change. */
import { fail, type Failure, ok, type Result } from "../errors.ts";
import { addPasskey, namePasskey, removePasskey, usePasskey } from "./passkey_rules.ts";
import {
  equalBytes,
  type FactorChange,
  type FactorProof,
  type Factors,
  ofStored,
  stored,
} from "../account/factors.ts";

const USED = fail("unauthorized", "This code was used already: wait for the next one");
const NOT_RIGHT = fail("unauthorized", "The code is not right, or was used already");

/** The refusal of a sign-in, or a change, that lacks its second factor. */
export const SECOND_FACTOR_REQUIRED: Failure = fail(
  "second_factor_required",
  "A second factor is needed: a code of the authenticator app, a passkey, or a recovery code",
);

/**
 * The factors once `proof` is used up at `now` (ms); `unauthorized` where it was used before or is of
 * none.
 */
export function useFactor(factors: Factors, proof: FactorProof, now: number): Result<Factors> {
  if (proof.kind === "passkey") return usePasskey(factors, proof, now);
  if (proof.kind === "totp") {
    const { totp } = factors;
    if (totp === null) return NOT_RIGHT;
    if (proof.step <= totp.lastStep) return USED;
    return ok({ ...factors, totp: { ...totp, lastStep: proof.step } });
  }
  const recovery = factors.recovery.filter((hash) => !equalBytes(hash, proof.hash));
  return recovery.length === factors.recovery.length ? USED : ok({ ...factors, recovery });
}

/** The factors after a change at `now` (ms); null: none is left. */
export function changeFactors(
  factors: Factors | null,
  change: FactorChange,
  now: number,
): Result<Factors | null> {
  switch (change.kind) {
    case "totp_added": {
      if (factors !== null && factors.totp !== null) {
        return fail("conflict", "An authenticator app is set up already: remove it first");
      }
      const totp = { secret: change.secret, at: now, lastStep: change.step };
      return ok({ ...stored(factors), totp, recovery: change.recovery });
    }
    case "totp_removed":
      if (factors === null || factors.totp === null) {
        return fail("not_found", "No authenticator app is set up");
      }
      return ok(ofStored({ ...factors, totp: null }));
    case "recovery_made":
      if (factors === null) return fail("not_found", "There is no second factor to recover");
      return ok({ ...factors, recovery: change.recovery });
    case "passkey_added":
      return addPasskey(stored(factors), change);
    case "passkey_named":
      return namePasskey(stored(factors), change.passkey, change.name);
    case "passkey_removed": {
      const removed = removePasskey(stored(factors), change.passkey);
      return removed.ok ? ok(ofStored(removed.value)) : removed;
    }
  }
}
