/**
 * How answers to subscription requests find the request that they are for. A user may take a request
 * back and make another one while the answer to the first is under way: the recipient takes the
 * second for a new request, so the answer to the first must not settle it. A request is known by the
 * number of its packet; an answer carries the number of the last packet that its sender has taken.
 */
import type { Account } from "../account/account.ts";
import type { AccountId, AccountName } from "../name/ids.ts";
import type { RosterItem } from "../roster/roster.ts";
import type { SubscriptionType } from "../roster/subscription.ts";
import type { Turn } from "./turn.ts";

/**
 * The number of the next packet to the name. A request that goes to nobody has it too: no answer of a
 * former account of the name, which may still be under way, is for it.
 */
export function requestNumber(account: Account, to: AccountName): number {
  return (account.conversations.get(to)?.pairOut ?? account.pairOutFloor) + 1;
}

/** Sends the account `toId` a subscription packet. */
export function oweSubscription(
  turn: Turn,
  account: Account,
  to: AccountName,
  toId: AccountId,
  type: SubscriptionType,
): void {
  const c = account.conversations.get(to);
  const answers = type === "subscribed" || type === "unsubscribed";
  const seen = answers && c?.inId === toId ? c.pairIn : 0;
  turn.owe(account, to, toId, { kind: "subscription", type, seen });
}

/**
 * Whether a packet answers an earlier request than the one that waits in `item`. Answers without a
 * number, of earlier versions, are taken for answers to that one.
 */
export function answersEarlier(item: RosterItem, type: SubscriptionType, seen: number): boolean {
  if (type !== "subscribed" && type !== "unsubscribed") return false;
  return item.state.pendingOut && seen > 0 && seen < item.asked;
}
