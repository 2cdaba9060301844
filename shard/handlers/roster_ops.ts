/** Operations on the roster: contacts, subscriptions, blocks, settings (RFC 6121 sections 2, 3). */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { Account, Block } from "../account/account.ts";
import type { Handler, Turn } from "./turn.ts";
import type { RosterItem } from "../roster/roster.ts";
import type { Inbound, SubscriptionState, SubscriptionType } from "../roster/subscription.ts";
import {
  hasFrom,
  hasTo,
  inbound,
  NO_SUBSCRIPTION,
  outbound,
  remove as removalStanzas,
} from "../roster/subscription.ts";
import { fail, ok } from "../errors.ts";
import { announceRequests, announcesRequest } from "./request_events.ts";
import { cannotBegin } from "./conversation_room.ts";
import { headFull } from "./head_full.ts";
import { noteOwed } from "./receipts.ts";
import { lastSeenNow } from "./last_seen.ts";
import { oweSubscription, requestNumber } from "./subscription_packets.ts";
import { revokeWatcher } from "./account_ops.ts";
import { hasAsked, settleWaiting } from "./waiting_messages.ts";
import { takeTokens, waitForTokens } from "../token_bucket.ts";
import { rosterView, seenByOwner, seesOwner, showsSame } from "../roster/roster.ts";

const NOT_ACTIVE = fail("unauthorized", "The account cannot be used (any more)");

/** The item of a contact as stored, or an empty one. */
export function itemOf(account: Account, contact: AccountName): RosterItem {
  return account.roster.get(contact) ?? {
    contact,
    peerId: "",
    label: "",
    groups: [],
    state: NO_SUBSCRIPTION,
    listed: false,
    asked: 0,
    withheld: false,
  };
}

/**
 * The state of an item towards the account `peerId`: nothing of it was for another account of the
 * name, and an approval that was given while nobody had the name is not for the next account of the
 * name.
 */
export function stateTowards(item: RosterItem, peerId: AccountId | ""): SubscriptionState {
  if (item.peerId === peerId) return item.state;
  if (item.peerId !== "") return NO_SUBSCRIPTION;
  return item.state.approved ? { ...item.state, approved: false } : item.state;
}

/**
 * What a subscription packet of `from` changes. A blocked one gets no replies, and its request is
 * kept without being shown until it is unblocked: so the two rosters agree, whatever becomes of the
 * block, and nothing discloses it.
 */
export function inboundFrom(
  account: Account,
  from: Account["name"],
  state: SubscriptionState,
  type: SubscriptionType,
): Inbound {
  if (type !== "subscribe" || !account.blocked.has(from)) return inbound(state, type);
  if (hasFrom(state) || state.pendingIn) {
    return { state, deliver: false, reply: null, changed: false };
  }
  const asked = { ...state, pendingIn: true, approved: false };
  return { state: asked, deliver: false, reply: null, changed: true };
}

function isEmpty(state: SubscriptionState): boolean {
  return state.subscription === "none" && !state.pendingIn && !state.pendingOut &&
    !state.approved;
}

/** The account's own sessions may see `item`'s contact now. */
export function watchContact(turn: Turn, account: Account, item: RosterItem): void {
  if (item.peerId === "" || account.blocked.has(item.contact)) return;
  const sessions = turn.presence.sessions(account.name);
  for (const node of new Set(sessions.map((s) => s.node))) {
    turn.emit(account, {
      kind: "edge",
      node,
      packet: {
        kind: "watch",
        sessions: sessions.filter((s) => s.node === node).map((s) => s.session),
        target: { name: item.contact, id: item.peerId },
      },
    });
  }
}

/** The account's own sessions may not see the contact any more. */
export function unwatchContact(turn: Turn, account: Account, contact: AccountName): void {
  for (const node of new Set(turn.presence.sessions(account.name).map((s) => s.node))) {
    turn.emit(account, {
      kind: "edge",
      node,
      packet: { kind: "revoke", watched: contact, watcher: account.name, lastSeen: null },
    });
  }
}

/**
 * Stores an item that has changed from `before`, tells the devices, and moves the rights to see
 * presence with it.
 */
export function storeItem(
  turn: Turn,
  account: Account,
  before: RosterItem,
  changed: RosterItem,
): void {
  const { contact } = changed;
  const asks = before.state.pendingIn !== changed.state.pendingIn;
  const withheld = changed.state.pendingIn &&
    (asks ? !announcesRequest(turn, account, contact) : before.withheld);
  const asked = changed.state.pendingOut ? changed.asked : 0;
  const after = { ...changed, asked, withheld };
  if (!after.listed && isEmpty(after.state)) {
    if (account.roster.has(after.contact)) {
      turn.append(account, { kind: "roster_removed", contact: after.contact });
    }
  } else {
    turn.append(account, { kind: "roster", item: after });
  }
  if (!after.listed) {
    if (before.listed) turn.event(account, { kind: "roster_removed", contact: after.contact });
  } else if (!asks || !before.listed || !showsSame(before.state, after.state)) {
    turn.event(account, { kind: "roster", item: rosterView(after) });
  }
  // A request of a blocked account is not shown, nor the end of one that never was.
  if (asks && !account.blocked.has(contact) && !withheld && !before.withheld) {
    turn.event(account, {
      kind: "request",
      from: after.contact,
      pending: after.state.pendingIn,
    });
  }
  // A blocked contact has been revoked and gets nothing more.
  const told = account.blocked.has(after.contact);
  if (seesOwner(before) && !seesOwner(after) && !told) revokeWatcher(turn, account, after.contact);
  if (seenByOwner(before) && !seenByOwner(after)) unwatchContact(turn, account, after.contact);
  if (seenByOwner(after) && (!seenByOwner(before) || before.peerId !== after.peerId)) {
    watchContact(turn, account, after);
  }
}

/** The name belongs to another account than the roster knows: its rights end. */
export function forgetFormer(
  turn: Turn,
  account: Account,
  contact: AccountName,
  peerId: AccountId,
): void {
  const item = account.roster.get(contact);
  if (item === undefined) return;
  const state = stateTowards(item, peerId);
  if (state !== item.state) storeItem(turn, account, item, { ...item, peerId, state });
  settleWaiting(turn, account, contact, hasAsked(item.state));
}

function listedCount(account: Account): number {
  let count = 0;
  for (const item of account.roster.values()) if (item.listed) count++;
  return count;
}

function rosterFull(turn: Turn, account: Account, item: RosterItem) {
  if (headFull(turn, account)) {
    const max = turn.limits.headBytesMax;
    return fail("limit_reached", `Cannot add: contacts and conversations take ${max} bytes`);
  }
  if (item.listed || listedCount(account) < turn.limits.rosterMax) return null;
  return fail("limit_reached", `Cannot add: the roster has ${turn.limits.rosterMax} contacts`);
}

/** Adds or changes; subscriptions stay as they are. */
export const setContact: Handler<"roster.set"> = (turn, account, input) => {
  if (!account.active) return NOT_ACTIVE;
  if (input.contact === account.name) {
    return fail("bad_request", "Cannot add a contact: this is the account itself");
  }
  const before = itemOf(account, input.contact);
  const full = rosterFull(turn, account, before);
  if (full !== null) return full;
  const after = { ...before, label: input.label, groups: input.groups, listed: true };
  storeItem(turn, account, before, after);
  return ok(rosterView(after));
};

/** Both subscriptions end on both sides (RFC 6121 section 2.5). */
export const removeContact: Handler<"roster.remove"> = (turn, account, input) => {
  if (!account.active) return NOT_ACTIVE;
  const before = itemOf(account, input.contact);
  if (!before.listed) return fail("not_found", "There is no such contact in the roster");
  storeItem(turn, account, before, { ...before, state: NO_SUBSCRIPTION, listed: false });
  // Even to a blocked one, which cannot tell it from a removal by somebody who is offline.
  if (before.peerId !== "") {
    for (const type of removalStanzas(before.state)) {
      oweSubscription(turn, account, input.contact, before.peerId, type);
    }
  }
  settleWaiting(turn, account, input.contact, true);
  return ok(null);
};

/** Whether the account may send another subscription request now; takes it from the allowance. */
function mayRequest(turn: Turn, account: Account): boolean {
  const { subscriptionRequestMs: tokenMs, subscriptionRequestBurst: burst } = turn.limits;
  const { runtime } = account;
  const rate = { tokenMs, burst };
  if (waitForTokens(rate, runtime.requestsFullAtMs, turn.now.mono, 1) > 0) return false;
  runtime.requestsFullAtMs = takeTokens(rate, runtime.requestsFullAtMs, turn.now.mono, 1);
  return true;
}

/** RFC 6121 section 3, from the side of who sends the stanza. */
export const changeSubscription: Handler<"roster.subscription"> = (
  turn,
  account,
  input,
  pending,
) => {
  if (!account.active) return NOT_ACTIVE;
  if (input.contact === account.name) {
    return fail("bad_request", "Cannot subscribe: this is the account itself");
  }
  if (account.blocked.has(input.contact)) {
    return fail("conflict", "Cannot change the subscription: you have blocked this account");
  }
  const before = itemOf(account, input.contact);
  // Where no right rests on the account learnt before, the name may belong to another one by now.
  const fresh = isEmpty(before.state) || before.peerId === "" ||
    (before.state.subscription === "none" && !before.state.pendingIn);
  const resolved = pending.resolved.get(input.contact);
  if (fresh && resolved === undefined) return { wait: "resolve", name: input.contact };
  const peerId: AccountId | "" = fresh ? resolved ?? "" : before.peerId;
  const current = stateTowards(before, peerId);
  if (input.managed && input.type === "subscribe" && hasTo(current)) return ok(null);
  const step = outbound(current, input.type);
  const listed = before.listed || input.type === "subscribe" ||
    (input.type === "subscribed" && step.changed);
  const asked = current.pendingOut ? before.asked : requestNumber(account, input.contact);
  const after = { ...before, peerId, state: step.state, listed, asked };
  const full = listed ? rosterFull(turn, account, before) : null;
  if (full !== null) return full;
  const noRoom = step.route
    ? cannotBegin(turn, account, input.contact, "change the subscription")
    : null;
  if (noRoom !== null) return noRoom;
  if (input.type === "subscribe" && !input.managed && !mayRequest(turn, account)) {
    return fail("rate_limited", "Cannot subscribe: too many requests", subscriptionWait(turn));
  }
  const changed = step.changed || current !== before.state || peerId !== before.peerId;
  if (changed || listed !== before.listed) storeItem(turn, account, before, after);
  if (step.route && peerId !== "") {
    oweSubscription(turn, account, input.contact, peerId, input.type);
  }
  // With `unsubscribe` the user also gives up messages for which there never was a request.
  const ends = input.type === "unsubscribe" || hasAsked(before.state);
  settleWaiting(turn, account, input.contact, ends);
  return ok(null);
};

function subscriptionWait(turn: Turn): number {
  return turn.limits.subscriptionRequestMs;
}

function blocksFull(turn: Turn, account: Account) {
  const { blockedMax, headBytesMax, blockBytesMax } = turn.limits;
  if (account.blocked.size >= blockedMax) {
    return fail("limit_reached", `Cannot block: ${blockedMax} are blocked already`);
  }
  const max = headBytesMax + blockBytesMax;
  if (account.runtime.headBytes < max) return null;
  return fail(
    "limit_reached",
    `Cannot block: contacts, blocks and conversations take ${max} bytes`,
  );
}

/** Who has seen the account until now, and what it is shown from now on. */
function shownFrom(turn: Turn, account: Account, contact: AccountName): Block {
  const item = account.roster.get(contact);
  if (item === undefined || !seesOwner(item)) return { peerId: "", lastSeen: 0 };
  return { peerId: item.peerId, lastSeen: lastSeenNow(turn, account) };
}

/** Cuts both ways at once; the other side is not told: to it, the account has signed out. */
export const block: Handler<"roster.block"> = (turn, account, input) => {
  if (!account.active) return NOT_ACTIVE;
  if (input.contact === account.name) {
    return fail("bad_request", "Cannot block: this is the account itself");
  }
  if (account.blocked.has(input.contact) === input.blocked) return ok(null);
  const full = input.blocked ? blocksFull(turn, account) : null;
  if (full !== null) return full;
  turn.append(account, {
    kind: "blocked",
    contact: input.contact,
    blocked: input.blocked,
    ...(input.blocked ? shownFrom(turn, account, input.contact) : { peerId: "", lastSeen: 0 }),
  });
  turn.event(account, { kind: "blocked", contact: input.contact, blocked: input.blocked });
  const item = account.roster.get(input.contact);
  if (item?.state.pendingIn && !item.withheld) {
    turn.event(account, { kind: "request", from: input.contact, pending: !input.blocked });
  }
  settleWaiting(turn, account, input.contact, input.blocked);
  if (input.blocked) {
    revokeWatcher(turn, account, input.contact);
    unwatchContact(turn, account, input.contact);
    return ok(null);
  }
  // What the block withheld; a start sends it too.
  noteOwed(account, [input.contact]);
  turn.scheduleReceipts(account, turn.limits.receiptDelayMs);
  if (item === undefined || item.peerId === "") return ok(null);
  announceRequests(turn, account, [item]);
  if (seenByOwner(item)) watchContact(turn, account, item);
  if (seesOwner(item)) {
    turn.send(account, {
      kind: "rewatch",
      from: account.name,
      fromId: account.id as AccountId,
      to: item.contact,
      toId: item.peerId,
    });
  }
  return ok(null);
};

/** Who may write to the account. */
export const setSettings: Handler<"settings.set"> = (turn, account, input) => {
  if (!account.active) return NOT_ACTIVE;
  if (account.messagesFrom !== input.messagesFrom) {
    turn.append(account, { kind: "settings", anyone: input.messagesFrom === "anyone" });
    turn.event(account, { kind: "settings", messagesFrom: input.messagesFrom });
  }
  return ok(null);
};
