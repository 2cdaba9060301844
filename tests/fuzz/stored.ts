/** Arbitrary values of everything a shard stores. */
import fc from "fast-check";
import type { AccountId, AccountName, DeviceId, MailboxId } from "../../shard/name/ids.ts";
import type { Credentials, MailboxBody, ScramKey } from "../../shard/ops.ts";
import type { Entry } from "../../shard/record/records.ts";
import type { Payload } from "../../shard/message/packets.ts";
import type { RosterItem } from "../../shard/roster/roster.ts";
import { Account } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";

/** Every character but lone surrogates; `unit: "binary"` would hold 120 MB of tables for it. */
export const codePoint: fc.Arbitrary<string> = fc.oneof(
  { weight: 2, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0x7ff }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 0x10f7ff }) },
).map((c) => String.fromCodePoint(c < 0xd800 ? c : c + 0x800));

/** Text with every kind of character that the packed format treats in a way of its own. */
export const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: codePoint, maxLength: 60 }) },
  { weight: 2, arbitrary: fc.string({ maxLength: 60 }) },
  fc.constantFrom(
    "",
    "\ufeff",
    "\ufeffhello",
    "\0",
    "é".repeat(20),
    "😀".repeat(10),
    "x".repeat(200),
  ),
);
/** Integers in 0 … 2⁵³ − 1, most of them where the varints change their length. */
export const uint: fc.Arbitrary<number> = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.integer({ min: 0, max: 53 }).chain((n) => {
    const power = 2 ** n;
    return fc.constantFrom(power - 1, Math.min(power, Number.MAX_SAFE_INTEGER));
  }),
);
const name = text as fc.Arbitrary<AccountName>;
const id = text as fc.Arbitrary<AccountId>;
const device = text as fc.Arbitrary<DeviceId>;
const bytes = fc.uint8Array({ maxLength: 40 });
const subscription = fc.constantFrom("none", "to", "from", "both");
const flag = fc.boolean();

const key: fc.Arbitrary<ScramKey> = fc.record({
  salt: bytes,
  iterations: uint,
  storedKey: bytes,
  serverKey: bytes,
});
const credentials: fc.Arbitrary<Credentials> = fc.record({
  sha256: key,
  sha1: fc.option(key),
});

const groups = fc.array(text, { maxLength: 4 });

const rosterItem: fc.Arbitrary<RosterItem> = fc.record({
  contact: name,
  peerId: id,
  label: text,
  groups,
  state: fc.record({ subscription, pendingOut: flag, pendingIn: flag, approved: flag }),
  listed: flag,
});

const message = { num: uint, id: text, body: text, ext: text };
const payload: fc.Arbitrary<Payload> = fc.oneof(
  fc.record({ kind: fc.constant("message"), ...message }),
  fc.record({
    kind: fc.constant("subscription"),
    type: fc.constantFrom("subscribe", "subscribed", "unsubscribe", "unsubscribed"),
  }),
);

/** Bodies of mailbox events, of every kind. */
export const body: fc.Arbitrary<MailboxBody> = fc.oneof(
  fc.record({ kind: fc.constant("message"), with: name, out: flag, ...message, device: text }),
  fc.record({ kind: fc.constant("undelivered"), with: name, num: uint, id: text, reason: text }),
  fc.record({ kind: fc.constant("receipt"), with: name, delivered: uint, read: uint }),
  fc.record({ kind: fc.constant("read"), with: name, upTo: uint, unread: uint }),
  fc.record({
    kind: fc.constant("roster"),
    item: fc.record({
      contact: name,
      label: text,
      groups,
      subscription,
      pendingOut: flag,
      approved: flag,
    }),
  }),
  fc.record({ kind: fc.constant("roster_removed"), contact: name }),
  fc.record({ kind: fc.constant("request"), from: name, pending: flag }),
  fc.record({ kind: fc.constant("blocked"), contact: name, blocked: flag }),
  fc.record({
    kind: fc.constant("settings"),
    messagesFrom: fc.constantFrom("contacts", "anyone"),
  }),
);

type Fields = { readonly [name: string]: fc.Arbitrary<unknown> };

/** Fields of an entry of each kind; the compiler sees to it that no kind is missing. */
const ENTRY_FIELDS: Readonly<Record<Entry["kind"], Fields>> = {
  created: { id, mailboxId: id, at: uint, credentials: fc.option(credentials) },
  credentials: { credentials },
  disabled: { disabled: flag },
  removed: {},
  released: {},
  device_added: { device, label: text, tokenHash: bytes, at: uint, expiresAt: uint },
  device_removed: { device },
  event: { seq: uint, at: uint, body },
  sent: { to: name, toId: id, n: uint, seq: uint, at: uint, ...message, device },
  received: { from: name, fromId: id, n: uint, seq: uint, at: uint, ...message },
  pair_in: { from: name, fromId: id, n: uint, refused: flag, reason: text },
  pair_out: { to: name, toId: id, n: uint, payload },
  pair_acked: { to: name, toId: id, n: uint },
  pair_gone: { to: name, toId: id },
  roster: { item: rosterItem },
  roster_removed: { contact: name },
  blocked: { contact: name, blocked: flag, peerId: id, lastSeen: uint },
  settings: { anyone: flag },
  last_seen: { at: uint, device, usedAt: uint },
  acked: { seq: uint },
  read: { with: name, upTo: uint },
  receipt: { with: name, delivered: uint, read: uint },
  receipt_told: { with: name, delivered: uint, read: uint },
  trimmed: { first: uint, dedupe: uint },
  invite: { expiresAt: uint },
  invite_used: { by: name },
  import_begun: {
    id,
    mailboxId: id,
    createdAt: uint,
    lastSeen: uint,
    messagesFrom: fc.constantFrom("contacts", "anyone"),
    credentials: fc.option(credentials),
    first: uint,
  },
  import_conversation: {
    with: name,
    sent: uint,
    lastSeq: uint,
    lastAt: uint,
    lastInSeq: uint,
    unread: fc.array(uint, { maxLength: 4 }),
    unreadMore: uint,
    readUpTo: uint,
    delivered: uint,
    read: uint,
  },
  import_done: { disabled: flag },
};

/** Log entries of every kind with fields of any value. */
export const entry: fc.Arbitrary<Entry> = fc.oneof(
  ...Object.entries(ENTRY_FIELDS).map(([kind, fields]) =>
    fc.record({ kind: fc.constant(kind), ...fields })
  ),
) as fc.Arbitrary<Entry>;

/** A log row's content: entries, each of some account. */
export const row: fc.Arbitrary<{ account: AccountName; entry: Entry }[]> = fc.array(
  fc.record({ account: name, entry }),
  { maxLength: 8 },
);

/** Few names, so that entries meet. */
const few = (values: readonly string[]) => fc.constantFrom(...values);
const peers = { with: few(["bo", "cy"]), to: few(["bo", "cy"]), from: few(["bo", "cy"]) };
const ids = { toId: few(["B", "C", ""]), fromId: few(["B", "C"]) };

/** Kinds that keep an account alive, so that histories grow. */
const HISTORY_KINDS = (Object.keys(ENTRY_FIELDS) as Entry["kind"][])
  .filter((k) => !["removed", "released", "created", "trimmed", "import_begun"].includes(k));

/** Entries about few peers; `valid` then gives them numbers that fit. */
const historyEntry: fc.Arbitrary<Entry> = fc.oneof(
  ...HISTORY_KINDS.map((kind) => {
    const fields: Record<string, fc.Arbitrary<unknown>> = { ...ENTRY_FIELDS[kind] };
    for (const [field, arbitrary] of Object.entries({ ...peers, ...ids })) {
      if (field in fields) fields[field] = arbitrary;
    }
    return fc.record({ kind: fc.constant(kind), ...fields });
  }),
) as fc.Arbitrary<Entry>;

/** The entry with the mailbox position and pair number that the account expects next. */
function fitting(account: Account, e: Entry): Entry | null {
  const seq = account.mailbox.last + 1;
  switch (e.kind) {
    case "event":
    case "sent":
      return { ...e, seq };
    case "received":
    case "pair_in": {
      const c = account.conversations.get(e.from);
      const n = c?.inId === e.fromId ? c.pairIn + 1 : 1;
      return e.kind === "received" ? { ...e, n, seq } : { ...e, n };
    }
    case "pair_out":
      return e.toId as string === "" ? null : e;
    default:
      return e;
  }
}

/** An account's life: entries that apply one after another. */
export const history: fc.Arbitrary<readonly Entry[]> = fc.tuple(
  fc.array(historyEntry, { maxLength: 25 }),
  fc.option(credentials),
  fc.boolean(),
).map(([entries, credentials, again]) => {
  const made: Entry = {
    kind: "created",
    id: "AAAAAAAAAAAAAAAA" as AccountId,
    mailboxId: "MMMMMMMMMMMMMMMM" as MailboxId,
    at: 1,
    credentials,
  };
  const account = new Account("al" as AccountName, 0);
  const life: Entry[] = [];
  const live = (e: Entry) => {
    apply(account, e);
    life.push(e);
  };
  live(made);
  for (const e of entries) {
    const fits = fitting(account, e);
    if (fits !== null) live(fits);
  }
  // Long enough to have sealed blocks, some of them dropped, and a purge of a former life.
  if (again) {
    const big = "x".repeat(3000);
    const say = (): Entry => ({
      kind: "event",
      seq: account.mailbox.last + 1,
      at: 5,
      body: { kind: "undelivered", with: "bo" as AccountName, num: 1, id: big, reason: "" },
    });
    for (let i = 0; i < 9; i++) live(say());
    live({ kind: "trimmed", first: account.mailbox.blocks[0]?.first ?? 1, dedupe: 1 });
    live({ kind: "removed" });
    live({ ...made, id: "BBBBBBBBBBBBBBBB" as AccountId });
    for (let i = 0; i < 7; i++) live(say());
  }
  return life;
});

/** The account that a history makes. */
export function accountOf(life: readonly Entry[]): Account {
  const account = new Account("al" as AccountName, 0);
  for (const e of life) apply(account, e);
  return account;
}
