/**
 * Applies an entry of the log to its account. This is the only code that changes an account, both
 * when a decision is made and when a log is replayed, so that the two cannot differ.
 */
import type { AccountName } from "../name/ids.ts";
import type { MailboxEvent } from "../mailbox/mailbox_event.ts";
import type { Account, AccountState } from "./account.ts";
import type { Entry } from "./records.ts";
import { appendEvent, NO_CONVERSATION } from "./append_event.ts";
import { applyChange } from "./apply_change.ts";
import { applyImport, assertSeq } from "./apply_import.ts";
import { applyMoving, dropArrival } from "./moving.ts";
import { applySignIn } from "./apply_sign_in.ts";
import { clearAccount, emptyAccount } from "./clear_account.ts";
import {
  abandonOutbox,
  applyGone,
  applyNumbersUsed,
  applyReleased,
  dropOwed,
  overtake,
  pushOutbox,
} from "./outbox.ts";
import type { Conversation } from "../mailbox/conversation.ts";
import { DedupeWindow } from "../message/dedupe.ts";
import { isChanging, sentExt } from "../message/note.ts";
import { isKept } from "./kept_blocks.ts";
import { applyPush, readPushMark } from "./push_targets.ts";
import { Mailbox } from "../mailbox/mailbox.ts";

/** Changes that make, end or close the account itself, and those of messages. */
function applyLifecycle(account: AccountState, entry: Entry): void {
  switch (entry.kind) {
    case "created":
      account.state = "active";
      account.id = entry.id;
      account.createdAt = entry.at;
      account.mailbox = new Mailbox(entry.mailboxId);
      account.dedupe = new DedupeWindow(entry.id, account.dedupe.shape);
      account.credentials = entry.credentials;
      return;
    case "credentials":
      account.credentials = entry.credentials;
      return;
    case "disabled":
      account.state = entry.disabled ? "disabled" : "active";
      return;
    case "removed":
      clearAccount(account);
      account.state = "closed";
      return;
    case "released":
      return release(account);
    case "device_added":
    case "device_removed":
    case "place_known":
    case "identity_linked":
    case "factors":
    case "passkeys":
      return applySignIn(account, entry);
    case "push_set":
    case "push_removed":
    case "push_owed":
    case "push_settled":
      return applyPush(account, entry);
    case "invite":
      account.state = "invite";
      account.invite = { expiresAt: entry.expiresAt, usedBy: "" };
      return;
    case "invite_used":
      account.invite = { expiresAt: account.invite?.expiresAt ?? 0, usedBy: entry.by };
      return;
    case "name_register": {
      const { promised, accepted, chosen, telling } = entry;
      account.register = { promised, accepted, chosen, telling };
      return;
    }
    case "message_changed":
    case "block_changed":
      return applyChange(account, entry);
    case "leaving":
    case "staying":
    case "left":
    case "arriving":
    case "arriving_row":
    case "arriving_head":
    case "arrived":
    case "arrival_dropped":
      return applyMoving(account, entry);
  }
}

/** As if there never had been an account of the name: no checkpoint says more of it. */
function release(account: AccountState): void {
  dropArrival(account);
  emptyAccount(account);
}

function applySent(account: AccountState, e: Entry & { kind: "sent" }): MailboxEvent {
  assertSeq(account, e.seq);
  const c = account.conversation(e.to);
  if (e.toId !== "") {
    abandonOutbox(account, c, e.toId);
    c.reach(e.toId);
  }
  c.outNum = e.num;
  if (e.n === 0 && e.to !== account.name) c.addRefusedOut(e.num, e.id);
  if (e.toId !== "" && e.n > 0) {
    overtake(account, c);
    c.pairOut = e.n;
    pushOutbox(account, e.to, e.toId, e.n, {
      kind: "message",
      num: Math.max(0, e.num - c.outBase),
      id: e.id,
      body: e.body,
      ext: sentExt(e.ext, c.outBase),
    });
  }
  return pushSent(account, c, e);
}

function pushSent(
  account: AccountState,
  c: Conversation,
  e: Entry & { kind: "sent" | "sent_waiting" },
): MailboxEvent {
  const sent = {
    seq: e.seq,
    at: Math.max(account.mailbox.lastAt, e.at),
    kind: "message",
    with: e.to,
    out: true,
    num: e.num,
    id: e.id,
    body: e.body,
    ext: e.ext,
    device: e.device,
  } as const;
  // No page of the conversation has a change, and the list of conversations does not move for it.
  const changing = isChanging(e.ext);
  const event = account.mailbox.push(
    e.kind === "sent" ? sent : { ...sent, waits: true },
    changing ? NO_CONVERSATION : c.index,
  );
  if (!changing) {
    c.lastSeq = event.seq;
    c.lastAt = event.at;
  }
  account.dedupe.remember(e, { seq: event.seq, at: event.at, num: e.num });
  return event;
}

function applyWaiting(account: AccountState, e: Entry & { kind: "sent_waiting" }): MailboxEvent {
  assertSeq(account, e.seq);
  const c = account.conversation(e.to);
  if (e.toId !== "") {
    abandonOutbox(account, c, e.toId);
    c.reach(e.toId);
  }
  c.outNum = e.num;
  const { toId, at, num, id, body, ext } = e;
  const before = account.waiting.get(e.to) ?? [];
  account.waiting.set(e.to, [...before, { toId, at, num, id, body, ext }]);
  return pushSent(account, c, e);
}

function applyDropped(account: AccountState, e: Entry & { kind: "waiting_dropped" }): MailboxEvent {
  assertSeq(account, e.seq);
  const c = account.conversation(e.with);
  const left = account.waiting.get(e.with)?.filter((m) => m.num !== e.num) ?? [];
  if (left.length > 0) account.waiting.set(e.with, left);
  else account.waiting.delete(e.with);
  const { seq, num, id, reason } = e;
  const at = Math.max(account.mailbox.lastAt, e.at);
  const event = { seq, at, kind: "undelivered", with: e.with, num, id, reason } as const;
  return account.mailbox.push(event, c.index);
}

function applyTold(account: AccountState, e: Entry & { kind: "refused_told" }): MailboxEvent {
  assertSeq(account, e.seq);
  const { seq, from, num, reason } = e;
  const at = Math.max(account.mailbox.lastAt, e.at);
  const event = { seq, at, kind: "undelivered", with: e.with, num, id: "", reason, from } as const;
  return account.mailbox.push(event, account.conversation(e.with).index);
}

function applyReceived(account: AccountState, e: Entry & { kind: "received" }): MailboxEvent {
  assertSeq(account, e.seq);
  const c = takePair(account, e);
  const changing = isChanging(e.ext);
  const event = account.mailbox.push({
    seq: e.seq,
    at: Math.max(account.mailbox.lastAt, e.at),
    kind: "message",
    with: e.from,
    out: false,
    num: e.num,
    id: e.id,
    body: e.body,
    ext: e.ext,
    device: "",
  }, changing ? NO_CONVERSATION : c.index);
  // Nobody has to read it, and no receipt says that it has come.
  if (changing) return event;
  c.lastSeq = event.seq;
  c.lastAt = event.at;
  c.lastInSeq = event.seq;
  c.lastInNum = e.num;
  c.addUnread(event.seq, e.num);
  if (e.from !== account.name) account.unread.add(c.index, event.seq);
  account.undelivered.add(e.from);
  return event;
}

function takePair(
  account: AccountState,
  e: Entry & { kind: "received" | "pair_in" },
): Conversation {
  const c = account.conversation(e.from);
  if (c.inId !== e.fromId) {
    c.startWith(e.fromId);
    account.undelivered.delete(e.from);
  }
  // Packets that were refused without a note leave gaps.
  if (e.n <= c.pairIn) {
    throw new Error(`pair ${e.fromId} to ${account.id}: packet ${e.n} after ${c.pairIn}`);
  }
  c.pairIn = e.n;
  return c;
}

function applyPair(account: AccountState, entry: Entry): void {
  switch (entry.kind) {
    case "refused":
      return account.conversation(entry.with).addRefusedOut(entry.num, entry.id);
    case "waiting_released":
      return applyReleased(account, entry);
    case "pair_in": {
      const c = takePair(account, entry);
      if (entry.refused) c.addRefusal({ n: entry.n, reason: entry.reason });
      return;
    }
    case "pair_out": {
      const c = account.conversation(entry.to);
      abandonOutbox(account, c, entry.toId);
      c.reach(entry.toId);
      c.pairOut = entry.n;
      pushOutbox(account, entry.to, entry.toId, entry.n, entry.payload);
      return;
    }
    case "pair_acked": {
      const queue = account.outbox.get(entry.to);
      if (queue === undefined || queue.toId !== entry.toId) return;
      const keep = queue.entries.findIndex((o) => o.n > entry.n);
      dropOwed(account, queue.entries.splice(0, keep < 0 ? queue.entries.length : keep));
      if (queue.entries.length === 0) account.outbox.delete(entry.to);
      return;
    }
    case "numbers_used":
      return applyNumbersUsed(account, entry);
    case "pair_gone":
      return applyGone(account, entry);
    case "pair_forgotten":
      return account.forgetConversation(entry.with);
  }
}

function applyAcked(account: AccountState, seq: number): void {
  account.ackedSeq = Math.max(account.ackedSeq, seq);
  for (const peer of account.undelivered) {
    const c = account.conversation(peer);
    c.deliveredIn = Math.max(c.deliveredIn, c.numAt(account.ackedSeq));
    if (c.lastInSeq <= account.ackedSeq) account.undelivered.delete(peer);
  }
}

function countWithheld(account: AccountState, contact: AccountName, withheld: boolean): void {
  if (account.roster.get(contact)?.withheld === true) account.withheldRequests--;
  if (withheld) account.withheldRequests++;
}

/** Unread messages up to position `seq` are dropped. */
function settleUnread(account: AccountState, seq: number): void {
  if (account.unread.first > seq) return;
  for (const c of account.conversations.values()) {
    account.unread.settle(c.index, seq, c.unreadAfter(seq));
  }
}

function applyMarks(account: AccountState, entry: Entry): void {
  switch (entry.kind) {
    case "acked":
      return applyAcked(account, entry.seq);
    case "read": {
      const c = account.conversation(entry.with);
      c.readIn = Math.max(c.readIn, c.numAt(entry.upTo));
      c.deliveredIn = Math.max(c.deliveredIn, c.readIn);
      c.markRead(entry.upTo);
      account.unread.settle(c.index, entry.upTo, c.unreadAfter(entry.upTo));
      return readPushMark(account, entry.with);
    }
    case "unread_released": {
      const c = account.conversation(entry.with);
      return account.unread.settle(c.index, entry.upTo, c.unreadAfter(entry.upTo));
    }
    case "receipt": {
      account.conversation(entry.with).receipt(entry.delivered, entry.read);
      return;
    }
    case "receipt_told": {
      const c = account.conversation(entry.with);
      c.deliveredInTold = Math.max(c.deliveredInTold, entry.delivered);
      c.readInTold = Math.max(c.readInTold, entry.read);
      return;
    }
    case "last_seen":
      account.lastSeen = Math.max(account.lastSeen, entry.at);
      account.devices = account.devices.map((d) =>
        d.device === entry.device ? { ...d, usedAt: Math.max(d.usedAt, entry.usedAt) } : d
      );
      return;
    case "trimmed":
      account.mailbox.trim(entry.first, isKept(account, entry.unreadFrom));
      settleUnread(account, (entry.unreadFrom || account.mailbox.first) - 1);
      account.dedupe.trim(entry.dedupe);
      return;
  }
}

function applyBlocked(account: AccountState, e: Entry & { kind: "blocked" }): void {
  const { contact, blocked, peerId, lastSeen } = e;
  if (blocked) account.blocked.set(contact, { peerId, lastSeen });
  else account.blocked.delete(contact);
}

/** Changes an account as the entry says; returns the mailbox event that it appended, if any. */
export function apply(of: Account, entry: Entry): MailboxEvent | null {
  // Here alone an account can be changed.
  const account = of as AccountState;
  switch (entry.kind) {
    case "event":
      assertSeq(account, entry.seq);
      return appendEvent(account, entry.at, entry.body);
    case "sent":
      return applySent(account, entry);
    case "received":
      return applyReceived(account, entry);
    case "sent_waiting":
      return applyWaiting(account, entry);
    case "waiting_dropped":
      return applyDropped(account, entry);
    case "refused_told":
      return applyTold(account, entry);
    case "roster":
      countWithheld(account, entry.item.contact, entry.item.withheld);
      account.roster.set(entry.item.contact, entry.item);
      return null;
    case "roster_removed":
      countWithheld(account, entry.contact, false);
      account.roster.delete(entry.contact);
      return null;
    case "blocked":
      applyBlocked(account, entry);
      return null;
    case "settings":
      account.messagesFrom = entry.anyone ? "anyone" : "contacts";
      return null;
    case "refused":
    case "waiting_released":
    case "pair_in":
    case "pair_out":
    case "pair_acked":
    case "numbers_used":
    case "pair_gone":
    case "pair_forgotten":
      applyPair(account, entry);
      return null;
    case "acked":
    case "read":
    case "unread_released":
    case "receipt":
    case "receipt_told":
    case "last_seen":
    case "trimmed":
      applyMarks(account, entry);
      return null;
    case "import_begun":
    case "import_conversation":
    case "import_done":
      applyImport(account, entry);
      return null;
    default:
      applyLifecycle(account, entry);
      return null;
  }
}
