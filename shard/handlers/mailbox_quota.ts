/**
 * How much of a mailbox others may fill with messages that nobody reads. The more is taken, the less
 * each of them may have: whatever some do, the next one still finds room.
 */
import type { Account } from "../account/account.ts";
import type { AccountName } from "../name/ids.ts";
import type { Turn } from "./turn.ts";
import { hasUnread } from "../account/kept_blocks.ts";
import { KEPT_BLOCKS_MAX } from "../mailbox/mailbox.ts";

/** A contact may have this part of what others leave. */
const CONTACT_PART = 1 / 2;
/** All who are no contacts may have this part of everything, … */
const STRANGERS_PART = 1 / 2;
/** … and each of them this part of what of that is left. */
const STRANGER_PART = 1 / 8;
/** No conversation has this index. */
const NONE = -1;
/** With fewer unread messages than these, the blocks that hold them need not be counted. */
const FEW_MESSAGES = 64;

/**
 * Takes care that the mailbox has room for a message of `peer`, and returns whether it has. Without
 * room the peer's oldest unread messages make room for its new one, if a device has them.
 */
export function makeRoom(turn: Turn, account: Account, peer: AccountName): boolean {
  if (hasRoom(turn, account, peer)) return true;
  const upTo = releasable(account, peer);
  const full = blocksWith(account) >= KEPT_BLOCKS_MAX;
  if (upTo === 0 || full) return false;
  turn.append(account, { kind: "unread_released", with: peer, upTo });
  return true;
}

/** Whether the mailbox has room for a message more of `peer` that nobody has read. */
export function hasRoom(turn: Turn, account: Account, peer: AccountName): boolean {
  const { unread } = account;
  const max = turn.limits.mailboxEventsMax;
  const index = account.conversations.get(peer)?.index ?? NONE;
  const held = unread.get(index)?.count ?? 0;
  if (!fits(account, peer, held, unread.count - held, max)) return false;
  if (unread.count < FEW_MESSAGES) return true;
  // Nobody has more than all blocks: most mailboxes need no count.
  const most = account.mailbox.blocks.length;
  if (fits(account, peer, most, most, KEPT_BLOCKS_MAX)) return true;
  const own = index === NONE ? 0 : blocksWith(account, index);
  const all = blocksWith(account);
  return fits(account, peer, own, all - own, KEPT_BLOCKS_MAX);
}

/** Whether who has `held` of `max` may have one more, where others have `others`. */
function fits(
  account: Account,
  peer: AccountName,
  held: number,
  others: number,
  max: number,
): boolean {
  const isContact = account.roster.get(peer)?.listed === true;
  const room = isContact
    ? (max - others) * CONTACT_PART
    : (max * STRANGERS_PART - others) * STRANGER_PART;
  return held < Math.ceil(room);
}

/** How many blocks have unread messages: of all conversations, or of one. */
function blocksWith({ mailbox, unread }: Account, only?: number): number {
  return mailbox.blocks.reduce((sum, b) => hasUnread(b, unread, only) ? sum + 1 : sum, 0);
}

/**
 * Position up to which the peer's oldest unread messages can be given up; 0 where no device has
 * them. It is the first one, or all that are not remembered one by one.
 */
function releasable(account: Account, peer: AccountName): number {
  const c = account.conversations.get(peer);
  const of = c === undefined ? undefined : account.unread.get(c.index);
  if (of === undefined || c === undefined) return 0;
  const known = c.unread.filter((u) => u.seq >= of.first);
  if (known.length === 0) return 0;
  const { seq } = known[0]!;
  const upTo = of.first < seq ? seq - 1 : seq;
  return upTo <= account.ackedSeq ? upTo : 0;
}
