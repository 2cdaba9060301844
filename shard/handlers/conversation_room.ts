/**
 * How many conversations an account can hold. Others may begin so many, and the account itself as
 * many more: nobody else can take the room for its own contacts.
 */
import type { Account } from "../account/account.ts";
import type { Turn } from "./turn.ts";
import { conversationsTotalMax } from "../limits.ts";
import { headFull, headFullForOthers } from "./head_full.ts";
import { forgetSettled } from "./settled_pairs.ts";
import { fail, type Failure } from "../errors.ts";

/** Whether messages of others may begin no more conversations. */
export function isFullForOthers(turn: Turn, account: Account): boolean {
  return account.conversations.size >= turn.limits.conversationsMax ||
    headFullForOthers(turn, account);
}

/**
 * Whether the account itself may begin no more. A request of a stranger counts as its own: of those
 * few are pending, and one that is taken back or denied leaves nothing.
 */
export function isFullForOwner(turn: Turn, account: Account): boolean {
  return account.conversations.size >= conversationsTotalMax(turn.limits) ||
    headFull(turn, account);
}

/** Why the account can begin no conversation with `peer`; null where it can. */
export function cannotBegin(
  turn: Turn,
  account: Account,
  peer: Account["name"],
  what: string,
): Failure | null {
  if (account.conversations.has(peer) || !isFullForOwner(turn, account)) return null;
  const soon = forgetSettled(turn, account);
  if (!isFullForOwner(turn, account)) return null;
  const text = `Cannot ${what}: the account has all the conversations it can hold`;
  return soon ? fail("limit_reached", text, 1000) : fail("limit_reached", text);
}
