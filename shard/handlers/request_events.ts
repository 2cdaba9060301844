/**
 * When the owner's devices learn of a request: an event of the mailbox says so, but only once there
 * is a device to learn of it. A request that is taken back before leaves no event. One peer gets few
 * events at once: asking and taking it back, over and over, must not fill the mailbox.
 */
import type { Account } from "../account/account.ts";
import type { AccountName } from "../name/ids.ts";
import type { RosterItem } from "../roster/roster.ts";
import type { Turn } from "./turn.ts";
import { takeTokens, waitForTokens } from "../token_bucket.ts";

/** Pairs whose allowance is known; that of the oldest is full again beyond that. */
const PAIRS_MAX = 10_000;

/** How often requests of single peers may have events, by account and peer. */
export class RequestAllowances {
  /** Monotonic time at which the allowance of a pair is full again. */
  readonly #fullAtMs = new Map<string, number>();

  /** Takes one from the allowance of the pair and returns 0, or the time to wait for it (ms). */
  take(turn: Turn, account: Account, peer: AccountName): number {
    const { requestEventMs: tokenMs, requestEventBurst: burst } = turn.limits;
    const rate = { tokenMs, burst };
    const key = `${account.id} ${peer}`;
    const fullAtMs = this.#fullAtMs.get(key) ?? 0;
    const waitMs = waitForTokens(rate, fullAtMs, turn.now.mono, 1);
    if (waitMs > 0) return waitMs;
    this.#fullAtMs.delete(key);
    this.#fullAtMs.set(key, takeTokens(rate, fullAtMs, turn.now.mono, 1));
    for (const oldest of this.#fullAtMs.keys()) {
      if (this.#fullAtMs.size <= PAIRS_MAX) break;
      this.#fullAtMs.delete(oldest);
    }
    return 0;
  }
}

/** Whether the request that `peer` has just made is to have its event at once. */
export function announcesRequest(turn: Turn, account: Account, peer: AccountName): boolean {
  // It is not shown, and has its event at the end of the block.
  if (account.blocked.has(peer)) return true;
  if (turn.presence.sessions(account.name).length === 0) return false;
  const waitMs = turn.requestAllowances.take(turn, account, peer);
  if (waitMs > 0) turn.scheduleRequests(account, waitMs);
  return waitMs === 0;
}

/**
 * A device is about to look: the requests among `contacts` that have no event get one, as far as the
 * allowance of their peers goes. Returns whether any has.
 */
export function announceRequests(
  turn: Turn,
  account: Account,
  contacts: readonly RosterItem[],
): boolean {
  if (!turn.writable || account.withheldRequests === 0) return false;
  let any = false;
  for (const item of contacts) {
    if (!item.withheld || account.blocked.has(item.contact)) continue;
    const waitMs = turn.requestAllowances.take(turn, account, item.contact);
    if (waitMs > 0) {
      turn.scheduleRequests(account, waitMs);
      continue;
    }
    turn.append(account, { kind: "roster", item: { ...item, withheld: false } });
    turn.event(account, { kind: "request", from: item.contact, pending: true });
    any = true;
  }
  return any;
}
