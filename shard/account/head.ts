/**
 * The stored form of an account's head in one piece: everything of it but what is in rows of their own.
 * Those of large accounts are in `head_paged.ts`.
 */
import type { AccountName, MailboxId } from "../name/ids.ts";
import type { Account, AccountState } from "./account.ts";
import type { FormerBlock } from "../message/dedupe_rows.ts";
import {
  accountId,
  accountIdOrNone,
  accountName,
  credentialsOrNone,
  deviceId,
  mailboxId,
  messagesFrom,
} from "../record/fields.ts";
import { readSections, writeSections } from "./head_sections.ts";
import { BLOCK_REF } from "./block_pages.ts";
import { bytes, list, mapped, oneOf, optional, text, uint } from "../record/schema.ts";
import {
  holdContacts,
  holdConversations,
  isIndexed,
  writeAll,
  writeConversations,
} from "./head_items.ts";
import {
  HEAD_VERSION,
  HEAD_VERSION_INDEXED,
  readHeadVersion,
  writeHeadVersion,
} from "./head_version.ts";
import { DedupeWindow } from "../message/dedupe.ts";
import { Mailbox } from "../mailbox/mailbox.ts";
import { BLOCK, REFUSED_RANGES } from "./page_items.ts";
import { PAYLOAD } from "../message/packets.ts";
import { unreadOf } from "./kept_blocks.ts";
import { payloadSize } from "./outbox.ts";
import { struct } from "../record/struct.ts";
import { ROSTER_ITEM } from "../roster/roster.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../record/bytes.ts";

const STATES = ["absent", "active", "disabled", "closed", "invite", "importing"] as const;

/** A device, but for when it was used, which `readLater` adds. */
const DEVICE = mapped(
  struct({ device: deviceId, label: text, tokenHash: bytes, createdAt: uint, expiresAt: uint }),
  (d) => ({ ...d, usedAt: 0 }),
  (d) => d,
);

/** What a head begins with, behind its version and LSN. */
export const HEAD_START = struct({
  state: oneOf("account checkpoint", STATES),
  id: accountIdOrNone,
  createdAt: uint,
  credentials: credentialsOrNone,
  devices: list(DEVICE),
  messagesFrom,
  lastSeen: uint,
  ackedSeq: uint,
  invite: optional("invite", struct({ expiresAt: uint, usedBy: text })),
});

const QUEUE = struct({
  to: accountName,
  toId: accountId,
  entries: list(struct({ n: uint, payload: PAYLOAD })),
});

/** Rows of former accounts of the name. */
export const PURGE = list(struct({ id: accountId, blocks: list(uint), dedupe: list(uint) }));

/** Dedupe blocks of former versions. */
export const FORMER = list(struct({ number: uint, firstAt: uint, lastAt: uint, count: uint }));

const RANGES = list(
  struct({ id: accountId, table: oneOf("purged rows", ["d", "h"] as const), from: uint, to: uint }),
);

/** A set of numbers. */
export function setOf(items: readonly number[]): ReadonlySet<number> {
  return new Set(items);
}

/** A mailbox, but for the events in its tail, which follow. */
export const MAILBOX = struct({
  id: mailboxId,
  blocks: list(BLOCK_REF),
  tailFirst: uint,
  lastAt: uint,
  tailConversations: mapped(list(uint), setOf, (set) => [...set]),
});

/** Of conversations with several accounts of one name: see `Conversation.outBase`. */
const OUT_BASES = list(struct({ with: accountName, outBase: uint }));

/** Of conversations with messages that were refused without a word: see `Conversation.refusedOut`. */
const REFUSED_OUT = list(struct({
  with: accountName,
  refusedOut: REFUSED_RANGES,
}));

/** Where the account has signed in from: see `KnownPlace`. */
const KNOWN_PLACES = list(struct({ place: uint, at: uint }));

/** Outside identities: see `Account.identities`. */
const IDENTITIES = list(text);

/** Messages that wait with requests: see `Account.waiting`. */
const WAITING = list(struct({
  to: accountName,
  messages: list(struct({
    toId: accountIdOrNone,
    at: uint,
    num: uint,
    id: text,
    body: text,
    ext: text,
  })),
}));

/** What retention keeps although it is over count: see `UnreadMail`. */
const UNREAD_MAIL = list(struct({ conversation: uint, first: uint, last: uint, count: uint }));

/** Readers go from block to block by these numbers: with a hole they would never arrive. */
function checkContiguous(m: Mailbox): void {
  let next = m.first;
  for (const b of m.blocks) {
    // Blocks that are kept for their unread messages.
    if (b.first < m.gapsBefore) continue;
    if (b.first !== next || b.count === 0) break;
    next += b.count;
  }
  if (m.first < 1 || next !== m.tailFirst) {
    throw new CorruptBytes(`mailbox ${m.id}: its blocks do not join at ${next}`);
  }
}

function readMailbox(r: ByteReader): Mailbox {
  const m = MAILBOX.fill(r, new Mailbox("" as MailboxId));
  m.decodeTail(r.view());
  return m;
}

/** Writes what is owed to others. */
export function writeOutbox(w: ByteWriter, a: Account): void {
  w.uint(a.outbox.size);
  for (const q of a.outbox.values()) QUEUE.write(w, q);
}

/** Reads what is owed to others. Throws `CorruptBytes`. */
export function readOutbox(r: ByteReader, a: AccountState): void {
  for (let i = r.count(QUEUE.bytesMin); i > 0; i--) {
    const { to, toId, entries } = QUEUE.read(r);
    a.outbox.set(to, { to, toId, entries: [...entries] });
    for (const e of entries) a.outboxBytes += payloadSize(e.payload);
  }
}

/** The account's head in one piece: everything but sealed blocks. */
export function encodeHead(a: Account, lsn: number): Uint8Array {
  const w = new ByteWriter(2048);
  if (isIndexed(a)) {
    writeHeadVersion(w, a, HEAD_VERSION_INDEXED, lsn);
    w.uint(a.pairGeneration).uint(a.pairOutFloor);
  } else writeHeadVersion(w, a, HEAD_VERSION, lsn);
  HEAD_START.write(w, a);
  writeAll(w, a.lazyRoster, (to, item) => ROSTER_ITEM.write(to, item));
  w.uint(a.blocked.size);
  for (const b of a.blocked.keys()) w.str(b);
  writeConversations(w, a);
  w.uint(a.undelivered.size);
  for (const p of a.undelivered) w.str(p);
  writeOutbox(w, a);
  FORMER.write(w, a.dedupe.former);
  PURGE.write(w, a.purge);
  MAILBOX.write(w, a.mailbox);
  w.bytes(a.mailbox.encodeTail());
  for (const b of a.blocked.values()) BLOCK.write(w, b);
  for (const d of a.devices) w.uint(d.usedAt);
  // None of those that nobody has looked at: to be given its number it was looked up.
  const based = a.lazyConversations.bytes !== null
    ? []
    : [...a.conversations.values()].filter((c) => c.outBase > 0);
  OUT_BASES.write(w, based);
  const refused = a.lazyConversations.bytes !== null
    ? []
    : [...a.conversations.values()].filter((c) => c.refusedOut.length > 0);
  REFUSED_OUT.write(w, refused);
  writeEnd(w, a);
  return w.take();
}

/** Writes what heads of both forms end with. */
export function writeEnd(w: ByteWriter, a: Account): void {
  writeEndOf(w, a, a.purgedRanges);
}

/** The same with these rows that are to be deleted. */
export function writeEndOf(w: ByteWriter, a: Account, ranges: Account["purgedRanges"]): void {
  WAITING.write(w, [...a.waiting].map(([to, messages]) => ({ to, messages })));
  a.dedupe.encode(w);
  RANGES.write(w, ranges);
  w.uint(a.mailbox.gapsBefore);
  UNREAD_MAIL.write(w, [...a.unread.values()]);
  KNOWN_PLACES.write(w, a.knownPlaces);
  const sections = a.factors !== null || a.pushTargets.length > 0;
  if (a.identities.length > 0 || sections) IDENTITIES.write(w, a.identities);
  writeSections(w, a);
}

/** Reads it back. Throws `CorruptBytes`. */
export function readEnd(
  r: ByteReader,
  account: AccountState,
  former: readonly FormerBlock[],
): void {
  for (const { to, messages } of WAITING.read(r)) account.waiting.set(to, messages);
  readDedupe(r, account, former);
  account.mailbox.gapsBefore = r.uint();
  for (const of of UNREAD_MAIL.read(r)) account.unread.restore(of);
  account.knownPlaces = KNOWN_PLACES.read(r);
  if (!r.done) account.identities = IDENTITIES.read(r);
  readSections(r, account);
  checkContiguous(account.mailbox);
}

/** Fills `account` from its head. Throws `CorruptBytes`. */
export function decodeHead(account: AccountState, bytes: Uint8Array): void {
  const r = new ByteReader(bytes);
  readHeadStart(r, account);
  HEAD_START.fill(r, account);
  holdContacts(r, account);
  for (let i = r.uint(); i > 0; i--) {
    account.blocked.set(r.str() as AccountName, { peerId: "", lastSeen: 0 });
  }
  holdConversations(r, account);
  for (let i = r.uint(); i > 0; i--) account.undelivered.add(r.str() as AccountName);
  readOutbox(r, account);
  const former = FORMER.read(r);
  account.purge = [...PURGE.read(r)];
  account.mailbox = readMailbox(r);
  readLater(r, account);
  readDedupe(r, account, former);
  readUnread(r, account);
  if (!r.done) account.knownPlaces = KNOWN_PLACES.read(r);
  if (!r.done) account.identities = IDENTITIES.read(r);
  readSections(r, account);
  checkContiguous(account.mailbox);
  account.runtime.headBytes = bytes.length;
}

/** Version, LSN, and what stays of forgotten pairs. */
function readHeadStart(r: ByteReader, account: AccountState): void {
  const version = readHeadVersion(r, account, [HEAD_VERSION, HEAD_VERSION_INDEXED]);
  if (version === HEAD_VERSION) return;
  account.pairGeneration = r.uint();
  account.pairOutFloor = r.uint();
  if (account.pairGeneration === 0) throw new CorruptBytes("account checkpoint of no generation");
}

/** What heads of the first programs end without. */
function readLater(r: ByteReader, account: AccountState): void {
  if (r.done) return;
  for (const name of account.blocked.keys()) {
    account.blocked.set(name, BLOCK.read(r));
  }
  account.devices = account.devices.map((d) => ({ ...d, usedAt: r.uint() }));
  if (r.done) return;
  for (const based of OUT_BASES.read(r)) account.conversation(based.with).outBase = based.outBase;
  if (r.done) return;
  for (const c of REFUSED_OUT.read(r)) account.conversation(c.with).refusedOut = c.refusedOut;
  for (const { to, messages } of WAITING.read(r)) account.waiting.set(to, messages);
}

/** Heads of former versions have only the blocks that they wrote. */
function readDedupe(r: ByteReader, account: AccountState, former: readonly FormerBlock[]): void {
  account.dedupe = new DedupeWindow(account.id, account.dedupe.shape);
  if (!r.done) {
    account.dedupe.decode(r, former);
    account.purgedRanges = [...RANGES.read(r)];
    return;
  }
  // Numbers that are still to be deleted are not given again.
  const deleted = account.purge.flatMap((p) => p.id === account.id ? p.dedupe : []);
  account.dedupe.decodeFormer(former, Math.max(0, former.at(-1)?.number ?? 0, ...deleted));
}

/** Heads of former versions have only the marks of the conversations. */
function readUnread(r: ByteReader, account: AccountState): void {
  const { lazyConversations, mailbox, unread } = account;
  if (r.done) {
    return lazyConversations.forEach((c) => {
      const of = c.with === account.name ? null : unreadOf(c, mailbox.first);
      if (of !== null) unread.restore(of);
    });
  }
  mailbox.gapsBefore = r.uint();
  for (const of of UNREAD_MAIL.read(r)) unread.restore(of);
}
