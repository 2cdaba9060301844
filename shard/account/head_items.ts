/** The stored form of an account's contacts and conversations, which is read when they are needed. */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { Account } from "./account.ts";
import type { ByteReader, ByteWriter } from "../record/bytes.ts";
import type { LazyMap } from "./lazy_map.ts";
import type { RosterItem } from "../roster/roster.ts";
import { Conversation } from "../mailbox/conversation.ts";
import { readRosterItem, skipRosterItem } from "../record/records.ts";

/** Writes a conversation, but for what `readLater` of a head brings. */
export function writeConversation(w: ByteWriter, c: Conversation): void {
  w.str(c.with).str(c.peerId).uint(c.outNum).uint(c.pairOut).str(c.inId).uint(c.pairIn);
  w.uint(c.refusals.length);
  for (const f of c.refusals) w.uint(f.n).str(f.reason);
  w.uint(c.lastSeq).uint(c.lastAt).uint(c.lastInSeq).uint(c.lastInNum);
  w.uint(c.unread.length);
  for (const u of c.unread) w.uint(u.seq).uint(u.num);
  w.uint(c.unreadMore).uint(c.readUpTo).uint(c.deliveredIn).uint(c.readIn);
  w.uint(c.deliveredInTold).uint(c.readInTold).uint(c.deliveredOut).uint(c.readOut);
}

function readConversation(r: ByteReader, index: number): readonly [AccountName, Conversation] {
  const c = new Conversation(r.str() as AccountName, index);
  c.peerId = r.str() as AccountId | "";
  c.outNum = r.uint();
  c.pairOut = r.uint();
  const inId = r.str() as AccountId | "";
  // Most are the same: one text for both.
  c.inId = inId === c.peerId ? c.peerId : inId;
  c.pairIn = r.uint();
  for (let i = r.uint(); i > 0; i--) c.addRefusal({ n: r.uint(), reason: r.str() });
  c.lastSeq = r.uint();
  c.lastAt = r.uint();
  c.lastInSeq = r.uint();
  c.lastInNum = r.uint();
  for (let i = r.uint(); i > 0; i--) c.addUnread(r.uint(), r.uint());
  c.unreadMore = r.uint();
  c.readUpTo = r.uint();
  c.deliveredIn = r.uint();
  c.readIn = r.uint();
  c.deliveredInTold = r.uint();
  c.readInTold = r.uint();
  c.deliveredOut = r.uint();
  c.readOut = r.uint();
  return [c.with, c];
}

/** Passes over a conversation; answers its name where the peer is owed a receipt, else "". */
function skipConversation(r: ByteReader): AccountName | "" {
  const at = r.at;
  r.skipStr();
  r.skipStr();
  r.skipUints(2);
  r.skipStr();
  r.uint();
  for (let i = r.uint(); i > 0; i--) {
    r.uint();
    r.skipStr();
  }
  r.skipUints(4);
  for (let i = r.uint(); i > 0; i--) r.skipUints(2);
  r.skipUints(2);
  const delivered = r.uint();
  const read = r.uint();
  const owes = delivered > r.uint();
  const owesRead = read > r.uint();
  r.skipUints(2);
  return owes || owesRead ? r.strAt(at) as AccountName : "";
}

/** Takes the conversations as they are stored, and notes whose receipts are owed. Throws `CorruptBytes`. */
export function holdConversations(r: ByteReader, account: Account): void {
  const count = r.uint();
  const at = r.at;
  for (let i = 0; i < count; i++) {
    const owed = skipConversation(r);
    if (owed !== "") account.owed.add(owed);
  }
  account.lazyConversations.hold(r.since(at), count, readConversation);
}

function readContact(r: ByteReader): readonly [AccountName, RosterItem] {
  const item = readRosterItem(r);
  return [item.contact, item];
}

/** Takes the contacts as they are stored. Throws `CorruptBytes`. */
export function holdContacts(r: ByteReader, account: Account): void {
  const count = r.uint();
  const at = r.at;
  for (let i = 0; i < count; i++) skipRosterItem(r);
  account.lazyRoster.hold(r.since(at), count, readContact);
}

/** Writes their number and all of them, as they were stored if nobody has looked into them. */
export function writeAll<V>(
  w: ByteWriter,
  items: LazyMap<V>,
  write: (w: ByteWriter, item: V) => void,
): void {
  w.uint(items.size);
  if (items.bytes !== null) w.raw(items.bytes);
  else items.forEach((item) => write(w, item));
}
