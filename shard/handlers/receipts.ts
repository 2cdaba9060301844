/** Receipts between two accounts: positions that only rise, and that no refused message is part of. */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { Account } from "../account/account.ts";
import { FewSet } from "../account/few.ts";
import type { ReadonlyConversation } from "../mailbox/conversation.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { Turn } from "./turn.ts";
import { NOT_ACCEPTED } from "./waiting_messages.ts";
import { spreadOf } from "../retry.ts";

/**
 * Finds which of `peers`, and of those whose receipts a block withheld, are owed a receipt after a mark
 * has moved or a block has ended.
 */
export function noteOwed(account: Account, peers: readonly AccountName[]): void {
  const { runtime } = account;
  const withheld = runtime.withheld ?? [];
  runtime.withheld = null;
  for (const peer of [...peers, ...withheld]) {
    const c = account.conversations.get(peer);
    if (c === undefined) continue;
    if (c.deliveredIn > c.deliveredInTold || c.readIn > c.readInTold) runtime.owed.add(peer);
  }
}

/** Sends the receipts that the account owes, again until they are acked. */
export function sendReceipts(turn: Turn, account: Account): void {
  for (const peer of account.runtime.owed) {
    const c = account.conversations.get(peer);
    const told = c === undefined || c.inId === "" ||
      (c.deliveredIn <= c.deliveredInTold && c.readIn <= c.readInTold);
    if (told || !account.alive || account.blocked.has(peer)) {
      account.runtime.owed.delete(peer);
      if (!told) (account.runtime.withheld ??= new FewSet()).add(peer);
      continue;
    }
    turn.send(account, {
      kind: "receipt",
      from: account.name,
      fromId: account.id as AccountId,
      to: peer,
      toId: c.inId as AccountId,
      delivered: c.deliveredIn,
      read: c.readIn,
    });
  }
  const tries = ++account.runtime.owedAttempts;
  const random = spreadOf(account.name, tries);
  const { retries } = turn;
  // The first time they are not sent again yet: the wait is for their ack.
  const waitMs = tries === 1
    ? retries.waitMs("receipts", tries, random)
    : retries.againMs("receipts", tries, random);
  turn.scheduleReceipts(account, waitMs);
}

/** A receipt covers all messages before it: those of them that never arrived are named first. */
function tellRefused(turn: Turn, account: Account, c: ReadonlyConversation, upTo: number): void {
  for (const { from, to: num, id } of c.refusedUpTo(upTo)) {
    const of = { with: c.with, num, reason: NOT_ACCEPTED };
    if (id !== "") turn.event(account, { kind: "undelivered", ...of, id });
    else {
      const seq = account.mailbox.last + 1;
      const at = turn.eventTime(account);
      turn.push(account, turn.append(account, { kind: "refused_told", ...of, from, seq, at })!);
    }
  }
}

/** Whether the recipient's acks of what a receipt covers have come: they name what it refused. */
function areAcked(account: Account, p: ShardPacket & { kind: "receipt" }): boolean {
  const queue = account.outbox.get(p.from);
  if (queue?.toId !== p.fromId) return true;
  const first = queue.entries.find(({ payload }) => payload.kind === "message")?.payload;
  return first?.kind !== "message" || first.num > Math.max(p.delivered, p.read);
}

/** The recipient of this account's messages says how far it has them. */
export function takeReceipt(
  turn: Turn,
  account: Account,
  p: ShardPacket & { kind: "receipt" },
): void {
  if (!turn.writable) return;
  const c = account.conversations.get(p.from);
  if (account.alive && account.id === p.toId && c?.peerId === p.fromId) {
    const delivered = c.ownNum(p.delivered);
    const read = c.ownNum(p.read);
    if (delivered > c.deliveredOut || read > c.readOut) {
      // Lost acks come again, and then the receipt.
      if (!areAcked(account, p)) return;
      tellRefused(turn, account, c, Math.max(delivered, read));
      turn.append(account, { kind: "receipt", with: p.from, delivered, read });
      turn.event(account, {
        kind: "receipt",
        with: p.from,
        delivered: c.deliveredOut,
        read: c.readOut,
      });
    }
  }
  turn.send(account, {
    kind: "receipt_ack",
    from: p.to,
    fromId: p.toId,
    to: p.from,
    toId: p.fromId,
    delivered: p.delivered,
    read: p.read,
  });
}

/** The peer knows how far this account has its messages. */
export function takeReceiptAck(
  turn: Turn,
  account: Account,
  p: ShardPacket & { kind: "receipt_ack" },
): void {
  const c = account.conversations.get(p.from);
  if (account.id !== p.toId || c?.inId !== p.fromId || !turn.writable) return;
  account.runtime.owedAttempts = 0;
  const { delivered, read } = p;
  if (delivered > c.deliveredInTold || read > c.readInTold) {
    turn.append(account, { kind: "receipt_told", with: p.from, delivered, read }, true);
  }
  if (c.deliveredIn <= c.deliveredInTold && c.readIn <= c.readInTold) {
    account.runtime.owed.delete(p.from);
  }
}
