/**
 * The packets between two accounts' shards: numbered ones taken exactly once and in order, receipts
 * as positions that only rise, and what is not kept at all (signals, rewatches).
 */
import type { AccountId } from "../name/ids.ts";
import type { Account } from "../account/account.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { SilentCause } from "../effects.ts";
import type { DueKind, Turn } from "./turn.ts";
import { inbound, type SubscriptionType } from "../roster/subscription.ts";
import { changeOf, takenExt } from "../message/note.ts";
import { MailNeeded, mayChange, NO_EFFECTS, peerEffects } from "./peer_changes.ts";
import { expireWaiting, hasAsked, NOT_ACCEPTED, settleWaiting } from "./waiting_messages.ts";
import { causeOf, countLost, countRefused } from "./silent_refusals.ts";
import { isFullForOthers, isFullForOwner } from "./conversation_room.ts";
import {
  forgetSettled,
  offerToForget,
  replySettled,
  replyUnknown,
  takeSettled,
  takeUnknown,
  wantsToForget,
} from "./settled_pairs.ts";
import { answersEarlier, oweSubscription } from "./subscription_packets.ts";
import { forgetFormer, inboundFrom, itemOf, storeItem, watchContact } from "./roster_ops.ts";
import { announceRequests } from "./request_events.ts";
import { contactsOf } from "./snapshot.ts";
import { hasRoom, makeRoom } from "./mailbox_quota.ts";
import { sendOwedAgain } from "./owed_packets.ts";
import { sendReceipts, takeReceipt, takeReceiptAck } from "./receipts.ts";
import { answerNewest, isOfNewest, takeNewest } from "./successors.ts";
import { InboundRate } from "../message/inbound_rate.ts";
import { spreadOfNumber } from "../retry.ts";
import { owePush, sendPushes } from "./push_due.ts";
import { seenByOwner } from "../roster/roster.ts";

type Pair = ShardPacket & { kind: "pair" };

/** What ends a subscription or a request. */
const ENDS: ReadonlySet<SubscriptionType> = new Set(["unsubscribe", "unsubscribed"]);

/** Handles one packet addressed to `account`; `mail`: see `MailNeeded`. */
export function receivePacket(
  turn: Turn,
  account: Account,
  packet: ShardPacket,
  mail: MailNeeded = new MailNeeded(),
): void {
  switch (packet.kind) {
    case "pair":
      return takePair(turn, account, packet, mail);
    case "pair_ack":
      return takeAck(turn, account, packet);
    case "pair_gone":
      return takeGone(turn, account, packet);
    case "pair_settled":
      return takeSettled(turn, account, packet);
    case "pair_unknown":
      return takeUnknown(turn, account, packet);
    case "receipt":
      return takeReceipt(turn, account, packet);
    case "receipt_ack":
      return takeReceiptAck(turn, account, packet);
    case "newest":
      return answerNewest(turn, account, packet);
    case "is_newest":
      return takeNewest(turn, account, packet);
    case "signal":
      return takeSignal(turn, account, packet);
    case "rewatch": {
      const item = account.roster.get(packet.from);
      if (account.id !== packet.toId || item?.peerId !== packet.fromId) return;
      if (seenByOwner(item)) watchContact(turn, account, item);
      return;
    }
    case "resolve": {
      return turn.send(account, {
        kind: "resolved",
        from: account.name,
        fromId: account.alive ? account.id as AccountId : null,
        to: packet.from,
        open: account.alive && account.messagesFrom === "anyone" &&
          !account.blocked.has(packet.from),
      });
    }
    case "resolved":
      throw new Error("an answer to resolve is the shard's own");
  }
}

// ---- the recipient's side

function ack(turn: Turn, account: Account, p: Pair, n: number, as: "upTo" | "gap"): void {
  const c = account.conversations.get(p.from);
  const known = c?.inId === p.fromId;
  const forget = as === "upTo" && known && wantsToForget(account, c);
  sendAck(turn, account, p, { as, n, refused: known ? [...c.refusals] : [], forget });
}

function sendAck(
  turn: Turn,
  account: Account,
  p: Pair,
  what: Pick<ShardPacket & { kind: "pair_ack" }, "as" | "n" | "refused" | "forget">,
): void {
  const { from, fromId, to, toId } = p;
  turn.send(account, { kind: "pair_ack", from: to, fromId: toId, to: from, toId: fromId, ...what });
}

function takePair(turn: Turn, account: Account, p: Pair, mail: MailNeeded): void {
  if (!account.alive || account.id !== p.toId) {
    return turn.send(account, {
      kind: "pair_gone",
      from: account.name,
      fromId: p.toId,
      to: p.from,
      toId: p.fromId,
    });
  }
  // While the store takes no writes nothing is acked; the sender's shard tries again.
  if (!turn.writable) return;
  if (!isOfNewest(turn, account, p)) return;
  const known = account.conversations.get(p.from);
  const taken = known?.inId === p.fromId ? known.pairIn : 0;
  if (p.n <= taken) return ack(turn, account, p, taken, "upTo");
  // It may be a late copy of a packet of a forgotten pair.
  const begins = known?.inId !== p.fromId;
  if (begins && p.generation !== account.pairGeneration) return replyUnknown(turn, account, p);
  // What is settled makes room before the sender's shard tries again.
  if (known === undefined && isFull(turn, account, p) && forgetSettled(turn, account)) return;
  const last = Math.max(taken, p.base - 1);
  // Also of somebody who may be turned away: what comes before it may be taken, and then this one.
  if (p.n > last + 1) return ack(turn, account, p, last, "gap");
  const reason = known === undefined ? turnedAway(turn, account, p) : null;
  if (reason !== null) {
    // No note is kept of strangers, or they could fill an account to which they may not write.
    const refused = p.payload.kind === "message" ? [{ n: p.n, reason }] : [];
    if (refused.length > 0 && reason === "") countRefused(turn, account, "full");
    return sendAck(turn, account, p, { as: "alone", n: p.n, refused, forget: false });
  }
  forgetFormer(turn, account, p.from, p.fromId);
  if (p.payload.kind !== "message") takeSubscription(turn, account, p);
  else takeMessage(turn, account, p, mail);
  if (mail.need === null) ack(turn, account, p, p.n, "upTo");
}

/** Whether no numbers can be kept for one more who sends such a packet. */
function isFull(turn: Turn, account: Account, p: Pair): boolean {
  return p.payload.kind === "message"
    ? isFullForOthers(turn, account)
    : isFullForOwner(turn, account);
}

/**
 * Why a packet of somebody with whom there never was anything changes nothing; null where it does.
 * It may be asked again for the same packet, with another answer.
 */
function turnedAway(turn: Turn, account: Account, p: Pair): string | null {
  if (p.payload.kind === "message") {
    const accepted = accepts(account, p);
    if (accepted && !hasRoom(turn, account, p.from)) return "quota";
    if (!isFull(turn, account, p)) return null;
    // An account that takes messages from anyone hides from nobody.
    return accepted && account.messagesFrom === "anyone" ? "quota" : "";
  }
  if (isFull(turn, account, p)) return "";
  const step = inboundFrom(account, p.from, itemOf(account, p.from).state, p.payload.type);
  if (!step.changed && step.reply === null) return "";
  return asksTooMany(turn, account, p) ? "" : null;
}

/**
 * Whether it is a request of a stranger more than may wait for an answer. Its sender sends it again,
 * see `repeatRequests`.
 */
function asksTooMany(turn: Turn, account: Account, p: Pair): boolean {
  if (p.payload.kind !== "subscription") return false;
  const { listed, state } = itemOf(account, p.from);
  // What a blocked one asks is not shown, and there is at most one such request for each block.
  // Strangers must not keep out those whom the user has added, each of whom has one request at most.
  if (listed || account.blocked.has(p.from)) return false;
  const asks = inbound(state, p.payload.type).state.pendingIn && !state.pendingIn;
  return asks && pendingRequests(account) >= turn.limits.pendingRequestsMax;
}

function refuse(turn: Turn, account: Account, p: Pair, reason: string, cause: SilentCause): void {
  if (p.payload.kind === "message" && reason === "") countRefused(turn, account, cause);
  turn.append(account, {
    kind: "pair_in",
    from: p.from,
    fromId: p.fromId,
    n: p.n,
    refused: true,
    reason,
  });
}

/** Whether the account takes messages from this sender. */
function accepts(account: Account, p: { from: Account["name"]; fromId: AccountId }): boolean {
  if (account.blocked.has(p.from)) return false;
  if (account.messagesFrom === "anyone" || p.fromId === account.id) return true;
  const item = account.roster.get(p.from);
  return item !== undefined && item.peerId === p.fromId && item.state.subscription !== "none";
}

/**
 * Whether the sender has yet to learn that this account took back its request, or ended a subscription:
 * it may have accepted that one, and released what waited. It sees the end, blocked or not.
 */
function owesEnd(account: Account, p: Pair): boolean {
  const queue = account.outbox.get(p.from);
  return queue?.toId === p.fromId &&
    queue.entries.some(({ payload }) => payload.kind === "subscription" && ENDS.has(payload.type));
}

function mayReceive(turn: Turn, account: Account, peer: Account["name"]): boolean {
  const { inboundMessageMs: tokenMs, inboundMessageBurst: burst } = turn.limits;
  const { runtime } = account;
  runtime.inbound ??= new InboundRate();
  const isContact = peer === account.name || account.roster.get(peer)?.listed === true;
  return runtime.inbound.take({ tokenMs, burst }, turn.now.mono, peer, isContact);
}

function takeMessage(turn: Turn, account: Account, p: Pair, mail: MailNeeded): void {
  if (p.payload.kind !== "message") return;
  if (!accepts(account, p)) {
    const reason = owesEnd(account, p) ? NOT_ACCEPTED : "";
    return refuse(turn, account, p, reason, causeOf(account, p.from));
  }
  const c = account.conversations.get(p.from);
  const ext = takenExt(p.payload.ext, (told) => c?.ownNum(told) ?? 0);
  const change = changeOf(ext);
  const effects = change === null ? NO_EFFECTS : peerEffects(turn, account, p, change, mail);
  if (effects === null) return;
  if (typeof effects === "string") return refuse(turn, account, p, effects, "full");
  // Whose messages are accepted gets receipts as well: it may learn that they are not read.
  if (change === null && p.fromId !== account.id && !makeRoom(turn, account, p.from)) {
    return refuse(turn, account, p, "quota", "full");
  }
  // Only those who may see the account's presence learn that it gets too much.
  const tooMany = change !== null && !mayChange(account, p.from);
  if (tooMany || !mayReceive(turn, account, p.from)) {
    const sub = account.roster.get(p.from)?.state.subscription ?? "none";
    return refuse(turn, account, p, sub === "from" || sub === "both" ? "quota" : "", "full");
  }
  for (const entry of effects) turn.append(account, entry);
  const event = turn.append(account, {
    kind: "received",
    from: p.from,
    fromId: p.fromId,
    n: p.n,
    seq: account.mailbox.last + 1,
    at: turn.eventTime(account),
    num: p.payload.num,
    id: p.payload.id,
    body: p.payload.body,
    ext,
  })!;
  turn.push(account, event, p.sinceMs);
  owePush(turn, account, p.from, event.seq);
}

function pendingRequests(account: Account): number {
  let count = 0;
  for (const item of account.roster.values()) {
    const counts = item.state.pendingIn && !item.listed;
    if (counts && !account.blocked.has(item.contact)) count++;
  }
  return count;
}

function takeSubscription(turn: Turn, account: Account, p: Pair): void {
  if (p.payload.kind !== "subscription") return;
  const { type, seen } = p.payload;
  const before = itemOf(account, p.from);
  const step = inboundFrom(account, p.from, before.state, type);
  if (asksTooMany(turn, account, p)) return refuse(turn, account, p, "", "full");
  turn.append(account, {
    kind: "pair_in",
    from: p.from,
    fromId: p.fromId,
    n: p.n,
    refused: false,
    reason: "",
  });
  const asked = hasAsked(before.state);
  if (answersEarlier(before, type, seen)) return settleWaiting(turn, account, p.from, asked);
  const after = { ...before, peerId: p.fromId, state: step.state };
  if (step.changed) storeItem(turn, account, before, after);
  // A block had kept the two sides apart: what this one had all along, the other grants again.
  else if (type === "subscribed" && seenByOwner(after)) watchContact(turn, account, after);
  // An answer may cross a later request, or the end of one: this one's side has the last word.
  const unwanted = type === "subscribed" && !step.changed && !seenByOwner(after);
  if (unwanted || (type === "unsubscribed" && step.changed)) {
    oweSubscription(turn, account, p.from, p.fromId, "unsubscribe");
  }
  if (step.reply !== null) oweSubscription(turn, account, p.from, p.fromId, step.reply);
  settleWaiting(turn, account, p.from, asked);
}

// ---- the sender's side

function takeAck(turn: Turn, account: Account, p: ShardPacket & { kind: "pair_ack" }): void {
  settleAcked(turn, account, p);
  if (p.forget) replySettled(turn, account, p);
}

function settleAcked(turn: Turn, account: Account, p: ShardPacket & { kind: "pair_ack" }): void {
  const queue = account.outbox.get(p.from);
  if (account.id !== p.toId || queue === undefined || queue.toId !== p.fromId) return;
  const first = queue.entries[0]!.n;
  // What was acked before cannot be sent again: asked for that, do not answer with the same for
  // ever.
  const progress = account.runtime.progress(p.from, p.fromId);
  if (p.as === "gap" && p.n + 1 >= first) progress.lacks(p.n + 1);
  // Alone it says nothing of those before it: should one of them be lost, all are sent again.
  const settles = p.as === "alone" ? p.n === first : p.n >= first;
  if (settles && turn.writable) {
    const waitMs = turn.retries.waitMs("outbox", 1, spreadOfNumber(p.n));
    progress.acked(turn.now.mono + waitMs);
    progress.settled(p.n, p.as === "alone");
    for (const f of p.refused) {
      const entry = queue.entries.find((e) => e.n === f.n);
      if (f.n > p.n || entry?.payload.kind !== "message" || !account.alive) continue;
      const { id } = entry.payload;
      const num = account.conversations.get(p.from)!.ownNum(entry.payload.num);
      // Without a reason the sender must not notice, until a receipt would say that it arrived.
      if (f.reason === "") {
        // Alone it is not the last word: the same packet may yet be taken.
        if (p.as !== "alone") turn.append(account, { kind: "refused", with: p.from, num, id });
      } else turn.event(account, { kind: "undelivered", with: p.from, num, id, reason: f.reason });
    }
    const before = { packets: queue.entries.length, chars: account.outboxBytes };
    turn.append(account, { kind: "pair_acked", to: p.from, toId: p.fromId, n: p.n }, true);
    progress.drain?.drain(turn.now.mono, before.packets - queue.entries.length);
    account.runtime.drain?.drain(turn.now.mono, before.chars - account.outboxBytes);
    if (account.outbox.size === 0) account.runtime.drain = null;
    offerToForget(turn, account, p.from);
  }
  turn.sendOwed(account, p.from);
}

function takeGone(turn: Turn, account: Account, p: ShardPacket & { kind: "pair_gone" }): void {
  if (account.id !== p.toId || !turn.writable) return;
  const c = account.conversations.get(p.from);
  const queue = account.outbox.get(p.from);
  if (queue?.toId !== p.fromId && c?.peerId !== p.fromId) return;
  if (queue?.toId === p.fromId) countLost(turn, account, queue);
  turn.append(account, { kind: "pair_gone", to: p.from, toId: p.fromId }, true);
  turn.sendOwed(account, p.from);
}

/** Sends again what was not acked in time. */
export function retryOwed(turn: Turn, account: Account, kind: DueKind): void {
  if (kind === "receipts") return sendReceipts(turn, account);
  if (kind === "waiting") return turn.writable ? expireWaiting(turn, account) : undefined;
  if (kind === "push") return sendPushes(turn, account);
  if (kind === "requests") {
    const looks = account.active && turn.presence.sessions(account.name).length > 0;
    if (looks) announceRequests(turn, account, contactsOf(account));
    return;
  }
  sendOwedAgain(turn, account);
}

// ---- signals

function takeSignal(turn: Turn, account: Account, p: ShardPacket & { kind: "signal" }): void {
  if (!account.active || account.id !== p.toId || !accepts(account, p)) return;
  const sessions = turn.presence.sessions(account.name)
    .filter((s) => p.toDevice === null || s.device === p.toDevice);
  for (const node of new Set(sessions.map((s) => s.node))) {
    turn.emit(account, {
      kind: "edge",
      node,
      packet: {
        kind: "signal",
        sessions: sessions.filter((s) => s.node === node).map((s) => s.session),
        from: p.from,
        fromDevice: p.fromDevice,
        type: p.type,
        body: p.body,
        id: p.id,
      },
    });
  }
}
