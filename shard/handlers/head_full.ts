/** The bound on an account's head. */
import type { Account } from "../account/account.ts";
import type { Turn } from "./turn.ts";
import { OTHERS_PART } from "../limits.ts";

/** Whether others have filled their part of an account's head. */
export function headFullForOthers(turn: Turn, account: Account): boolean {
  return account.runtime.headBytes >= turn.limits.headBytesMax * OTHERS_PART;
}

/** Whether the account has as many contacts, blocks and conversations as fit. */
export function headFull(turn: Turn, account: Account): boolean {
  return account.runtime.headBytes >= turn.limits.headBytesMax;
}
