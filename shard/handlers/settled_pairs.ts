/**
 * Forgets pairs that are settled, so that strangers leave nothing behind in an account. What makes
 * delivery exactly-once is then kept by two numbers of the account, whatever the pairs were:
 *
 * - The recipient of packets deletes its record only after the sender's shard has said, from durable
 *   state, that it will never again send what was taken (`pair_settled`). Copies may still be on
 *   their way: they name an earlier generation, and only packets of the present one may begin a pair.
 * - The sender of packets deletes its record only while it owes the peer none. Its next packets, to
 *   any peer without a record, have numbers above all that it has forgotten.
 */
import type { Account } from "../account/account.ts";
import type { AccountId, AccountName } from "../name/ids.ts";
import type { ReadonlyConversation } from "../mailbox/conversation.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { Turn } from "./turn.ts";

/** While an account has no room, settled pairs are looked for once in so many ms. */
const AGAIN_MS = 1000;
/** Pairs that are offered at once. */
const OFFERS_MAX = 256;

/**
 * Whether nothing of the conversation is left but the numbers of its pair: no contact or request, no
 * own message, no retained message of the peer, nothing owed.
 */
function isSettled(account: Account, c: ReadonlyConversation): boolean {
  const { with: peer } = c;
  if (peer === account.name || c.outNum > 0) return false;
  if (c.lastSeq >= Math.max(1, account.mailbox.first) || account.undelivered.has(peer)) {
    return false;
  }
  if (account.unread.get(c.index) !== undefined) return false;
  const told = c.deliveredIn <= c.deliveredInTold && c.readIn <= c.readInTold;
  if (!told && !account.blocked.has(peer)) return false;
  return !account.roster.has(peer) && account.outbox.get(peer) === undefined &&
    !account.waiting.has(peer);
}

/** Whether an ack of everything taken from the peer asks it for `pair_settled`. */
export function wantsToForget(account: Account, c: ReadonlyConversation | undefined): boolean {
  return c !== undefined && account.alive && isSettled(account, c);
}

/** Forgets a pair that has taken nothing, or asks the peer's shard whether it may be forgotten. */
function offer(turn: Turn, account: Account, c: ReadonlyConversation): void {
  if (c.inId === "") {
    turn.append(account, { kind: "pair_forgotten", with: c.with }, true);
    return;
  }
  turn.send(account, {
    kind: "pair_ack",
    from: account.name,
    fromId: account.id as AccountId,
    to: c.with,
    toId: c.inId,
    as: "upTo",
    n: c.pairIn,
    refused: [...c.refusals],
    forget: true,
  });
}

/** Call it where the last packet to a peer was settled. */
export function offerToForget(turn: Turn, account: Account, peer: AccountName): void {
  const c = account.conversations.get(peer);
  if (turn.writable && wantsToForget(account, c)) offer(turn, account, c!);
}

/**
 * Makes room in an account that has none: returns whether settled pairs were found, most of which
 * are forgotten as soon as the shards of the peers have replied.
 */
export function forgetSettled(turn: Turn, account: Account): boolean {
  const { runtime } = account;
  if (!turn.writable) return true;
  if (turn.now.mono < runtime.forgetAtMs) return runtime.forgetting;
  const settled: ReadonlyConversation[] = [];
  for (const c of account.conversations.values()) {
    if (wantsToForget(account, c) && settled.push(c) >= OFFERS_MAX) break;
  }
  for (const c of settled) offer(turn, account, c);
  runtime.forgetAtMs = turn.now.mono + AGAIN_MS;
  runtime.forgetting = settled.length > 0;
  return runtime.forgetting;
}

/** The recipient wants to forget the pair: it may where nothing it has taken can be sent again. */
export function replySettled(
  turn: Turn,
  account: Account,
  p: ShardPacket & { kind: "pair_ack" },
): void {
  if (!turn.writable) return;
  const { from, fromId, to, toId, n } = p;
  const queue = account.id === toId ? account.outbox.get(from) : undefined;
  if (queue?.toId === fromId && queue.entries[0]!.n <= n) return;
  turn.send(account, { kind: "pair_settled", from: to, fromId: toId, to: from, toId: fromId, n });
}

/** The sender's shard has said that the pair can be forgotten, if nothing has come since. */
export function takeSettled(
  turn: Turn,
  account: Account,
  p: ShardPacket & { kind: "pair_settled" },
): void {
  const c = account.conversations.get(p.from);
  if (!turn.writable || account.id !== p.toId || !wantsToForget(account, c)) return;
  if (c!.inId !== p.fromId || c!.pairIn !== p.n) return;
  turn.append(account, { kind: "pair_forgotten", with: p.from }, true);
}

/** Tells the sender of a packet that may be a copy of a settled one which generation is the present. */
export function replyUnknown(
  turn: Turn,
  account: Account,
  p: ShardPacket & { kind: "pair" },
): void {
  turn.send(account, {
    kind: "pair_unknown",
    from: p.to,
    fromId: p.toId,
    to: p.from,
    toId: p.fromId,
    generation: account.pairGeneration,
  });
}

/** The recipient has no record of the pair: what is not settled is sent again, with its generation. */
export function takeUnknown(
  turn: Turn,
  account: Account,
  p: ShardPacket & { kind: "pair_unknown" },
): void {
  const queue = account.outbox.get(p.from);
  if (account.id !== p.toId || queue === undefined || queue.toId !== p.fromId) return;
  const progress = account.runtime.progress(p.from, p.fromId);
  if (p.generation === progress.generation) return;
  progress.generation = p.generation;
  progress.sentTo = 0;
  turn.sendOwed(account, p.from);
}
