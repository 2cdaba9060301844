/** The stored form of the items in the pages of a large account: contacts, blocks, conversations. */
import type { AccountName } from "../name/ids.ts";
import type { AccountState, Block } from "./account.ts";
import { accountIdOrNone } from "../record/fields.ts";
import { type ByteReader, CorruptBytes } from "../record/bytes.ts";
import type { Conversation } from "../mailbox/conversation.ts";
import type { ItemCodec } from "./item_pages.ts";
import { list, text, uint } from "../record/schema.ts";
import { readIndexed, skipConversation, writeIndexed } from "./head_items.ts";
import { ROSTER_ITEM, type RosterItem, skipContact } from "../roster/roster.ts";
import { struct } from "../record/struct.ts";

/** Index numbers without a conversation: a head with more is no head. */
const FREE_MAX = 1_000_000;

/** A block, behind its name: see `Block`. */
export const BLOCK = struct({ peerId: accountIdOrNone, lastSeen: uint });

/** Messages that were refused without a reason: see `Conversation.refusedOut`. */
export const REFUSED_RANGES = list(struct({ from: uint, to: uint, id: text }));

/** Contacts; a load counts in `a` whose requests are withheld. */
export function contactCodec(a: AccountState): ItemCodec<RosterItem> {
  return {
    write: (w, _, item) => ROSTER_ITEM.write(w, item),
    read: (r) => {
      const item = ROSTER_ITEM.read(r);
      return [item.contact, item];
    },
    load: (r) => {
      const { at } = r;
      if (skipContact(r)) a.withheldRequests++;
      return r.strAt(at) as AccountName;
    },
  };
}

/** Blocks. */
export function blockCodec(): ItemCodec<Block> {
  return {
    write: (w, name, block) => BLOCK.write(w.str(name), block),
    read: (r) => [r.str() as AccountName, BLOCK.read(r)],
    load: (r) => {
      const name = r.str() as AccountName;
      BLOCK.skip(r);
      return name;
    },
  };
}

/**
 * Conversations, and whether a device has yet to confirm messages of theirs. A load notes in `a` to whom
 * receipts are owed, and in `indexes` their index numbers.
 */
export function conversationCodec(
  a: AccountState,
  indexes: Set<number> | null,
): ItemCodec<Conversation> {
  return {
    write: (w, name, c) => {
      writeIndexed(w, c);
      w.uint(c.outBase).bool(a.undelivered.has(name));
      REFUSED_RANGES.write(w, c.refusedOut);
    },
    read: (r) => {
      const [name, c] = readIndexed(r);
      c.outBase = r.uint();
      r.bool();
      // Most have none: one object for all of them.
      if (!r.takeZero()) c.refusedOut = REFUSED_RANGES.read(r);
      return [name, c];
    },
    load: (r) => {
      indexes?.add(r.uint());
      const { at } = r;
      const owed = skipConversation(r);
      const name = owed === "" ? r.strAt(at) as AccountName : owed;
      if (owed !== "") a.runtime.owed.add(owed);
      if (skipPageEnd(r)) a.undelivered.add(name);
      return name;
    },
  };
}

/** Skips what follows a conversation in a page; returns whether messages of it are undelivered. */
export function skipPageEnd(r: ByteReader): boolean {
  r.skipUints(1);
  const undelivered = r.bool();
  if (!r.takeZero()) REFUSED_RANGES.skip(r);
  return undelivered;
}

/** The index numbers below the highest that no conversation has, descending. Throws `CorruptBytes`. */
export function freeOf(used: ReadonlySet<number>, count: number): number[] {
  if (used.size !== count) throw new CorruptBytes("two conversations have one index");
  let highest = -1;
  for (const index of used) highest = Math.max(highest, index);
  if (highest + 1 - count > FREE_MAX) throw new CorruptBytes("a conversation's index is too high");
  const free: number[] = [];
  for (let i = highest; i >= 0; i--) if (!used.has(i)) free.push(i);
  return free;
}
