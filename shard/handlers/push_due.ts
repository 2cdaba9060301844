/**
 * When an account gets a push message. A message begins a burst unless its conversation has one: of a
 * burst there is one push message, until something of the conversation is read. It is owed from the
 * commit of the message on, and sent once the grace has passed and no device is active:
 * - a device that is `online`, `chat` or `dnd` is active. One that is `away`, `xa` or invisible is not;
 * - where one is active and the account's devices have confirmed the message, nothing is owed. As long
 *   as none has, its connection may be dead: the push message waits for that.
 * What is owed is durable, what was asked of the node is not: after a takeover it is asked for again.
 */
import type { AccountName } from "../name/ids.ts";
import type { Account } from "../account/account.ts";
import type { ReadonlyConversation } from "../mailbox/conversation.ts";
import type { Ops } from "../ops.ts";
import type { PushMark } from "../account/push_targets.ts";
import type { PushProgress } from "../account/account_runtime.ts";
import type { Turn } from "./turn.ts";
import { liveTargets } from "./push_ops.ts";
import { readForward } from "../mailbox/mailbox.ts";
import { spreadOf } from "../retry.ts";

/** A node that has said nothing of what it was asked for is asked again after this (ms). */
const SILENT_MS = 120_000;
/** Longest wait before a connection is looked at again that does not confirm anything (ms). */
const LOOK_MAX_MS = 60_000;
const NOTHING: ReadonlyMap<number, Uint8Array> = new Map();

/** Notes that a message is worth a push message, unless its conversation has had one. */
export function owePush(turn: Turn, account: Account, peer: AccountName, seq: number): void {
  if (account.pushTargets.length === 0 || peer === account.name) return;
  if (account.pushMarks.has(peer)) return;
  turn.append(account, { kind: "push_owed", with: peer, seq });
  turn.schedulePush(account, turn.limits.pushGraceMs);
}

function isActive(turn: Turn, account: Account): boolean {
  return turn.presence.sessions(account.name).some(({ presence }) =>
    presence !== null && presence.show !== "away" && presence.show !== "xa"
  );
}

/** Sends what is due of an account's push messages, and looks again when the next is. */
export function sendPushes(turn: Turn, account: Account): void {
  if (account.pushMarks.size === 0) return account.runtime.forgetPushes();
  for (const [peer, mark] of [...account.pushMarks]) {
    if (mark.sent) continue;
    const progress = progressOf(account, peer, mark);
    if (progress.dueMs > turn.now.mono) {
      turn.schedulePush(account, progress.dueMs - turn.now.mono);
      continue;
    }
    const waitMs = sendPush(turn, account, peer, mark, progress);
    if (waitMs === null) continue;
    progress.dueMs = turn.now.mono + waitMs;
    turn.schedulePush(account, waitMs);
  }
}

function progressOf(account: Account, peer: AccountName, { seq }: PushMark): PushProgress {
  const known = account.runtime.pushes.get(peer);
  if (known?.seq === seq) return known;
  const fresh = { seq, dueMs: 0, looks: 0, tries: 0, done: new Set<string>() };
  account.runtime.pushes.set(peer, fresh);
  return fresh;
}

/** Returns after how long to look again; null: there is nothing more to be done for it. */
function sendPush(
  turn: Turn,
  account: Account,
  peer: AccountName,
  mark: PushMark,
  progress: PushProgress,
): number | null {
  const { limits, now, presence, writable } = turn;
  // Sessions that are not announced yet may be active.
  if (!writable || presence.settling.active) return limits.pushGraceMs + 1000;
  const c = account.conversations.get(peer);
  const targets = liveTargets(account, now.wall).filter((t) => !progress.done.has(t.device));
  const unread = c?.unreadCount ?? 0;
  const unwanted = !account.active || account.blocked.has(peer) || unread === 0;
  if (c === undefined || unwanted || targets.length === 0) {
    return settle(turn, account, peer, mark, progress.done.size > 0);
  }
  if (now.wall - c.lastAt > limits.pushAgeMaxMs) return settle(turn, account, peer, mark, true);
  if (isActive(turn, account)) {
    if (account.ackedSeq >= c.lastInSeq) return settle(turn, account, peer, mark, false);
    return Math.min(LOOK_MAX_MS, Math.max(1000, limits.pushGraceMs) * 2 ** progress.looks++);
  }
  turn.emit(account, {
    kind: "push",
    name: account.name,
    with: peer,
    seq: mark.seq,
    last: c.lastInSeq,
    at: c.lastAt,
    unread,
    unreadTotal: account.unread.count,
    body: textOf(account, c),
    targets,
  });
  return SILENT_MS;
}

/** The last message of the conversation, while it is in memory; "" where it is not. */
function textOf(account: Account, { lastInSeq }: ReadonlyConversation): string {
  const events = readForward(account.mailbox, lastInSeq - 1, 1, 0, NOTHING);
  const event = "need" in events ? undefined : events[0];
  return event?.kind === "message" && event.seq === lastInSeq ? event.body : "";
}

function settle(
  turn: Turn,
  account: Account,
  peer: AccountName,
  { seq }: PushMark,
  sent: boolean,
): null {
  account.runtime.pushes.delete(peer);
  turn.append(account, { kind: "push_settled", with: peer, seq, sent }, true);
  return null;
}

/** Notes what the node says of a push message that it was asked for. */
export function settlePush(
  turn: Turn,
  account: Account,
  { with: peer, seq, targets, retryAfterMs }: Ops["push.settle"]["in"],
): void {
  const mark = account.pushMarks.get(peer);
  if (mark === undefined || mark.sent || mark.seq !== seq) return;
  const progress = progressOf(account, peer, mark);
  for (const { device, outcome } of targets) if (outcome !== "later") progress.done.add(device);
  const left = liveTargets(account, turn.now.wall).some((t) => !progress.done.has(t.device));
  const sent = targets.some(({ outcome }) => outcome === "sent") || progress.tries > 0;
  if (!left) return void settle(turn, account, peer, mark, sent);
  const random = spreadOf(`${account.name} ${peer}`, progress.tries++);
  const waitMs = turn.retries.againMs("push", progress.tries, random, retryAfterMs);
  progress.dueMs = turn.now.mono + waitMs;
  turn.schedulePush(account, waitMs);
}
