/**
 * Messages to an account with which the sender has no subscription, and which takes messages from
 * contacts only. They wait at the sender for a subscription, whether or not the sender has asked
 * for one yet: nothing of them is stored at the recipient, and the sender sees the same whether the
 * recipient is missing, blocks it, or has not accepted. A subscription in either direction releases
 * them in order. The end of a request, a block, or their age makes them `undelivered`.
 */
import type { Account, WaitingMessage } from "../account/account.ts";
import type { AccountId, AccountName } from "../name/ids.ts";
import type { Ops } from "../ops.ts";
import type { SubscriptionState } from "../roster/subscription.ts";
import type { Turn } from "./turn.ts";
import { fail, type Failure } from "../errors.ts";

/** Why a message that waited was not delivered. */
export const NOT_ACCEPTED = "not_accepted";

/** Whether the account has asked for a subscription that would let it write, without an answer. */
export function awaitsAnswer(account: Account, contact: AccountName): boolean {
  const state = account.roster.get(contact)?.state;
  return state !== undefined && state.pendingOut && state.subscription === "none";
}

/** Whether the account has a subscription with a contact, or has asked for one. */
export function hasAsked(state: SubscriptionState): boolean {
  return state.pendingOut || state.subscription !== "none";
}

function charsOf(m: { readonly body: string; readonly ext: string }): number {
  return m.body.length + m.ext.length + 100;
}

/** Why no more messages can wait for this recipient; null where one can. */
export function waitingFull(
  turn: Turn,
  account: Account,
  input: Ops["message.send"]["in"],
): Failure | null {
  const { waitingMessagesMax, waitingCharsMax, waitingTotalCharsMax } = turn.limits;
  let total = charsOf(input);
  let here = total;
  for (const [to, messages] of account.waiting) {
    const chars = messages.reduce((sum, m) => sum + charsOf(m), 0);
    total += chars;
    if (to === input.to) here += chars;
  }
  const count = account.waiting.get(input.to)?.length ?? 0;
  const fits = count < waitingMessagesMax && here <= waitingCharsMax &&
    total <= waitingTotalCharsMax;
  if (fits) return null;
  return fail("limit_reached", "Cannot send: too many messages wait for a contact to accept");
}

/** Takes a message of the account that waits for a subscription. */
export function sendWaiting(
  turn: Turn,
  account: Account,
  input: Ops["message.send"]["in"],
  toId: AccountId | "",
): Ops["message.send"]["out"] {
  const num = (account.conversations.get(input.to)?.outNum ?? 0) + 1;
  const event = turn.append(account, {
    kind: "sent_waiting",
    to: input.to,
    toId,
    seq: account.mailbox.last + 1,
    at: turn.eventTime(account),
    num,
    id: input.id,
    body: input.body,
    ext: input.ext,
    device: input.device,
  })!;
  turn.push(account, event);
  scheduleExpiry(turn, account);
  return { seq: event.seq, at: event.at, num, waits: true };
}

function drop(turn: Turn, account: Account, contact: AccountName, m: WaitingMessage): void {
  const event = turn.append(account, {
    kind: "waiting_dropped",
    with: contact,
    seq: account.mailbox.last + 1,
    at: turn.eventTime(account),
    num: m.num,
    id: m.id,
    reason: NOT_ACCEPTED,
  })!;
  turn.push(account, event);
}

/** Sends what waits for the account `toId`, in order; what was for another is `undelivered`. */
export function releaseWaiting(
  turn: Turn,
  account: Account,
  contact: AccountName,
  toId: AccountId | "",
): void {
  for (const m of account.waiting.get(contact) ?? []) {
    if (toId === "" || m.toId !== toId) drop(turn, account, contact, m);
  }
  if (toId === "" || !account.waiting.has(contact)) return;
  turn.append(account, { kind: "waiting_released", to: contact, toId });
  turn.sendOwed(account, contact);
}

/**
 * Releases, drops or keeps the messages that wait for `contact`, by the roster as it is now. Call
 * it after every change of the contact or of a block, behind the packets that the change owes.
 * `asked`: the messages rest on a request or subscription, and do not wait beyond its end.
 */
export function settleWaiting(
  turn: Turn,
  account: Account,
  contact: AccountName,
  asked: boolean,
): void {
  if (!account.waiting.has(contact)) return;
  const blocked = account.blocked.has(contact);
  if (awaitsAnswer(account, contact) && !blocked) return;
  const item = account.roster.get(contact);
  const accepted = item !== undefined && item.state.subscription !== "none" && !blocked;
  if (!accepted && !blocked && !asked) return;
  releaseWaiting(turn, account, contact, accepted ? item.peerId : "");
}

/** When the next of the account's messages has waited for too long (wall ms); Infinity: none. */
function expiresAt(turn: Turn, account: Account): number {
  let first = Infinity;
  for (const messages of account.waiting.values()) first = Math.min(first, messages[0]!.at);
  return first + turn.limits.waitingMs;
}

/** Makes `undelivered` what has waited for too long. */
export function expireWaiting(turn: Turn, account: Account): void {
  for (const [contact, messages] of [...account.waiting]) {
    for (const m of messages) {
      if (m.at + turn.limits.waitingMs <= turn.now.wall) drop(turn, account, contact, m);
    }
  }
  scheduleExpiry(turn, account);
}

/** Makes sure that the account's messages do not wait for too long. */
export function scheduleExpiry(turn: Turn, account: Account): void {
  if (account.waiting.size === 0) return;
  turn.scheduleWaiting(account, Math.max(0, expiresAt(turn, account) - turn.now.wall));
}
