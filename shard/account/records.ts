/**
 * The records of a shard's log: the schema of each kind of entry, and the rows that hold them. Each
 * entry is one change of one account. All times are in ms since 1970.
 */
import type { AccountName } from "../name/ids.ts";
import type { ByteWriter } from "../record/bytes.ts";
import { bool, bytes, later, list, text, uint } from "../record/schema.ts";
import {
  accountId,
  accountIdOrNone,
  accountName,
  credentials,
  credentialsOrNone,
  deviceId,
  deviceIdOrNone,
  mailboxId,
  messagesFrom,
} from "../record/fields.ts";
import { FACTORS } from "./factors.ts";
import { BODY } from "../mailbox/mailbox_event.ts";
import { PAYLOAD } from "../message/packets.ts";
import { PASSKEYS, USED_CHALLENGES } from "./passkeys.ts";
import { PUSH_TARGET } from "./push_targets.ts";
import { cellName, REGISTER } from "../federation/name_register.ts";
import { HEAD_PART, rowTable } from "../federation/move_message.ts";
import { ROSTER_ITEM } from "../roster/roster.ts";
import { Row, type UnionOf, variant } from "../record/struct.ts";

/** A message as both accounts store it. */
const message = { num: uint, id: text, body: text, ext: text };
/** Cumulative numbers of messages. */
const positions = { delivered: uint, read: uint };
/** Where a packet to another account goes. */
const outgoing = { to: accountName, toId: accountId };
/** Where a packet of another account comes from. */
const incoming = { from: accountName, fromId: accountId };

/**
 * Every kind of entry. Numbers and fields are the stored format: only ever append kinds, and fields
 * at the end of a kind as `later`. Programs skip unknown kinds from 128 on, and refuse others.
 */
export const ENTRIES = {
  created: variant(0, { id: accountId, mailboxId, at: uint, credentials: credentialsOrNone }),
  credentials: variant(1, { credentials }),
  disabled: variant(2, { disabled: bool }),
  removed: variant(3, {}),
  released: variant(4, {}),
  device_added: variant(5, {
    device: deviceId,
    label: text,
    tokenHash: bytes,
    at: uint,
    expiresAt: uint,
  }),
  device_removed: variant(6, { device: deviceId }),
  /** An event at mailbox position `seq`. */
  event: variant(7, { seq: uint, at: uint, body: BODY }),
  /** A message accepted from this account; `n` 0 where nobody is to get it. */
  sent: variant(8, {
    to: accountName,
    toId: accountIdOrNone,
    n: uint,
    seq: uint,
    at: uint,
    ...message,
    device: deviceId,
  }),
  /** A message taken from another account. */
  received: variant(9, { ...incoming, n: uint, seq: uint, at: uint, ...message }),
  /** A packet taken that is no message, or refused; `reason` "" where the sender is not notified. */
  pair_in: variant(10, { ...incoming, n: uint, refused: bool, reason: text }),
  /** A packet owed to another account. */
  pair_out: variant(11, { ...outgoing, n: uint, payload: PAYLOAD }),
  /** Packets up to `n` are settled by the other account. */
  pair_acked: variant(12, { ...outgoing, n: uint }),
  /** The other account was deleted. */
  pair_gone: variant(13, outgoing),
  roster: variant(14, { item: ROSTER_ITEM }),
  roster_removed: variant(15, { contact: accountName }),
  blocked: variant(16, {
    contact: accountName,
    blocked: bool,
    /** Which account of that name is shown `lastSeen` from then on; "" and 0 in older records. */
    peerId: later(accountIdOrNone, ""),
    lastSeen: later(uint, 0),
  }),
  settings: variant(17, { anyone: bool }),
  /** A session of `device` has ended at `usedAt`; "" and 0 in older records. */
  last_seen: variant(18, {
    at: uint,
    device: later(deviceIdOrNone, ""),
    usedAt: later(uint, 0),
  }),
  /** A device has everything up to `seq`. */
  acked: variant(19, { seq: uint }),
  read: variant(20, { with: accountName, upTo: uint }),
  /** The peer has this account's messages up to these numbers. */
  receipt: variant(21, { with: accountName, ...positions }),
  /** The peer's shard knows the receipt up to these numbers. */
  receipt_told: variant(22, { with: accountName, ...positions }),
  /** Events before `first` and dedupe blocks before number `dedupe` are dropped. */
  trimmed: variant(23, {
    first: uint,
    dedupe: uint,
    /** Blocks from this position on that have unread messages stay; 0, as in older records: none. */
    unreadFrom: later(uint, 0),
  }),
  invite: variant(24, { expiresAt: uint }),
  invite_used: variant(25, { by: accountName }),
  /** An account is being imported: contacts, blocks and events follow as everybody else's do. */
  import_begun: variant(26, {
    id: accountId,
    mailboxId,
    createdAt: uint,
    lastSeen: uint,
    messagesFrom,
    /** Position of the first event from which on none is missing. */
    first: uint,
    credentials: credentialsOrNone,
    /** Position of the first event before `first`, with gaps up to there; 0: none is. */
    keptFrom: later(uint, 0),
  }),
  /** The marks of a conversation of an imported account: see `ExportedConversation`. */
  import_conversation: variant(27, {
    with: accountName,
    sent: uint,
    lastSeq: uint,
    lastAt: uint,
    lastInSeq: uint,
    unread: list(uint),
    unreadMore: uint,
    readUpTo: uint,
    ...positions,
  }),
  import_done: variant(28, { disabled: bool }),
  /** The peer refused message `num` without a reason: no receipt may cover it. */
  refused: variant(29, { with: accountName, num: uint, id: text }),
  /** A message accepted from this account that waits until it has a subscription with the peer. */
  sent_waiting: variant(30, {
    to: accountName,
    /** The account that may get it; "" where none has the name. */
    toId: accountIdOrNone,
    seq: uint,
    at: uint,
    ...message,
    device: deviceId,
  }),
  /** The account `toId` accepted the request: its waiting messages go into the outbox. */
  waiting_released: variant(31, outgoing),
  /** Message `num` does not wait any more; the event `undelivered` at position `seq` says so. */
  waiting_dropped: variant(32, {
    with: accountName,
    seq: uint,
    at: uint,
    num: uint,
    id: text,
    reason: text,
  }),
  /** The event `undelivered` of the messages `from` to `num`, which were refused without a reason. */
  refused_told: variant(33, {
    with: accountName,
    seq: uint,
    at: uint,
    from: uint,
    num: uint,
    reason: text,
  }),
  /** The peer's unread messages up to `upTo`, which a device has, make room for its later ones. */
  unread_released: variant(34, { with: accountName, upTo: uint }),
  /** The pair with this peer is settled on both sides: its record is deleted. */
  pair_forgotten: variant(35, { with: accountName }),
  /** The register of the name's home as it is from now on. Only cells with peers have any. */
  name_register: variant(36, REGISTER),
  /** The account is about to move, see `Leaving`. */
  leaving: variant(37, { move: text, to: cellName, attempt: uint, deciding: bool }),
  /** It does not. */
  staying: variant(38, {}),
  /** It has moved: here is nothing of it any more. */
  left: variant(39, {}),
  /** The account `id` of another cell is about to move here, see `Arrival`. */
  arriving: variant(40, { move: text, from: cellName, id: accountId }),
  /** A row of it, and a part of its head. */
  arriving_row: variant(41, { table: rowTable, number: uint, bytes }),
  arriving_head: variant(42, HEAD_PART),
  /** It is at home here now. */
  arrived: variant(43, {}),
  /** It does not come. */
  arrival_dropped: variant(44, {}),
  /** A sign-in by password from `place`, see `KnownPlace`. Programs that do not know it skip it. */
  place_known: variant(128, { place: uint, at: uint }),
  /**
   * The peer has packets up to `n` and messages up to its number `num`, though a repair has given up
   * the records of them: they are not used again. Only `roost repair` writes it.
   */
  numbers_used: variant(129, { ...outgoing, n: uint, num: uint }),
  /** An outside identity signs in to the account from now on. Programs that do not know it skip it. */
  identity_linked: variant(130, { identity: text }),
  /** Its second factors from now on; none where all of them are empty. Older programs skip it. */
  factors: variant(140, { factors: FACTORS }),
  /** Its passkeys from now on, and the challenges that are used up. Older programs skip it. */
  passkeys: variant(141, { passkeys: PASSKEYS, used: USED_CHALLENGES }),
  /**
   * The message at position `seq`, behind the last sealed block, has this text and `ext` from now on.
   * Programs that do not know it skip it: for them the message is as it was.
   */
  message_changed: variant(131, { seq: uint, body: text, ext: text }),
  /** The sealed block at position `first` has these bytes from now on, for the same reason. */
  block_changed: variant(132, { first: uint, bytes }),
  /** Push subscriptions, see `PushTarget` and `PushMark`. Programs that do not know them skip them. */
  push_set: variant(150, PUSH_TARGET),
  push_removed: variant(151, { device: deviceId }),
  push_owed: variant(152, { with: accountName, seq: uint }),
  push_settled: variant(153, { with: accountName, seq: uint, sent: bool }),
};

/** One change of one account. */
export type Entry = UnionOf<typeof ENTRIES>;

/** Version of a log row's layout. */
export const RECORD_VERSION = 1;

const ROW = new Row({
  what: "log record",
  version: RECORD_VERSION,
  head: accountName,
  variants: ENTRIES,
  optionalFrom: 128,
});

/** Appends one entry: kind, account, length of the fields, fields. */
export function writeEntry(w: ByteWriter, account: AccountName, entry: Entry): void {
  ROW.write(w, account, entry);
}

/**
 * Reads a log row. Leaves out entries of unknown optional kinds. Throws `CorruptBytes` on other
 * unknown kinds and on another version.
 */
export function readRecord(bytes: Uint8Array): { account: AccountName; entry: Entry }[] {
  const out: { account: AccountName; entry: Entry }[] = [];
  ROW.read(bytes, (account, entry) => out.push({ account, entry }));
  return out;
}
