/** Operations on the second factors of an account, see `account/factors.ts`. */
import type { AccountId } from "../name/ids.ts";
import { changeFactors, SECOND_FACTOR_REQUIRED, useFactor } from "./factor_rules.ts";
import { type FactorProof, type Factors, stored } from "../account/factors.ts";
import { fail, ok, type Result } from "../errors.ts";
import type { Handler } from "./turn.ts";
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

/** The factors once the proof of one is used up; those of an account without any are null. */
export function provedBy(
  factors: Factors | null,
  proof: FactorProof | null,
): Result<Factors | null> {
  if (factors === null) return ok(null);
  return proof === null ? SECOND_FACTOR_REQUIRED : useFactor(factors, proof);
}

/** The proof is used up by the same record. */
export const setFactors: Handler<"account.setFactors"> = (turn, account, input) => {
  if (!account.active || account.id !== input.id) return NO_ACCOUNT;
  const proved = provedBy(account.factors, input.proof);
  if (!proved.ok) return proved;
  const changed = changeFactors(proved.value, input.change, turn.now.wall);
  if (!changed.ok) return changed;
  turn.append(account, { kind: "factors", factors: stored(changed.value) });
  return ok(null);
};

/** For operators. Again is no error. */
export const clearFactors: Handler<"account.clearFactors"> = (turn, account) => {
  if (!account.alive) return NO_ACCOUNT;
  const had = account.factors !== null;
  if (had) turn.append(account, { kind: "factors", factors: stored(null) });
  return ok({ had });
};
