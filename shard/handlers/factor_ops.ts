/** Operations on the second factors of an account, see `account/factors.ts`. */
import type { AccountId } from "../name/ids.ts";
import { changeFactors, SECOND_FACTOR_REQUIRED, useFactor } from "./factor_rules.ts";
import { type FactorChange, type FactorProof, type Factors, stored } from "../account/factors.ts";
import { fail, ok, type Result } from "../errors.ts";
import { NO_PASSKEY } from "./passkey_rules.ts";
import type { Account } from "../account/account.ts";
import type { Handler, Turn } from "./turn.ts";
import { knowsPlace } from "../account/known_places.ts";

const NO_ACCOUNT = fail("not_found", "There is no such account");

/** For the node, which checks what a user proves; null where nobody can sign in. */
export const getFactors: Handler<"account.factors"> = (_turn, account, { device, place }) => {
  if (!account.active) return ok(null);
  const { credentials, factors } = account;
  const found = account.devices.find((d) => d.device === device);
  return ok({
    id: account.id as AccountId,
    credentials,
    factors,
    deviceAt: found?.createdAt ?? null,
    known: place !== undefined && knowsPlace(account.knownPlaces, place),
  });
};

/**
 * The factors once the proof of one is used up at `now` (ms); those of an account without any are
 * null. A passkey may be all that was proved: without it nothing was.
 */
export function provedBy(
  factors: Factors | null,
  proof: FactorProof | null,
  now: number,
): Result<Factors | null> {
  if (factors === null) return proof?.kind === "passkey" ? NO_PASSKEY : ok(null);
  return proof === null ? SECOND_FACTOR_REQUIRED : useFactor(factors, proof, now);
}

/** The factors after a change at `now` (ms), once what it needs is proved. A name needs nothing. */
export function changedBy(
  factors: Factors | null,
  change: FactorChange,
  proof: FactorProof | null,
  now: number,
): Result<Factors | null> {
  const proved = change.kind === "passkey_named" ? ok(factors) : provedBy(factors, proof, now);
  return proved.ok ? changeFactors(proved.value, change, now) : proved;
}

/** Appends what makes `factors` those of the account. */
export function setFactorsOf(turn: Turn, account: Account, factors: Factors | null): void {
  const [before, after] = [stored(account.factors), stored(factors)];
  const { totp, recovery, passkeys, used } = after;
  // First: without an app and passkeys an account has no recovery codes.
  if (passkeys !== before.passkeys || used !== before.used) {
    turn.append(account, { kind: "passkeys", passkeys, used });
  }
  if (totp !== before.totp || recovery !== before.recovery) {
    turn.append(account, { kind: "factors", factors: { totp, recovery } });
  }
}

const LAST_WAY = fail(
  "conflict",
  "Cannot remove: the account has no password, and no other passkey to sign in with",
);

/** Whether nobody could sign in any more: by a password, at an issuer or with a passkey. */
function isLocked({ credentials, identities }: Account, factors: Factors | null): boolean {
  return credentials === null && identities.length === 0 && stored(factors).passkeys.length === 0;
}

/** The proof is used up by the same record. */
export const setFactors: Handler<"account.setFactors"> = (turn, account, input) => {
  if (!account.active || account.id !== input.id) return NO_ACCOUNT;
  const { change, proof } = input;
  const now = turn.now.wall;
  const changed = changedBy(account.factors, change, proof, now);
  if (!changed.ok) return changed;
  if (change.kind === "passkey_removed" && isLocked(account, changed.value)) return LAST_WAY;
  setFactorsOf(turn, account, changed.value);
  return ok(null);
};

/** For operators. Again is no error. */
export const clearFactors: Handler<"account.clearFactors"> = (turn, account) => {
  if (!account.alive) return NO_ACCOUNT;
  const had = account.factors !== null;
  if (had) setFactorsOf(turn, account, null);
  return ok({ had });
};
