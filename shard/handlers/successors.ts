/**
 * Which of two accounts of a name is the later one. Account ids have no order, and a packet of a
 * deleted account may come late, when the next account of its name is known already. So a packet of
 * an account that this side does not know yet, where it knows others of the name, is taken only
 * after the shard of the name has said that it is the newest. What it says stays true: the question
 * names the accounts that were known when it was asked, and ids are never used again.
 */
import type { Account } from "../account/account.ts";
import type { AccountName } from "../name/ids.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { Turn } from "./turn.ts";

/** The accounts of the peer's name that are known, but for the one with this id. */
function othersOf(account: Account, peer: AccountName, id: string): string {
  const c = account.conversations.get(peer);
  const ids = new Set<string | undefined>([
    c?.inId,
    c?.peerId,
    account.roster.get(peer)?.peerId,
  ]);
  return [...ids].filter((known) => known !== undefined && known !== "" && known !== id).join(" ");
}

/**
 * Whether the sender of a packet is the account of its name whose packets are taken, or a later one.
 * Where it is not known the packet is to be dropped: if it is the newest, it will be sent again.
 */
export function isOfNewest(
  turn: Turn,
  account: Account,
  p: ShardPacket & { kind: "pair" },
): boolean {
  const { from, fromId: id, to, base } = p;
  if (account.conversations.get(from)?.inId === id) return true;
  const known = othersOf(account, from, id);
  if (known === "") return true;
  const asked = account.runtime.successor(from);
  if (asked?.id === id && asked.known === known && asked.isNewest) return true;
  account.runtime.noteSuccessor(from, { id, known, base, isNewest: false });
  turn.send(account, { kind: "newest", from: to, to: from, id, known });
  return false;
}

/** Replies where the account with that id has the name, or is the deleted one that still owes packets. */
export function answerNewest(
  turn: Turn,
  account: Account,
  p: ShardPacket & { kind: "newest" },
): void {
  if (account.id !== p.id) return;
  turn.send(account, { ...p, kind: "is_newest", from: account.name, to: p.from });
}

/** The account with that id is later than all that were known: asks for its packets again. */
export function takeNewest(
  turn: Turn,
  account: Account,
  p: ShardPacket & { kind: "is_newest" },
): void {
  const asked = account.runtime.successor(p.from);
  if (!account.alive || account.id === "" || asked === undefined || asked.isNewest) return;
  const { id, known, base } = asked;
  if (p.id !== id || p.known !== known || othersOf(account, p.from, id) !== known) return;
  account.runtime.noteSuccessor(p.from, { ...asked, isNewest: true });
  turn.send(account, {
    kind: "pair_ack",
    as: "gap",
    from: account.name,
    fromId: account.id,
    to: p.from,
    toId: id,
    n: base - 1,
    refused: [],
    forget: false,
  });
}
