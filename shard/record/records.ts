/**
 * The records of a shard's log. A log row holds one packed batch: a version, then entries, each with
 * its kind, its length (so that unknown optional kinds can be skipped) and the account it changes.
 */
import type { AccountId, AccountName, DeviceId, MailboxId } from "../name/ids.ts";
import type { Credentials, MailboxBody, ScramKey } from "../ops.ts";
import type { Payload } from "../message/packets.ts";
import type { RosterItem } from "../roster/roster.ts";
import type { SubscriptionState, SubscriptionType } from "../roster/subscription.ts";
import { type ImportEntry, readImport, writeImport } from "../account/import_records.ts";
import { readBody, SUBSCRIPTIONS, writeBody } from "../mailbox/mailbox_event.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "./bytes.ts";

/** One change of one account. Times in ms since 1970. */
export type Entry =
  | {
    readonly kind: "created";
    readonly id: AccountId;
    readonly mailboxId: MailboxId;
    readonly at: number;
    readonly credentials: Credentials | null;
  }
  | { readonly kind: "credentials"; readonly credentials: Credentials }
  | { readonly kind: "disabled"; readonly disabled: boolean }
  | { readonly kind: "removed" }
  | { readonly kind: "released" }
  | {
    readonly kind: "device_added";
    readonly device: DeviceId;
    readonly label: string;
    readonly tokenHash: Uint8Array;
    readonly at: number;
    readonly expiresAt: number;
  }
  | { readonly kind: "device_removed"; readonly device: DeviceId }
  /** An event at mailbox position `seq`. */
  | {
    readonly kind: "event";
    readonly seq: number;
    readonly at: number;
    readonly body: MailboxBody;
  }
  /** A message accepted from this account; `n` 0 and `toId` "" where nobody is to get it. */
  | {
    readonly kind: "sent";
    readonly to: AccountName;
    readonly toId: AccountId | "";
    readonly n: number;
    readonly seq: number;
    readonly at: number;
    readonly num: number;
    readonly id: string;
    readonly body: string;
    readonly ext: string;
    readonly device: DeviceId;
  }
  /** A message taken from another account. */
  | {
    readonly kind: "received";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly n: number;
    readonly seq: number;
    readonly at: number;
    readonly num: number;
    readonly id: string;
    readonly body: string;
    readonly ext: string;
  }
  /** A packet taken that is no message, or refused; `reason` "" where the sender is not told. */
  | {
    readonly kind: "pair_in";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly n: number;
    readonly refused: boolean;
    readonly reason: string;
  }
  /** A packet owed to another account. */
  | {
    readonly kind: "pair_out";
    readonly to: AccountName;
    readonly toId: AccountId;
    readonly n: number;
    readonly payload: Payload;
  }
  | {
    readonly kind: "pair_acked";
    readonly to: AccountName;
    readonly toId: AccountId;
    readonly n: number;
  }
  | { readonly kind: "pair_gone"; readonly to: AccountName; readonly toId: AccountId }
  | { readonly kind: "roster"; readonly item: RosterItem }
  | { readonly kind: "roster_removed"; readonly contact: AccountName }
  | {
    readonly kind: "blocked";
    readonly contact: AccountName;
    readonly blocked: boolean;
    /** Which account of that name is shown `lastSeen` from then on; "" and 0 in older records. */
    readonly peerId: AccountId | "";
    readonly lastSeen: number;
  }
  | { readonly kind: "settings"; readonly anyone: boolean }
  /** A session of `device` has ended at `usedAt`; "" and 0 in older records. */
  | {
    readonly kind: "last_seen";
    readonly at: number;
    readonly device: DeviceId | "";
    readonly usedAt: number;
  }
  /** A device has everything up to `seq`. */
  | { readonly kind: "acked"; readonly seq: number }
  | { readonly kind: "read"; readonly with: AccountName; readonly upTo: number }
  /** The peer has this account's messages up to these numbers. */
  | {
    readonly kind: "receipt";
    readonly with: AccountName;
    readonly delivered: number;
    readonly read: number;
  }
  /** The peer's shard knows the receipt up to these numbers. */
  | {
    readonly kind: "receipt_told";
    readonly with: AccountName;
    readonly delivered: number;
    readonly read: number;
  }
  /** Events before `first` and dedupe blocks before number `dedupe` are dropped. */
  | { readonly kind: "trimmed"; readonly first: number; readonly dedupe: number }
  | { readonly kind: "invite"; readonly expiresAt: number }
  | { readonly kind: "invite_used"; readonly by: AccountName }
  | ImportEntry;

/** Numbers are part of the stored format: only ever append. */
const KINDS = [
  "created",
  "credentials",
  "disabled",
  "removed",
  "released",
  "device_added",
  "device_removed",
  "event",
  "sent",
  "received",
  "pair_in",
  "pair_out",
  "pair_acked",
  "pair_gone",
  "roster",
  "roster_removed",
  "blocked",
  "settings",
  "last_seen",
  "acked",
  "read",
  "receipt",
  "receipt_told",
  "trimmed",
  "invite",
  "invite_used",
  "import_begun",
  "import_conversation",
  "import_done",
] as const satisfies readonly Entry["kind"][];

const KIND_NUMBER = new Map<string, number>(KINDS.map((k, i) => [k, i]));

/** Version of a log row's layout. */
export const RECORD_VERSION = 1;
/** Kinds from here on may be skipped by a reader that does not know them. */
const OPTIONAL_FROM = 128;

function writeKey(w: ByteWriter, key: ScramKey): void {
  w.bytes(key.salt).uint(key.iterations).bytes(key.storedKey).bytes(key.serverKey);
}

function readKey(r: ByteReader): ScramKey {
  return {
    salt: r.bytes(),
    iterations: r.uint(),
    storedKey: r.bytes(),
    serverKey: r.bytes(),
  };
}

/** Writes credentials, or that there are none. */
export function writeCredentials(w: ByteWriter, c: Credentials | null): void {
  w.u8(c === null ? 0 : c.sha1 === null ? 1 : 2);
  if (c !== null) writeKey(w, c.sha256);
  if (c?.sha1) writeKey(w, c.sha1);
}

/** Reads what `writeCredentials` wrote. */
export function readCredentials(r: ByteReader): Credentials | null {
  const form = r.u8();
  if (form === 0) return null;
  if (form > 2) throw new CorruptBytes(`credentials of form ${form}`);
  const sha256 = readKey(r);
  return { sha256, sha1: form === 2 ? readKey(r) : null };
}

/** Writes a roster item. */
export function writeRosterItem(w: ByteWriter, item: RosterItem): void {
  w.str(item.contact).str(item.peerId).str(item.label).uint(item.groups.length);
  for (const g of item.groups) w.str(g);
  const s = item.state;
  w.u8(
    SUBSCRIPTIONS.indexOf(s.subscription) | (s.pendingOut ? 4 : 0) | (s.pendingIn ? 8 : 0) |
      (s.approved ? 16 : 0) | (item.listed ? 32 : 0),
  );
}

/** Every state there is, by its bits: contacts in the same one share it. */
const STATES: readonly SubscriptionState[] = Array.from({ length: 32 }, (_, bits) => ({
  subscription: SUBSCRIPTIONS[bits & 3]!,
  pendingOut: (bits & 4) !== 0,
  pendingIn: (bits & 8) !== 0,
  approved: (bits & 16) !== 0,
}));

/** Reads what `writeRosterItem` wrote. */
export function readRosterItem(r: ByteReader): RosterItem {
  const contact = r.str() as AccountName;
  const peerId = r.str() as AccountId | "";
  const label = r.str();
  const groups = r.list(() => r.str());
  const bits = r.u8();
  return {
    contact,
    peerId,
    label,
    groups,
    state: STATES[bits & 31]!,
    listed: (bits & 32) !== 0,
  };
}

/** Passes over what `readRosterItem` could read. */
export function skipRosterItem(r: ByteReader): void {
  r.skipStr();
  r.skipStr();
  r.skipStr();
  for (let i = r.uint(); i > 0; i--) r.skipStr();
  r.u8();
}

const TYPES = ["subscribe", "subscribed", "unsubscribe", "unsubscribed"] as const;

/** Writes what a packet carries. */
export function writePayload(w: ByteWriter, p: Payload): void {
  if (p.kind === "message") {
    w.u8(0).uint(p.num).str(p.id).str(p.body).str(p.ext);
  } else {
    w.u8(1).u8(TYPES.indexOf(p.type));
  }
}

/** Reads what `writePayload` wrote. */
export function readPayload(r: ByteReader): Payload {
  const kind = r.u8();
  if (kind === 0) {
    return { kind: "message", num: r.uint(), id: r.str(), body: r.str(), ext: r.str() };
  }
  if (kind !== 1) throw new CorruptBytes(`packet of unknown kind ${kind}`);
  const type: SubscriptionType | undefined = TYPES[r.u8()];
  if (type === undefined) throw new CorruptBytes("packet: no such subscription type");
  return { kind: "subscription", type };
}

function writeFields(w: ByteWriter, e: Entry): void {
  switch (e.kind) {
    case "created":
      writeCredentials(w.str(e.id).str(e.mailboxId).uint(e.at), e.credentials);
      return;
    case "credentials":
      return writeCredentials(w, e.credentials);
    case "disabled":
      w.bool(e.disabled);
      return;
    case "removed":
    case "released":
      return;
    case "device_added":
      w.str(e.device).str(e.label).bytes(e.tokenHash).uint(e.at).uint(e.expiresAt);
      return;
    case "device_removed":
      w.str(e.device);
      return;
    case "event":
      writeBody(w.uint(e.seq).uint(e.at), e.body);
      return;
    case "sent":
      w.str(e.to).str(e.toId).uint(e.n).uint(e.seq).uint(e.at).uint(e.num).str(e.id).str(e.body)
        .str(e.ext).str(e.device);
      return;
    case "received":
      w.str(e.from).str(e.fromId).uint(e.n).uint(e.seq).uint(e.at).uint(e.num).str(e.id)
        .str(e.body).str(e.ext);
      return;
    case "pair_in":
      w.str(e.from).str(e.fromId).uint(e.n).bool(e.refused).str(e.reason);
      return;
    case "pair_out":
      writePayload(w.str(e.to).str(e.toId).uint(e.n), e.payload);
      return;
    case "pair_acked":
      w.str(e.to).str(e.toId).uint(e.n);
      return;
    case "pair_gone":
      w.str(e.to).str(e.toId);
      return;
    case "roster":
      return writeRosterItem(w, e.item);
    case "roster_removed":
      w.str(e.contact);
      return;
    case "blocked":
      w.str(e.contact).bool(e.blocked).str(e.peerId).uint(e.lastSeen);
      return;
    case "settings":
      w.bool(e.anyone);
      return;
    case "last_seen":
      w.uint(e.at).str(e.device).uint(e.usedAt);
      return;
    case "acked":
      w.uint(e.seq);
      return;
    case "read":
      w.str(e.with).uint(e.upTo);
      return;
    case "receipt":
    case "receipt_told":
      w.str(e.with).uint(e.delivered).uint(e.read);
      return;
    case "trimmed":
      w.uint(e.first).uint(e.dedupe);
      return;
    case "invite":
      w.uint(e.expiresAt);
      return;
    case "invite_used":
      w.str(e.by);
      return;
    case "import_begun":
      return writeCredentials(writeImport(w, e), e.credentials);
    case "import_conversation":
    case "import_done":
      writeImport(w, e);
      return;
  }
}

function readFields(r: ByteReader, kind: Entry["kind"]): Entry {
  const name = () => r.str() as AccountName;
  const id = () => r.str() as AccountId;
  const text = () => r.str();
  switch (kind) {
    case "created":
      return {
        kind,
        id: id(),
        mailboxId: text() as MailboxId,
        at: r.uint(),
        credentials: readCredentials(r),
      };
    case "credentials": {
      const credentials = readCredentials(r);
      if (credentials === null) throw new CorruptBytes("credentials: none");
      return { kind, credentials };
    }
    case "disabled":
      return { kind, disabled: r.bool() };
    case "removed":
    case "released":
      return { kind };
    case "device_added":
      return {
        kind,
        device: text() as DeviceId,
        label: text(),
        tokenHash: r.bytes(),
        at: r.uint(),
        expiresAt: r.uint(),
      };
    case "device_removed":
      return { kind, device: text() as DeviceId };
    case "event":
      return { kind, seq: r.uint(), at: r.uint(), body: readBody(r) };
    case "sent":
      return {
        kind,
        to: name(),
        toId: id(),
        n: r.uint(),
        seq: r.uint(),
        at: r.uint(),
        num: r.uint(),
        id: text(),
        body: text(),
        ext: text(),
        device: text() as DeviceId,
      };
    case "received":
      return {
        kind,
        from: name(),
        fromId: id(),
        n: r.uint(),
        seq: r.uint(),
        at: r.uint(),
        num: r.uint(),
        id: text(),
        body: text(),
        ext: text(),
      };
    case "pair_in":
      return { kind, from: name(), fromId: id(), n: r.uint(), refused: r.bool(), reason: text() };
    case "pair_out":
      return { kind, to: name(), toId: id(), n: r.uint(), payload: readPayload(r) };
    case "pair_acked":
      return { kind, to: name(), toId: id(), n: r.uint() };
    case "pair_gone":
      return { kind, to: name(), toId: id() };
    case "roster":
      return { kind, item: readRosterItem(r) };
    case "roster_removed":
      return { kind, contact: name() };
    case "blocked":
      return {
        kind,
        contact: name(),
        blocked: r.bool(),
        peerId: r.done ? "" : id(),
        lastSeen: r.done ? 0 : r.uint(),
      };
    case "settings":
      return { kind, anyone: r.bool() };
    case "last_seen":
      return {
        kind,
        at: r.uint(),
        device: r.done ? "" : text() as DeviceId,
        usedAt: r.done ? 0 : r.uint(),
      };
    case "acked":
      return { kind, seq: r.uint() };
    case "read":
      return { kind, with: name(), upTo: r.uint() };
    case "receipt":
    case "receipt_told":
      return { kind, with: name(), delivered: r.uint(), read: r.uint() };
    case "trimmed":
      return { kind, first: r.uint(), dedupe: r.uint() };
    case "invite":
      return { kind, expiresAt: r.uint() };
    case "invite_used":
      return { kind, by: name() };
    case "import_begun":
    case "import_conversation":
    case "import_done":
      return readImport(r, kind, readCredentials);
  }
}

/** Appends one entry: kind, account, length of the fields, fields. */
export function writeEntry(w: ByteWriter, account: AccountName, entry: Entry): void {
  w.u8(KIND_NUMBER.get(entry.kind)!).str(account);
  const start = w.beginSized();
  writeFields(w, entry);
  w.endSized(start);
}

/** Reads a log row. Entries of unknown optional kinds are left out; other unknown kinds throw. */
export function readRecord(bytes: Uint8Array): { account: AccountName; entry: Entry }[] {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version !== RECORD_VERSION) {
    throw new CorruptBytes(`log record of version ${version}, this program reads 1`);
  }
  const out: { account: AccountName; entry: Entry }[] = [];
  while (!r.done) {
    const number = r.u8();
    const account = r.str() as AccountName;
    const fields = r.sub(r.uint());
    const kind = KINDS[number];
    if (kind === undefined) {
      if (number >= OPTIONAL_FROM) continue;
      throw new CorruptBytes(`log entry of unknown kind ${number}: made by a newer program?`);
    }
    out.push({ account, entry: readFields(fields, kind) });
  }
  return out;
}
