/** Which blocks of a mailbox retention keeps for the unread messages in them. */
import type { Account } from "./account.ts";
import type { BlockRef } from "../mailbox/mailbox.ts";
import type { ReadonlyConversation } from "../mailbox/conversation.ts";
import type { ReadonlyUnreadMail, UnreadOfPeer } from "./unread_mail.ts";

/**
 * Whether a block is kept: from position `unreadFrom` on (0: none is) those that may have an unread
 * message. They can have more: own messages of the same conversation count, and whatever else is in
 * the block stays with it.
 */
export function isKept(account: Account, unreadFrom: number): (block: BlockRef) => boolean {
  if (unreadFrom === 0 || account.unread.size === 0) return () => false;
  const { unread } = account;
  return (block) => block.first >= unreadFrom && hasUnread(block, unread);
}

/** Whether a block may have an unread message: of all conversations, or of one. */
export function hasUnread(block: BlockRef, unread: ReadonlyUnreadMail, only = -1): boolean {
  const last = block.first + block.count - 1;
  return block.conversations.some((index) => {
    if (only >= 0 && index !== only) return false;
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
  return { conversation: c.index, first, last: Math.max(c.lastInSeq, known.at(-1)!.seq), count };
}
