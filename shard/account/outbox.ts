/** What an account owes to others: packets that their shards have not acked. Changed by `apply` alone. */
import type { AccountState } from "./account.ts";
import type { AccountId } from "../name/ids.ts";
import type { Conversation } from "../mailbox/conversation.ts";
import type { Entry } from "./records.ts";
import type { Payload } from "../message/packets.ts";
import { sentExt } from "../message/note.ts";

/** Adds a packet to what is owed to the account `toId`. */
export function pushOutbox(
  account: AccountState,
  to: AccountState["name"],
  toId: AccountId,
  n: number,
  payload: Payload,
): void {
  let queue = account.outbox.get(to);
  if (queue === undefined) {
    queue = { to, toId, entries: [] };
    account.outbox.set(to, queue);
  }
  queue.entries.push({ n, payload });
  account.outboxBytes += payloadSize(payload);
}

/** Characters of what a packet carries. */
export function payloadSize(payload: Payload): number {
  return payload.kind === "message" ? payload.body.length + payload.ext.length + 100 : 50;
}

/** Subtracts what these packets took. */
export function dropOwed(
  account: AccountState,
  entries: readonly { readonly payload: Payload }[],
): void {
  for (const { payload } of entries) account.outboxBytes -= payloadSize(payload);
}

/** Messages on their way to another account of the name never arrive. */
export function abandonOutbox(account: AccountState, c: Conversation, toId: string): void {
  const queue = account.outbox.get(c.with);
  if (queue === undefined || queue.toId === toId) return;
  dropOwed(account, queue.entries);
  account.outbox.delete(c.with);
  for (const { payload } of queue.entries) {
    if (payload.kind === "message") c.addRefusedOut(c.ownNum(payload.num), payload.id);
  }
}

/** A later message is sent to the peer: those that still wait cannot be delivered in order. */
export function overtake(account: AccountState, c: Conversation): void {
  for (const { num, id } of account.waiting.get(c.with) ?? []) c.addRefusedOut(num, id);
  account.waiting.delete(c.with);
}

/** Puts the messages that wait for the account `toId` into the outbox, in order. */
export function applyReleased(
  account: AccountState,
  e: Entry & { kind: "waiting_released" },
): void {
  const c = account.conversation(e.to);
  const waiting = account.waiting.get(e.to) ?? [];
  account.waiting.delete(e.to);
  abandonOutbox(account, c, e.toId);
  const released = waiting.filter((m) => m.toId === e.toId);
  // The account was taken for gone since, and is reached anew: it gets numbers of these, too.
  if (released.length > 0) c.outBase = Math.min(c.outBase, released[0]!.num - 1);
  for (const { num: own, id, body, ext } of released) {
    const num = own - c.outBase;
    const payload = { num, id, body, ext: sentExt(ext, c.outBase) };
    pushOutbox(account, e.to, e.toId, ++c.pairOut, { kind: "message", ...payload });
  }
}

/** Uses no number again that the peer has. */
export function applyNumbersUsed(
  account: AccountState,
  e: Entry & { kind: "numbers_used" },
): void {
  const c = account.conversation(e.to);
  abandonOutbox(account, c, e.toId);
  c.reach(e.toId);
  c.pairOut = Math.max(c.pairOut, e.n);
  // The peer counts from its own first one.
  c.outNum = Math.max(c.outNum, e.num + c.outBase);
}

/** The account `toId` was deleted. */
export function applyGone(account: AccountState, e: Entry & { kind: "pair_gone" }): void {
  const c = account.conversation(e.to);
  if (account.outbox.get(e.to)?.toId === e.toId) abandonOutbox(account, c, "");
  if (c.peerId === e.toId) c.peerId = "";
}
