/**
 * Own requests that wait for an answer are sent again, once a day when the user signs in (RFC 6121
 * section 3.1.2 recommends it). A request that its recipient had no room for was dropped, and nobody
 * may notice that: the next one arrives once there is room. For a recipient that has the request, a
 * repetition changes nothing.
 */
import type { Account } from "../account/account.ts";
import type { RosterItem } from "../roster/roster.ts";
import type { Turn } from "./turn.ts";
import { oweSubscription } from "./subscription_packets.ts";
import { spreadOf } from "../retry.ts";

const DAY_MS = 86_400_000;
/** Requests that one account repeats in a day; those of the next day are the next ones. */
export const REPEATED_MAX = 20;

/** The day of a wall time; its first moment differs from account to account. */
function dayOf(account: Account, wallMs: number): number {
  return Math.floor(wallMs / DAY_MS + spreadOf(account.name, 0));
}

/** When a session of the account ended last, as far as that is stored (wall time, ms). */
function lastUsedMs(account: Account): number {
  return account.devices.reduce((ms, { usedAt }) => Math.max(ms, usedAt), account.lastSeen);
}

/** A device signs in: sends the requests among `contacts` again, unless that was done this day. */
export function repeatRequests(
  turn: Turn,
  account: Account,
  contacts: readonly RosterItem[],
): void {
  const today = dayOf(account, turn.now.wall);
  if (!turn.writable || account.runtime.repeatedDay >= today) return;
  account.runtime.repeatedDay = today;
  if (dayOf(account, lastUsedMs(account)) >= today) return;
  const waiting = contacts.filter(({ contact, peerId, state }) => {
    // A packet in the outbox is sent again anyway.
    return state.pendingOut && peerId !== "" && !account.blocked.has(contact) &&
      account.outbox.get(contact) === undefined;
  });
  const from = today * REPEATED_MAX;
  for (let i = 0; i < Math.min(waiting.length, REPEATED_MAX); i++) {
    const { contact, peerId } = waiting[(from + i) % waiting.length]!;
    if (peerId !== "") oweSubscription(turn, account, contact, peerId, "subscribe");
  }
}
