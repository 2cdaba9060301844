/** One sample of everything that a shard stores, of each kind and form, for `record_bytes_test.ts`. */
import type {
  AccountId,
  AccountName,
  CellName,
  DeviceId,
  MailboxId,
} from "../../shard/name/ids.ts";
import type { Credentials, MailboxBody } from "../../shard/ops.ts";
import type { Entry } from "../../shard/account/records.ts";
import { FACTOR_SAMPLES } from "./factor_samples.ts";
import { PUSH_SAMPLES } from "./push_samples.ts";

const BO = "bo" as AccountName;
const BO_ID = "BBBBBBBBBBBBBBBB" as AccountId;
const AL_ID = "AAAAAAAAAAAAAAAA" as AccountId;
const MAILBOX_ID = "MMMMMMMMMMMMMMMM" as MailboxId;
const PHONE = "phone" as DeviceId;
const [HERE, THERE] = ["here", "there"] as unknown as readonly [CellName, CellName];
const AT = 1_700_000_000_123;

const key = (seed: number) => ({
  salt: new Uint8Array([seed, 1, 2]),
  iterations: 4096 + seed,
  storedKey: new Uint8Array([seed, 3, 255]),
  serverKey: new Uint8Array([seed, 5]),
});
const SHA256: Credentials = { sha256: key(1), sha1: null };
const BOTH: Credentials = { sha256: key(1), sha1: key(2) };

const MESSAGE = { num: 300, id: "m-1", body: "Grüße, 😀", ext: '{"a":1}' };

/** Log entries: every kind, and every form of those that have several. */
export const ENTRY_SAMPLES: Readonly<Record<string, Entry>> = {
  created: { kind: "created", id: AL_ID, mailboxId: MAILBOX_ID, at: AT, credentials: null },
  "created with a password": {
    kind: "created",
    id: AL_ID,
    mailboxId: MAILBOX_ID,
    at: AT,
    credentials: BOTH,
  },
  "credentials of one mechanism": { kind: "credentials", credentials: SHA256 },
  "credentials of two mechanisms": { kind: "credentials", credentials: BOTH },
  disabled: { kind: "disabled", disabled: true },
  enabled: { kind: "disabled", disabled: false },
  removed: { kind: "removed" },
  released: { kind: "released" },
  device_added: {
    kind: "device_added",
    device: PHONE,
    label: "Al’s phone",
    tokenHash: new Uint8Array([9, 8, 7, 0]),
    at: AT,
    expiresAt: Number.MAX_SAFE_INTEGER,
  },
  device_removed: { kind: "device_removed", device: PHONE },
  place_known: { kind: "place_known", place: 2 ** 48 - 1, at: AT },
  numbers_used: { kind: "numbers_used", to: BO, toId: BO_ID, n: 9, num: 7 },
  identity_linked: { kind: "identity_linked", identity: "i1" },
  ...FACTOR_SAMPLES,
  message_changed: { kind: "message_changed", seq: 128, body: "edited", ext: "e" },
  block_changed: { kind: "block_changed", first: 129, bytes: new Uint8Array([1, 0]) },
  ...PUSH_SAMPLES,
  event: {
    kind: "event",
    seq: 128,
    at: AT,
    body: { kind: "receipt", with: BO, delivered: 2, read: 1 },
  },
  sent: {
    kind: "sent",
    to: BO,
    toId: BO_ID,
    n: 127,
    seq: 16_384,
    at: AT,
    ...MESSAGE,
    device: PHONE,
  },
  "sent to nobody": {
    kind: "sent",
    to: BO,
    toId: "",
    n: 0,
    seq: 1,
    at: 2 ** 31,
    ...MESSAGE,
    device: PHONE,
  },
  received: { kind: "received", from: BO, fromId: BO_ID, n: 7, seq: 9, at: 2 ** 28, ...MESSAGE },
  "received, long": {
    kind: "received",
    from: BO,
    fromId: BO_ID,
    n: 8,
    seq: 10,
    at: AT,
    num: 1,
    id: "",
    body: "x".repeat(600),
    ext: "y".repeat(130),
  },
  pair_in: { kind: "pair_in", from: BO, fromId: BO_ID, n: 3, refused: false, reason: "" },
  "pair_in, refused": {
    kind: "pair_in",
    from: BO,
    fromId: BO_ID,
    n: 3,
    refused: true,
    reason: "quota",
  },
  "pair_out of a message": {
    kind: "pair_out",
    to: BO,
    toId: BO_ID,
    n: 4,
    payload: { kind: "message", ...MESSAGE },
  },
  ...Object.fromEntries(
    (["subscribe", "subscribed", "unsubscribe", "unsubscribed"] as const).map((type) => [
      `pair_out of ${type}`,
      {
        kind: "pair_out",
        to: BO,
        toId: BO_ID,
        n: 4,
        payload: { kind: "subscription", type, seen: 0 },
      },
    ]),
  ),
  ...Object.fromEntries(
    (["subscribed", "unsubscribed"] as const).map((type) => [
      `pair_out of ${type} that has seen a request`,
      {
        kind: "pair_out",
        to: BO,
        toId: BO_ID,
        n: 4,
        payload: { kind: "subscription", type, seen: 300 },
      },
    ]),
  ),
  pair_acked: { kind: "pair_acked", to: BO, toId: BO_ID, n: 5 },
  pair_gone: { kind: "pair_gone", to: BO, toId: BO_ID },
  pair_forgotten: { kind: "pair_forgotten", with: BO },
  name_register: {
    kind: "name_register",
    promised: { counter: 300, cell: HERE },
    accepted: { ballot: { counter: 2, cell: THERE }, value: THERE },
    chosen: { ballot: { counter: 1, cell: HERE }, value: HERE },
    telling: [THERE],
  },
  leaving: { kind: "leaving", move: "m-1", to: THERE, attempt: 300, deciding: true },
  staying: { kind: "staying" },
  left: { kind: "left" },
  arriving: { kind: "arriving", move: "m-1", from: THERE, id: AL_ID },
  arriving_row: {
    kind: "arriving_row",
    table: "d",
    number: 300,
    bytes: new Uint8Array([1, 2, 255]),
  },
  arriving_head: {
    kind: "arriving_head",
    attempt: 300,
    part: 1,
    parts: 2,
    mailboxId: MAILBOX_ID,
    bytes: new Uint8Array([3, 4]),
  },
  arrived: { kind: "arrived" },
  arrival_dropped: { kind: "arrival_dropped" },
  "name_register of a promise": {
    kind: "name_register",
    promised: { counter: 1, cell: HERE },
    accepted: null,
    chosen: null,
    telling: [],
  },
  ...Object.fromEntries(
    (["none", "to", "from", "both"] as const).map((subscription, i) => [
      `roster ${subscription}`,
      {
        kind: "roster",
        item: {
          contact: BO,
          peerId: i === 0 ? "" : BO_ID,
          label: "Bo",
          groups: i === 1 ? ["Work", "Größe"] : [],
          state: { subscription, pendingOut: i === 2, pendingIn: i === 0, approved: i === 1 },
          listed: i !== 0,
          asked: 0,
          withheld: false,
        },
      },
    ]),
  ),
  "roster with a request that waits": {
    kind: "roster",
    item: {
      contact: BO,
      peerId: BO_ID,
      label: "",
      groups: [],
      state: { subscription: "from", pendingOut: true, pendingIn: false, approved: false },
      listed: true,
      asked: 300,
      withheld: false,
    },
  },
  "roster with a request that no event announces": {
    kind: "roster",
    item: {
      contact: BO,
      peerId: BO_ID,
      label: "",
      groups: [],
      state: { subscription: "none", pendingOut: false, pendingIn: true, approved: false },
      listed: false,
      asked: 0,
      withheld: true,
    },
  },
  roster_removed: { kind: "roster_removed", contact: BO },
  blocked: { kind: "blocked", contact: BO, blocked: true, peerId: BO_ID, lastSeen: AT },
  unblocked: { kind: "blocked", contact: BO, blocked: false, peerId: "", lastSeen: 0 },
  settings: { kind: "settings", anyone: true },
  last_seen: { kind: "last_seen", at: AT, device: PHONE, usedAt: AT + 1 },
  acked: { kind: "acked", seq: 5 },
  read: { kind: "read", with: BO, upTo: 5 },
  receipt: { kind: "receipt", with: BO, delivered: 9, read: 8 },
  receipt_told: { kind: "receipt_told", with: BO, delivered: 9, read: 8 },
  trimmed: { kind: "trimmed", first: 17, dedupe: 3, unreadFrom: 0 },
  "trimmed but for unread messages": { kind: "trimmed", first: 300, dedupe: 3, unreadFrom: 17 },
  "unread messages released": { kind: "unread_released", with: BO, upTo: 300 },
  invite: { kind: "invite", expiresAt: AT },
  invite_used: { kind: "invite_used", by: BO },
  import_begun: {
    kind: "import_begun",
    id: AL_ID,
    mailboxId: MAILBOX_ID,
    createdAt: AT,
    lastSeen: AT + 5,
    messagesFrom: "anyone",
    first: 40,
    credentials: SHA256,
    keptFrom: 7,
  },
  import_conversation: {
    kind: "import_conversation",
    with: BO,
    sent: 3,
    lastSeq: 41,
    lastAt: AT,
    lastInSeq: 40,
    unread: [39, 40],
    unreadMore: 1,
    readUpTo: 30,
    delivered: 3,
    read: 2,
  },
  import_done: { kind: "import_done", disabled: false },
  refused: { kind: "refused", with: BO, num: 3, id: "m3" },
  sent_waiting: {
    kind: "sent_waiting",
    to: BO,
    toId: BO_ID,
    seq: 4,
    at: AT,
    num: 3,
    id: "m3",
    body: "hello",
    ext: "e",
    device: PHONE,
  },
  waiting_released: { kind: "waiting_released", to: BO, toId: BO_ID },
  waiting_dropped: {
    kind: "waiting_dropped",
    with: BO,
    seq: 5,
    at: AT,
    num: 3,
    id: "m3",
    reason: "not_accepted",
  },
  refused_told: {
    kind: "refused_told",
    with: BO,
    seq: 6,
    at: AT,
    from: 1,
    num: 300,
    reason: "not_accepted",
  },
};

/** Bodies of mailbox events of every kind. */
export const BODIES: Readonly<Record<string, MailboxBody>> = {
  "message out": { kind: "message", with: BO, out: true, ...MESSAGE, device: "phone" },
  "message that waits": {
    kind: "message",
    with: BO,
    out: true,
    ...MESSAGE,
    device: "phone",
    waits: true,
  },
  "message in": { kind: "message", with: BO, out: false, ...MESSAGE, device: "" },
  undelivered: { kind: "undelivered", with: BO, num: 4, id: "m-4", reason: "quota" },
  "undelivered, several": {
    kind: "undelivered",
    with: BO,
    num: 300,
    id: "",
    reason: "not_accepted",
    from: 1,
  },
  receipt: { kind: "receipt", with: BO, delivered: 5, read: 4 },
  read: { kind: "read", with: BO, upTo: 77, unread: 0 },
  ...Object.fromEntries(
    (["none", "to", "from", "both"] as const).map((subscription, i) => [
      `roster ${subscription}`,
      {
        kind: "roster",
        item: {
          contact: BO,
          label: "Bo",
          groups: i === 3 ? ["Work", ""] : [],
          subscription,
          pendingOut: i === 2,
          approved: i === 0,
        },
      },
    ]),
  ),
  roster_removed: { kind: "roster_removed", contact: BO },
  request: { kind: "request", from: BO, pending: true },
  blocked: { kind: "blocked", contact: BO, blocked: true },
  "settings anyone": { kind: "settings", messagesFrom: "anyone" },
  "settings contacts": { kind: "settings", messagesFrom: "contacts" },
};

/** LSN of the head that `LIFE` makes. */
export const HEAD_LSN = 4711;

const event = (seq: number, id: string): Entry => ({
  kind: "event",
  seq,
  at: AT + seq,
  body: { kind: "undelivered", with: BO, num: 1, id, reason: "" },
});

/** Entries that give an account something in every part of its head. */
export const LIFE: readonly Entry[] = [
  { kind: "invite", expiresAt: AT },
  { kind: "invite_used", by: BO },
  { kind: "created", id: BO_ID, mailboxId: MAILBOX_ID, at: 1, credentials: null },
  ...Array.from({ length: 4 }, (_, i) => event(i + 1, "a".repeat(3000))),
  { kind: "removed" },
  { kind: "created", id: AL_ID, mailboxId: MAILBOX_ID, at: AT, credentials: BOTH },
  ENTRY_SAMPLES.device_added!,
  ENTRY_SAMPLES.last_seen!,
  ENTRY_SAMPLES["roster none"]!,
  ENTRY_SAMPLES["roster to"]!,
  ENTRY_SAMPLES.blocked!,
  { kind: "settings", anyone: true },
  { kind: "import_conversation", ...importedConversation() },
  { kind: "received", from: BO, fromId: BO_ID, n: 1, seq: 1, at: AT, ...MESSAGE },
  { kind: "received", from: BO, fromId: BO_ID, n: 2, seq: 2, at: AT, ...MESSAGE },
  { kind: "pair_in", from: BO, fromId: BO_ID, n: 3, refused: true, reason: "quota" },
  { kind: "pair_out", to: BO, toId: BO_ID, n: 1, payload: { kind: "message", ...MESSAGE } },
  {
    kind: "pair_out",
    to: BO,
    toId: BO_ID,
    n: 2,
    payload: { kind: "subscription", type: "subscribe", seen: 0 },
  },
  { kind: "acked", seq: 1 },
  { kind: "read", with: BO, upTo: 1 },
  { kind: "receipt", with: BO, delivered: 3, read: 2 },
  ...Array.from({ length: 7 }, (_, i) => event(i + 3, "b".repeat(3000))),
  { kind: "trimmed", first: 4, dedupe: 0, unreadFrom: 0 },
  ENTRY_SAMPLES.place_known!,
];

function importedConversation() {
  const { kind: _, ...fields } = ENTRY_SAMPLES.import_conversation as Entry & {
    kind: "import_conversation";
  };
  return fields;
}
