/** Refusals of proofs that clients cannot tell apart, and records can. */
import { fail, type Failure } from "../../shard/errors.ts";

const MESSAGE = "The user name or the password is not right.";

/** There is no such account, or it has no password. */
export const NO_ACCOUNT: Failure = fail("unauthorized", MESSAGE);

/** The proof is not that of the account. */
export const WRONG_PROOF: Failure = fail("unauthorized", MESSAGE);

/** Whether a refusal is of an account that exists; responses must never depend on it. */
export function ofAccount(failure: Failure): boolean {
  return failure === WRONG_PROOF;
}
