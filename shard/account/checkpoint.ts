/**
 * The stored form of an account behind the log: a head of one or more rows, sealed mailbox blocks,
 * and the blocks and rows of hashes of the dedupe window. All keys begin with a table and the
 * account's point, so that a shard is a contiguous key range whatever the number of shards.
 */
import type { AccountId, AccountName, MailboxId } from "../name/ids.ts";
import type { Account, AccountState } from "./account.ts";
import type { DedupeTable, FormerBlock } from "../message/dedupe_rows.ts";
import {
  accountId,
  accountIdOrNone,
  accountName,
  credentialsOrNone,
  deviceId,
  mailboxId,
  messagesFrom,
} from "../record/fields.ts";
import { bytes, list, mapped, oneOf, optional, text, uint } from "../record/schema.ts";
import { holdContacts, holdConversations, writeAll, writeConversation } from "./head_items.ts";
import { DedupeWindow } from "../message/dedupe.ts";
import { Mailbox } from "../mailbox/mailbox.ts";
import { PAYLOAD } from "../message/packets.ts";
import { unreadOf } from "./kept_blocks.ts";
import { payloadSize } from "./outbox.ts";
import { readVersion, struct } from "../record/struct.ts";
import { ROSTER_ITEM } from "../roster/roster.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../record/bytes.ts";

/** A store key: table, point, account, … */
export type Key = readonly (string | number)[];

/** A row to write (`value`) or to delete (null). */
export interface RowChange {
  readonly key: Key;
  readonly value: Uint8Array | null;
}

/** Bytes of a head in one row: a first row of this size may have others after it; below a store value's limit. */
export const CHUNK_BYTES = 60_000;
const HEAD_VERSION = 1;
const STATES = ["absent", "active", "disabled", "closed", "invite", "importing"] as const;

/** Key of chunk `chunk` of an account's head. */
export function headKey(point: number, name: AccountName, chunk: number): Key {
  return ["u", point, name, chunk];
}

/** Key of the sealed mailbox block that begins at `first`. */
export function blockKey(point: number, id: AccountId | "", first: number): Key {
  return ["m", point, id, first];
}

/** Key of the mark that an account owes packets or receipts, so that a start finds it. */
export function owesKey(point: number, name: AccountName): Key {
  return ["o", point, name];
}

/** Key of a dedupe block (table `d`) or of a row of dedupe hashes (`h`). */
export function dedupeKey(
  table: DedupeTable,
  point: number,
  id: AccountId | "",
  number: number,
): Key {
  return [table, point, id, number];
}

/** A device, but for when it was used, which `readLater` adds. */
const DEVICE = mapped(
  struct({ device: deviceId, label: text, tokenHash: bytes, createdAt: uint, expiresAt: uint }),
  (d) => ({ ...d, usedAt: 0 }),
  (d) => d,
);

/** What a head begins with, behind its version and LSN. */
const HEAD_START = struct({
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

const PURGE = list(struct({ id: accountId, blocks: list(uint), dedupe: list(uint) }));

/** Dedupe blocks of former versions. */
const FORMER = list(struct({ number: uint, firstAt: uint, lastAt: uint, count: uint }));

const RANGES = list(
  struct({ id: accountId, table: oneOf("purged rows", ["d", "h"] as const), from: uint, to: uint }),
);

function setOf(items: readonly number[]): ReadonlySet<number> {
  return new Set(items);
}

/** A mailbox, but for the events in its tail, which follow. */
const MAILBOX = struct({
  id: mailboxId,
  blocks: list(struct({ first: uint, count: uint, lastAt: uint, conversations: list(uint) })),
  tailFirst: uint,
  lastAt: uint,
  tailConversations: mapped(list(uint), setOf, (set) => [...set]),
});

/** Of each block, in the order of the names: see `Block`. */
const BLOCK = struct({ peerId: accountIdOrNone, lastSeen: uint });

/** Of conversations with several accounts of one name: see `Conversation.outBase`. */
const OUT_BASES = list(struct({ with: accountName, outBase: uint }));

/** Of conversations with messages that were refused without a word: see `Conversation.refusedOut`. */
const REFUSED_OUT = list(struct({
  with: accountName,
  refusedOut: list(struct({ from: uint, to: uint, id: text })),
}));

/** Where the account has signed in from: see `KnownPlace`. */
const KNOWN_PLACES = list(struct({ place: uint, at: uint }));

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

function writeOutbox(w: ByteWriter, a: Account): void {
  w.uint(a.outbox.size);
  for (const q of a.outbox.values()) QUEUE.write(w, q);
}

function readOutbox(r: ByteReader, a: AccountState): void {
  for (let i = r.count(QUEUE.bytesMin); i > 0; i--) {
    const { to, toId, entries } = QUEUE.read(r);
    a.outbox.set(to, { to, toId, entries: [...entries] });
    for (const e of entries) a.outboxBytes += payloadSize(e.payload);
  }
}

/** The account's head: everything but sealed blocks. */
export function encodeHead(a: Account, lsn: number): Uint8Array {
  const w = new ByteWriter(2048);
  w.u8(HEAD_VERSION).uint(lsn);
  HEAD_START.write(w, a);
  writeAll(w, a.lazyRoster, (to, item) => ROSTER_ITEM.write(to, item));
  w.uint(a.blocked.size);
  for (const b of a.blocked.keys()) w.str(b);
  writeAll(w, a.lazyConversations, writeConversation);
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
  WAITING.write(w, [...a.waiting].map(([to, messages]) => ({ to, messages })));
  a.dedupe.encode(w);
  RANGES.write(w, a.purgedRanges);
  w.uint(a.mailbox.gapsBefore);
  UNREAD_MAIL.write(w, [...a.unread.values()]);
  KNOWN_PLACES.write(w, a.knownPlaces);
  return w.take();
}

/** Fills `account` from its head. Throws `CorruptBytes`. */
export function decodeHead(account: AccountState, bytes: Uint8Array): void {
  const r = new ByteReader(bytes);
  readVersion(r, "account checkpoint", HEAD_VERSION);
  account.runtime.savedLsn = r.uint();
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
  checkContiguous(account.mailbox);
  account.runtime.headBytes = bytes.length;
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

/** Joins the chunks of a head; null where there is none. */
export function joinChunks(chunks: readonly Uint8Array[]): Uint8Array | null {
  if (chunks.length === 0) return null;
  if (chunks.length === 1) return chunks[0]!;
  const out = new Uint8Array(chunks.reduce((sum, c) => sum + c.length, 0));
  let at = 0;
  for (const c of chunks) {
    out.set(c, at);
    at += c.length;
  }
  return out;
}

/** Bytes of blocks in one checkpoint of an account; the rest, and its head, wait for the next. */
const BLOCKS_BYTES_MAX = 48 * 1024;
/** Rows that one checkpoint of an account deletes at most; the rest wait for its next ones. */
const DELETES_MAX = 256;

/** Whether rows are left to be deleted. */
export function owesDeletes(a: Account): boolean {
  return a.purge.length + a.purgedRanges.length > 0;
}

/** Takes rows to delete, at most `DELETES_MAX`; what is left stays in the account's head. */
function takePurged(a: AccountState): RowChange[] {
  const id = a.id as AccountId;
  if (a.mailbox.dropped.length > 0) {
    a.purge.push({ id, blocks: a.mailbox.dropped, dedupe: [] });
    a.mailbox.dropped = [];
  }
  a.purgedRanges.push(...a.dedupe.takeDropped().map((range) => ({ id, ...range })));
  const rows: RowChange[] = [];
  while (a.purge.length > 0 && rows.length < DELETES_MAX) {
    const p = a.purge.shift()!;
    const blocks = p.blocks.slice(0, DELETES_MAX - rows.length);
    for (const b of blocks) rows.push({ key: blockKey(a.point, p.id, b), value: null });
    const dedupe = p.dedupe.slice(0, DELETES_MAX - rows.length);
    for (const n of dedupe) rows.push({ key: dedupeKey("d", a.point, p.id, n), value: null });
    const rest = {
      id: p.id,
      blocks: p.blocks.slice(blocks.length),
      dedupe: p.dedupe.slice(dedupe.length),
    };
    if (rest.blocks.length + rest.dedupe.length > 0) a.purge.unshift(rest);
  }
  takeRanges(a, rows);
  return rows;
}

function takeRanges(a: AccountState, rows: RowChange[]): void {
  while (a.purgedRanges.length > 0 && rows.length < DELETES_MAX) {
    const { id, table, from, to } = a.purgedRanges.shift()!;
    const end = Math.min(to, from + DELETES_MAX - rows.length);
    for (let n = from; n < end; n++) {
      rows.push({ key: dedupeKey(table, a.point, id, n), value: null });
    }
    if (end < to) a.purgedRanges.unshift({ id, table, from: end, to });
  }
}

/**
 * The rows that bring the store up to the account's state at `lsn`, and marks them as on their way:
 * the caller either gets them durable or forgets the account.
 */
export function checkpointRows(
  of: Account,
  lsn: number,
): { readonly rows: RowChange[]; readonly complete: boolean } {
  // Rows to be written and deleted leave the account with the checkpoint that has them.
  const a = of as AccountState;
  const blocks = takeBlocks(a);
  // Blocks may be ahead of their head: a replay seals the same ones again.
  if (a.mailbox.unsaved.size > 0 || a.dedupe.unsaved) return { rows: blocks, complete: false };
  const rows = [...takePurged(a), ...blocks];
  const owes = a.outbox.size > 0 || a.runtime.owed.size > 0;
  if (owes !== a.runtime.savedOwes) {
    rows.push({ key: owesKey(a.point, a.name), value: owes ? new Uint8Array([1]) : null });
    a.runtime.savedOwes = owes;
  }
  const nothing = a.state === "absent" && !owesDeletes(a);
  const head = nothing ? new Uint8Array() : encodeHead(a, lsn);
  const chunks = Math.ceil(head.length / CHUNK_BYTES);
  for (let i = 0; i < chunks; i++) {
    const value = head.slice(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
    rows.push({ key: headKey(a.point, a.name, i), value });
  }
  for (let i = chunks; i < a.runtime.savedChunks; i++) {
    rows.push({ key: headKey(a.point, a.name, i), value: null });
  }
  a.runtime.savedChunks = chunks;
  a.runtime.savedLsn = lsn;
  a.runtime.headBytes = head.length;
  return { rows, complete: true };
}

/** Takes unsaved blocks, at most about `BLOCKS_BYTES_MAX`. */
function takeBlocks(a: AccountState): RowChange[] {
  const rows: RowChange[] = [];
  let bytes = 0;
  for (const [first, value] of a.mailbox.unsaved) {
    if (bytes >= BLOCKS_BYTES_MAX) return rows;
    rows.push({ key: blockKey(a.point, a.id, first), value });
    bytes += value.length;
    a.mailbox.unsaved.delete(first);
  }
  for (const { table, number, value } of a.dedupe.takeUnsaved(BLOCKS_BYTES_MAX - bytes)) {
    rows.push({ key: dedupeKey(table, a.point, a.id, number), value });
  }
  return rows;
}
