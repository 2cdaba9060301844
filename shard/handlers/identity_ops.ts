/**
 * Outside identities of an account: who of an issuer or a directory signs in to it. The account is
 * what decides: it keeps them with itself, so that they move and end with it.
 */
import type { AccountId } from "../name/ids.ts";
import type { Handler } from "./turn.ts";
import { fail, ok } from "../errors.ts";

/** Outside identities of one account. */
export const IDENTITIES_MAX = 16;

/** Closed names too, so that they are not taken for free ones. */
export const identifyAccount: Handler<"account.identify"> = (_turn, account, { identity }) => {
  if (account.state === "absent") return ok(null);
  return ok({
    id: account.id as AccountId,
    active: account.active,
    linked: account.alive && account.identities.includes(identity),
    outside: account.identities.length > 0,
  });
};

/** Again is no error, so that a repetition goes on. */
export const linkIdentity: Handler<"account.link"> = (turn, account, input) => {
  const { identity, id, alone } = input;
  if (!account.active || account.id !== id) {
    return fail("conflict", "Cannot link: the name is not that account's any more");
  }
  if (account.identities.includes(identity)) return ok(null);
  if (alone && account.identities.length > 0) {
    return fail("conflict", "Cannot link: another identity signs in to this account");
  }
  if (account.identities.length >= IDENTITIES_MAX) {
    return fail("limit_reached", `Cannot link: ${IDENTITIES_MAX} identities sign in to it already`);
  }
  turn.append(account, { kind: "identity_linked", identity });
  return ok(null);
};
