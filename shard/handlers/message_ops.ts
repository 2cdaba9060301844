/** Operations on messages, mailboxes and signals. */
import type { AccountId } from "../name/ids.ts";
import type { Handler, Outcome, Pending, Turn } from "./turn.ts";
import type { Account } from "../account/account.ts";
import type { Ops } from "../ops.ts";
import { noteOwed } from "./receipts.ts";
import { DrainMeter } from "../message/drain_meter.ts";
import { fail, ok } from "../errors.ts";
import { forgetFormer } from "./roster_ops.ts";
import { awaitsAnswer, releaseWaiting, sendWaiting, waitingFull } from "./waiting_messages.ts";
import { countRefused } from "./silent_refusals.ts";
import { changeOwn, checkNamed } from "./own_changes.ts";
import { cannotBegin } from "./conversation_room.ts";
import { ConversationPage } from "../mailbox/conversation_page.ts";
import { readForward } from "../mailbox/mailbox.ts";
import { shownMailboxId } from "../mailbox/restored.ts";
import { snapshotOf } from "./snapshot.ts";
import { trimEntry } from "./retention.ts";
import { takeTokens, waitForTokens } from "../token_bucket.ts";

const NOT_ACTIVE = fail("unauthorized", "The account cannot be used (any more)");

/** The peer's account: as learnt before, or as just asked; undefined where it must be asked. */
function peerOf(
  account: Account,
  to: Account["name"],
  pending: Pending,
): AccountId | null | undefined {
  if (to === account.name) return null;
  const known = account.conversations.get(to)?.peerId ?? "";
  if (known !== "") return known;
  return pending.resolved.get(to);
}

/**
 * Whether there is no subscription with `to` either way: then it takes messages only if it takes
 * them from anyone, which may have changed since the last one.
 */
function isStranger(account: Account, to: Account["name"]): boolean {
  const subscription = account.roster.get(to)?.state.subscription ?? "none";
  return to !== account.name && subscription === "none";
}

/** For so long what was sent counts as on its way, whether it is or there is nobody to take it. */
const ON_ITS_WAY_MS = 250;

/**
 * Takes the characters of a message from what the account may have on its way; returns 0, or the
 * ms to wait. The outbox has only what is for accounts that exist: a bound on it alone would tell
 * which do.
 */
function takeAllowance(turn: Turn, account: Account, chars: number): number {
  const burst = turn.limits.outboxCharsMax;
  const rate = { tokenMs: ON_ITS_WAY_MS / burst, burst };
  const cost = Math.min(chars, burst);
  const { runtime } = account;
  const waitMs = waitForTokens(rate, runtime.sentFullAtMs, turn.now.mono, cost);
  if (waitMs > 0) return waitMs;
  runtime.sentFullAtMs = takeTokens(rate, runtime.sentFullAtMs, turn.now.mono, cost);
  return 0;
}

function waits(account: Account, to: Account["name"], num: number): boolean {
  return account.waiting.get(to)?.some((m) => m.num === num) ?? false;
}

/** What a message gets that was sent before; null where it was not. */
function sentBefore(
  turn: Turn,
  account: Account,
  input: Parameters<Handler<"message.send">>[2],
  pending: Pending,
): Outcome<"message.send"> | null {
  if (!account.dedupe.open()) return { wait: "dedupe" };
  const found = account.dedupe.find(input, pending.blocks);
  if (found.kind === "read") return { wait: "block", table: "d", first: found.block };
  if (found.kind === "new" || found.before.at <= turn.now.wall - turn.limits.dedupeWindowMs) {
    return null;
  }
  if (found.same) {
    const { before } = found;
    return ok(waits(account, input.to, before.num) ? { ...before, waits: true } : before);
  }
  return fail("conflict", "Cannot send: this key was used for a message with other content");
}

/**
 * How long a full dedupe window has no room (ms): until its oldest block is over age. 0: there is
 * room, perhaps because what was over age has been dropped just now.
 */
function windowFullMs(turn: Turn, account: Account): number {
  const { dedupe } = account;
  const { dedupeEntriesMax, dedupeWindowMs } = turn.limits;
  if (dedupe.count < dedupeEntriesMax) return 0;
  const trim = trimEntry(account, turn.now.wall, turn.limits);
  if (trim !== null) turn.append(account, trim, true);
  if (dedupe.count < dedupeEntriesMax) return 0;
  return Math.max(1, dedupe.oldestAt! + dedupeWindowMs + 1 - turn.now.wall);
}

/** How long the outbox has no room for a message (ms), at the rate at which it is settled; 0: it has. */
function outboxFullMs(turn: Turn, account: Account, input: Ops["message.send"]["in"]): number {
  const { outboxPerPeerMax, outboxCharsMax } = turn.limits;
  const { runtime, outboxBytes } = account;
  const now = turn.now.mono;
  const queue = account.outbox.get(input.to);
  const packets = (queue?.entries.length ?? 0) + 1 - outboxPerPeerMax;
  const chars = outboxBytes + input.body.length + input.ext.length - outboxCharsMax;
  if (packets <= 0 && chars <= 0) return 0;
  // After a restart the meters begin with the first packet that is sent.
  const unsent = new DrainMeter(now);
  const drain = queue === undefined ? null : runtime.progress(input.to, queue.toId).drain;
  return Math.max(
    packets <= 0 ? 0 : (drain ?? unsent).waitMs(now, packets),
    chars <= 0 ? 0 : (runtime.drain ?? unsent).waitMs(now, chars),
  );
}

/** Dedupe, numbers, mailbox and outbox in one commit; asks who the peer is first. */
export const sendMessage: Handler<"message.send"> = (turn, account, input, pending) => {
  if (!account.active) return NOT_ACTIVE;
  const repeated = sentBefore(turn, account, input, pending);
  if (repeated !== null) return repeated;
  const unnamed = checkNamed(turn, account, input, pending);
  if (unnamed !== null) return unnamed;
  if (account.blocked.has(input.to)) {
    return fail("conflict", "Cannot send: you have blocked this account");
  }
  const windowMs = windowFullMs(turn, account);
  if (windowMs > 0) {
    const max = turn.limits.dedupeEntriesMax;
    return fail("limit_reached", `Cannot send: ${max} messages within the dedupe window`, windowMs);
  }
  const fullMs = outboxFullMs(turn, account, input);
  if (fullMs > 0) return fail("busy", "Cannot send: too much is on its way already", fullMs);
  const noRoom = cannotBegin(turn, account, input.to, "send");
  if (noRoom !== null) return noRoom;
  const stranger = isStranger(account, input.to);
  const asks = stranger && awaitsAnswer(account, input.to);
  const toId = stranger ? pending.resolved.get(input.to) : peerOf(account, input.to, pending);
  if (toId === undefined) return { wait: "resolve", name: input.to };
  const closed = stranger && !pending.open.has(input.to);
  const unfit = closed ? waitingFull(turn, account, input) : null;
  if (unfit !== null) return unfit;
  const waitMs = takeAllowance(turn, account, input.body.length + input.ext.length + 100);
  if (waitMs > 0) return fail("busy", "Cannot send: too much is on its way already", waitMs);
  // What was asked of a former account of the name was never asked of this one.
  if (toId !== null && account.conversations.get(input.to)?.peerId !== toId) {
    forgetFormer(turn, account, input.to, toId);
  }
  account.runtime.changesOf?.delete(input.to);
  if (!closed && asks) releaseWaiting(turn, account, input.to, toId ?? "");
  const undone = changeOwn(turn, account, input, pending);
  if (undone !== null) return undone;
  if (closed) return ok(sendWaiting(turn, account, input, toId ?? ""));
  return ok(sendNow(turn, account, input, toId));
};

/** To oneself it is this one event: nobody is sent anything. */
function sendNow(
  turn: Turn,
  account: Account,
  input: Ops["message.send"]["in"],
  toId: AccountId | null,
): Ops["message.send"]["out"] {
  const c = account.conversations.get(input.to);
  const goes = toId !== null;
  const n = goes ? (c?.pairOut ?? account.pairOutFloor) + 1 : 0;
  const num = (c?.outNum ?? 0) + 1;
  if (goes) countRefused(turn, account, "closed", account.waiting.get(input.to)?.length ?? 0);
  else if (input.to !== account.name) countRefused(turn, account, "gone");
  const event = turn.append(account, {
    kind: "sent",
    to: input.to,
    toId: toId ?? "",
    n,
    seq: account.mailbox.last + 1,
    at: turn.eventTime(account),
    num,
    id: input.id,
    body: input.body,
    ext: input.ext,
    device: input.device,
  })!;
  turn.push(account, event);
  if (goes) turn.sendOwed(account, input.to);
  return { seq: event.seq, at: event.at, num };
}

/** A page ends early where the next block would have to be read. */
export const readMailbox: Handler<"mailbox.read"> = (turn, account, input, pending) => {
  if (!account.active) return NOT_ACTIVE;
  const m = account.mailbox;
  const cursor = input.cursor;
  const mailboxId = shownMailboxId(m.id, turn.limits.restoreTag);
  if (cursor !== null && (cursor.mailboxId !== mailboxId || !m.canContinueFrom(cursor.seq))) {
    return fail("reset", "The cursor is not one this mailbox can continue from");
  }
  const after = cursor === null ? m.first - 1 : cursor.seq;
  const events = readForward(m, after, input.limit, input.bytesMax, pending.blocks);
  if ("need" in events) return { wait: "block", table: "m", first: events.need };
  return ok({ mailboxId, events, seq: m.last });
};

/** State as of the mailbox's last position. */
export const takeSnapshot: Handler<"mailbox.snapshot"> = (turn, account) => {
  if (!account.active) return NOT_ACTIVE;
  const mailboxId = shownMailboxId(account.mailbox.id, turn.limits.restoreTag);
  return ok({ mailboxId, snapshot: snapshotOf(account) });
};

/** Not worth a commit of its own: it waits for the next. */
export const ackMailbox: Handler<"mailbox.ack"> = (turn, account, input) => {
  if (!account.active) return NOT_ACTIVE;
  if (input.seq > account.mailbox.last) {
    return fail(
      "bad_request",
      `Cannot ack ${input.seq}: the mailbox ends at ${account.mailbox.last}`,
    );
  }
  if (input.seq <= account.ackedSeq || account.undelivered.size === 0) return ok(null);
  // Only their marks can move: the other conversations need no look.
  const peers = [...account.undelivered];
  turn.append(account, { kind: "acked", seq: input.seq }, true);
  noteOwed(account, peers);
  turn.scheduleReceipts(account, turn.limits.receiptDelayMs);
  return ok(null);
};

/** Reads only blocks that have messages of the conversation, each once, and a bounded number. */
export const readHistory: Handler<"conversation.history"> = (_turn, account, input, pending) => {
  if (!account.active) return NOT_ACTIVE;
  const c = account.conversations.get(input.with);
  if (c === undefined) return ok({ events: [], more: false, blocks: 0 });
  const { with: peer, ...query } = input;
  pending.page ??= new ConversationPage({ peer, conversation: c.index, ...query });
  const page = pending.page.read(account.mailbox, pending.blocks);
  if (!("need" in page)) return ok(page);
  // What was read before has been searched.
  pending.blocks = new Map();
  return { wait: "block", table: "m", first: page.need };
};

/** A mark never goes back; other devices and the peer are notified. */
export const readConversationMark: Handler<"conversation.read"> = (turn, account, input) => {
  if (!account.active) return NOT_ACTIVE;
  const c = account.conversations.get(input.with);
  // Where there is no message there is nothing to mark, and snapshots show no such conversation.
  if (c === undefined || c.lastSeq === 0) return ok({ unread: 0 });
  account.runtime.changesOf?.delete(c.with);
  const upTo = Math.min(input.upTo, account.mailbox.last);
  if (upTo <= c.readUpTo) return ok({ unread: c.unreadCount });
  turn.append(account, { kind: "read", with: input.with, upTo });
  turn.event(account, { kind: "read", with: input.with, upTo, unread: c.unreadCount });
  if (c.deliveredIn > c.deliveredInTold || c.readIn > c.readInTold) {
    account.runtime.owed.add(c.with);
  }
  turn.scheduleReceipts(account, turn.limits.receiptDelayMs / 5);
  return ok({ unread: c.unreadCount });
};

/** Never tells whether anybody got it. Asks first which account has the name, as for messages. */
export const sendSignal: Handler<"signal.send"> = (turn, account, input, pending) => {
  if (!account.active) return NOT_ACTIVE;
  if (account.blocked.has(input.to)) return ok(null);
  const toId = input.to === account.name
    ? account.id as AccountId
    : isStranger(account, input.to)
    ? pending.resolved.get(input.to)
    : peerOf(account, input.to, pending);
  if (toId === undefined) return { wait: "resolve", name: input.to };
  if (toId === null) return ok(null);
  turn.send(account, {
    kind: "signal",
    from: account.name,
    fromId: account.id as AccountId,
    fromDevice: input.device,
    to: input.to,
    toId,
    toDevice: input.toDevice,
    type: input.type,
    body: input.body,
    id: input.id,
  });
  return ok(null);
};
