/** Which blocks of a mailbox retention keeps for the unread messages in them. */
import type { Account } from "./account.ts";
import type { BlockRef } from "../mailbox/mailbox.ts";
import type { ReadonlyConversation } from "../mailbox/conversation.ts";
import type { UnreadOfPeer } from "./unread_mail.ts";

/**
 * Whether a block is kept: from position `unreadFrom` on (0: none is) those that may have an unread
 * message. They can have more: own messages of the same conversation count, and whatever else is in
 * the block stays with it.
 */
export function isKept(account: Account, unreadFrom: number): (block: BlockRef) => boolean {
  if (unreadFrom === 0 || account.unread.size === 0) return () => false;
  const unread = unreadByIndex(account);
  return (block) => block.first >= unreadFrom && hasUnread(block, unread);
}

/** Unread messages by the index number of their conversation. */
export type UnreadByIndex = ReadonlyMap<number, UnreadOfPeer>;

/** The unread messages of all peers, or of one. */
export function unreadByIndex(account: Account, peer?: Account["name"]): UnreadByIndex {
  const found = new Map<number, UnreadOfPeer>();
  for (const of of account.unread.values()) {
    const c = peer === undefined || peer === of.peer
      ? account.conversations.get(of.peer)
      : undefined;
    if (c !== undefined) found.set(c.index, of);
  }
  return found;
}

/** Whether a block may have one of the messages. */
export function hasUnread(block: BlockRef, unread: UnreadByIndex): boolean {
  const last = block.first + block.count - 1;
  return block.conversations.some((index) => {
    const of = unread.get(index);
    return of !== undefined && of.first <= last && of.last >= block.first;
  });
}

/** The unread messages of a conversation by its marks, in a mailbox that begins at `mailboxFirst`. */
export function unreadOf(c: ReadonlyConversation, mailboxFirst: number): UnreadOfPeer | null {
  const known = c.unread.filter((u) => u.seq >= mailboxFirst);
  if (known.length === 0) return null;
  const { seq } = known[0]!;
  const more = known.length === c.unread.length ? c.unreadMore : 0;
  const first = more === 0 ? seq : Math.min(seq, Math.max(c.readUpTo + 1, mailboxFirst));
  const count = known.length + Math.min(more, seq - first);
  return { peer: c.with, first, last: Math.max(c.lastInSeq, known.at(-1)!.seq), count };
}
