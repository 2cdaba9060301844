/** What second factors an account accepts, and how they change. */
import { fail, type Failure, ok, type Result } from "../errors.ts";
import { type FactorChange, type FactorProof, type Factors, stored } from "../account/factors.ts";

const USED = fail("unauthorized", "This code was used already: wait for the next one");
const NOT_RIGHT = fail("unauthorized", "The code is not right, or was used already");

/** The refusal of a sign-in, or a change, that lacks its second factor. */
export const SECOND_FACTOR_REQUIRED: Failure = fail(
  "second_factor_required",
  "A second factor is needed: a code of the authenticator app, or a recovery code",
);

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The factors once `proof` is used up; `unauthorized` where it was used before or is of none. */
export function useFactor(factors: Factors, proof: FactorProof): Result<Factors> {
  if (proof.kind === "totp") {
    const { totp } = factors;
    if (totp === null) return NOT_RIGHT;
    if (proof.step <= totp.lastStep) return USED;
    return ok({ ...factors, totp: { ...totp, lastStep: proof.step } });
  }
  const recovery = factors.recovery.filter((hash) => !equal(hash, proof.hash));
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
      return ok(null);
    case "recovery_made":
      if (factors === null) return fail("not_found", "There is no second factor to recover");
      return ok({ ...factors, recovery: change.recovery });
  }
}
