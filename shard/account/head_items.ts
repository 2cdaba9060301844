/** The stored form of an account's contacts and conversations, which is read when they are needed. */
import type { AccountName } from "../name/ids.ts";
import type { Account, AccountState } from "./account.ts";
import type { ByteReader, ByteWriter } from "../record/bytes.ts";
import type { ReadonlyLazyMap } from "./lazy_map.ts";
import { accountIdOrNone, accountName } from "../record/fields.ts";
import { Conversation, type ReadonlyConversation } from "../mailbox/conversation.ts";
import { list, text, uint } from "../record/schema.ts";
import { ROSTER_ITEM, type RosterItem, skipContact } from "../roster/roster.ts";
import { freeOf, skipPageEnd } from "./page_items.ts";
import { struct } from "../record/struct.ts";

const REFUSALS = list(struct({ n: uint, reason: text }));
const UNREAD = list(struct({ seq: uint, num: uint }));

/** A conversation, but for its marks and for what `readLater` of a head adds. */
const CONVERSATION = struct({
  with: accountName,
  peerId: accountIdOrNone,
  outNum: uint,
  pairOut: uint,
  inId: accountIdOrNone,
  pairIn: uint,
  refusals: REFUSALS,
  lastSeq: uint,
  lastAt: uint,
  lastInSeq: uint,
  lastInNum: uint,
  unread: UNREAD,
  unreadMore: uint,
  readUpTo: uint,
});

/** The marks that follow it. */
const MARKS = struct({
  deliveredIn: uint,
  readIn: uint,
  deliveredInTold: uint,
  readInTold: uint,
  deliveredOut: uint,
  readOut: uint,
});

const MARKS_COUNT = Object.keys(MARKS.fields).length;

/** Writes a conversation, but for its index and for what `readLater` of a head adds. */
function writeConversation(w: ByteWriter, c: ReadonlyConversation): void {
  CONVERSATION.write(w, c);
  MARKS.write(w, c);
}

/** The same with its index before it: where pairs were forgotten, its place does not say it. */
export function writeIndexed(w: ByteWriter, c: ReadonlyConversation): void {
  writeConversation(w.uint(c.index), c);
}

/** Writes all conversations, see `holdConversations`. */
export function writeConversations(w: ByteWriter, a: Account): void {
  writeAll(w, a.lazyConversations, isIndexed(a) ? writeIndexed : writeConversation);
}

/** Whether the account's head names the index of each conversation. */
export function isIndexed(a: Pick<Account, "pairGeneration">): boolean {
  return a.pairGeneration > 0;
}

function readConversation(r: ByteReader, index: number): readonly [AccountName, Conversation] {
  const c = new Conversation("" as AccountName, index);
  const { refusals, unread } = c;
  CONVERSATION.fill(r, c);
  MARKS.fill(r, c);
  // Most conversations have none of either, and one id twice: one object for all of them.
  if (c.refusals.length === 0) c.refusals = refusals;
  if (c.unread.length === 0) c.unread = unread;
  if (c.inId === c.peerId) c.inId = c.peerId;
  return [c.with, c];
}

/** Reads a conversation behind its index. */
export function readIndexed(r: ByteReader): readonly [AccountName, Conversation] {
  return readConversation(r, r.uint());
}

/**
 * Calls `take` with the conversations that have an event from `firstSeq` on, and with those that have
 * unread messages that are kept; those that are as they were stored are read only where they have.
 */
export function forEachSince(
  account: Account,
  firstSeq: number,
  take: (c: ReadonlyConversation) => void,
): void {
  const since = Math.max(1, firstSeq);
  const keepsBefore = account.unread.first < since;
  const hasKept = (index: number) => keepsBefore && account.unread.get(index) !== undefined;
  const { paged } = account.lazyConversations;
  const indexed = paged || isIndexed(account);
  let place = 0;
  account.lazyConversations.scan((r) => {
    const kept = hasKept(indexed ? r.uint() : place++);
    const at = r.at;
    if (skipToLastSeq(r).uint() < since && !kept) {
      skipFromLastAt(r);
      r.skipUints(MARKS_COUNT);
    } else {
      r.back(at);
      take(readConversation(r, 0)[1]);
    }
    if (paged) skipPageEnd(r);
  }, (c) => {
    if (c.lastSeq >= since || hasKept(c.index)) take(c);
  });
}

/** Skips the fields of `CONVERSATION` before `lastSeq`. */
function skipToLastSeq(r: ByteReader): ByteReader {
  r.skipStr();
  r.skipStr();
  r.skipUints(2);
  r.skipStr();
  r.skipUints(1);
  if (!r.takeZero()) REFUSALS.skip(r);
  return r;
}

/** Skips the fields of `CONVERSATION` behind `lastSeq`, but not the marks. */
function skipFromLastAt(r: ByteReader): void {
  r.skipUints(3);
  if (!r.takeZero()) UNREAD.skip(r);
  r.skipUints(2);
}

/** Skips a conversation; returns its name where the peer is owed a receipt, else "". */
export function skipConversation(r: ByteReader): AccountName | "" {
  const at = r.at;
  skipToLastSeq(r).skipUints(1);
  skipFromLastAt(r);
  // The fields of `MARKS` in their order: as an object they would double the time of a load.
  const delivered = r.uint();
  const read = r.uint();
  const owesDelivered = delivered > r.uint();
  const owesRead = read > r.uint();
  r.skipUints(2);
  return owesDelivered || owesRead ? r.strAt(at) as AccountName : "";
}

/** Takes the conversations as they are stored, and notes whose receipts are owed. Throws `CorruptBytes`. */
export function holdConversations(r: ByteReader, account: AccountState): void {
  const count = r.uint();
  const at = r.at;
  const indexed = isIndexed(account);
  const indexes = new Set<number>();
  for (let i = 0; i < count; i++) {
    if (indexed) indexes.add(r.uint());
    const owed = skipConversation(r);
    if (owed !== "") account.runtime.owed.add(owed);
  }
  account.lazyConversations.hold(r.since(at), count, indexed ? readIndexed : readConversation);
  if (indexed) account.freeIndexes = freeOf(indexes, count);
}

function readContact(r: ByteReader): readonly [AccountName, RosterItem] {
  const item = ROSTER_ITEM.read(r);
  return [item.contact, item];
}

/** Takes the contacts as they are stored. Throws `CorruptBytes`. */
export function holdContacts(r: ByteReader, account: AccountState): void {
  const count = r.uint();
  const at = r.at;
  for (let i = 0; i < count; i++) if (skipContact(r)) account.withheldRequests++;
  account.lazyRoster.hold(r.since(at), count, readContact);
}

/** Writes their number and all of them, as they were stored if nobody has looked into them. */
export function writeAll<V>(
  w: ByteWriter,
  items: ReadonlyLazyMap<V>,
  write: (w: ByteWriter, item: V) => void,
): void {
  w.uint(items.size);
  if (items.bytes !== null) w.raw(items.bytes);
  else items.forEach((item) => write(w, item));
}
