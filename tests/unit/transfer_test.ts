import assert from "node:assert/strict";
import fc from "fast-check";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { ExportedAccount } from "../../shard/account/transfer.ts";
import type { MailboxBody, MailboxEvent } from "../../shard/ops.ts";
import type { SubscriptionState } from "../../shard/roster/subscription.ts";
import { ACCOUNT_LINE, HEAD_LINE, ITEM_LINE } from "../../server/transfer/line_schemas.ts";
import { accountLines, eventLine, headLine } from "../../server/transfer/lines.ts";
import { agreed } from "../../server/transfer/importer.ts";

const name = fc.constantFrom("bo", "cy", "ölaf", "a".repeat(60)) as fc.Arbitrary<AccountName>;
const text = fc.string({ unit: "grapheme", maxLength: 60 });
const uint = fc.integer({ min: 0, max: 2 ** 50 });
const flag = fc.boolean();
const subscription = fc.constantFrom("none", "to", "from", "both");
const groups = fc.array(text, { maxLength: 4 });
const state: fc.Arbitrary<SubscriptionState> = fc.record({
  subscription,
  pendingOut: flag,
  pendingIn: flag,
  approved: flag,
});

const body: fc.Arbitrary<MailboxBody> = fc.oneof(
  fc.record({
    kind: fc.constant("message"),
    with: name,
    out: flag,
    num: uint,
    id: text,
    body: fc.string({ unit: "binary", maxLength: 100 }),
    ext: text,
    device: text,
  }),
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

Deno.test("ITEM_LINE reads every event as eventLine wrote it", () => {
  fc.assert(fc.property(fc.integer({ min: 1 }), uint, body, (seq, at, body) => {
    // Without the null prototypes of fast-check.
    const event: MailboxEvent = { seq, at, ...structuredClone(body) };
    const line = eventLine(event);
    assert.equal(line.includes("\n"), false);
    assert.deepEqual(ITEM_LINE.parse(JSON.parse(line)), { kind: "event", event });
  }));
});

const conversation = fc.record({
  with: name,
  sent: uint,
  lastSeq: uint,
  lastAt: uint,
  lastInSeq: uint,
  unread: fc.array(uint, { maxLength: 100 }),
  unreadMore: uint,
  readUpTo: uint,
  delivered: uint,
  read: uint,
});
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const key = (hashBytes: number) =>
  fc.record({
    salt: fc.uint8Array({ minLength: 8, maxLength: 64 }),
    iterations: fc.integer({ min: 1, max: 10_000_000 }),
    storedKey: bytes(hashBytes),
    serverKey: bytes(hashBytes),
  });
const account: fc.Arbitrary<ExportedAccount> = fc.record({
  state: fc.constantFrom("active", "disabled"),
  createdAt: uint,
  lastSeen: uint,
  messagesFrom: fc.constantFrom("contacts", "anyone"),
  credentials: fc.option(fc.record({ sha256: key(32), sha1: fc.option(key(20)) })),
  first: fc.integer({ min: 1 }),
  last: uint,
  devices: fc.array(
    fc.record({
      device: text.map((t) => t as DeviceId),
      label: text,
      createdAt: uint,
      expiresAt: uint,
      usedAt: uint,
    }),
    { maxLength: 2 },
  ),
  contacts: fc.array(
    fc.record({ contact: name, label: text, groups, state, listed: flag }),
    { maxLength: 3 },
  ),
  blocked: fc.array(name, { maxLength: 3 }),
  conversations: fc.array(conversation, { maxLength: 3 }),
});

Deno.test("ACCOUNT_LINE and ITEM_LINE read an account as accountLines wrote it", () => {
  fc.assert(fc.property(name, account, (name, made) => {
    const account = structuredClone(made);
    const [first, ...rest] = accountLines(name, account).map((line) => JSON.parse(line));
    const { contacts, blocked, conversations, credentials, devices, ...head } = account;
    assert.deepEqual(first.devices, devices);
    const read = ACCOUNT_LINE.parse(first);
    assert.deepEqual(read, {
      t: "account",
      name,
      ...head,
      ...(credentials === null ? {} : { credentials }),
    });
    assert.deepEqual(rest.map((line) => ITEM_LINE.parse(line)), [
      ...contacts.map((contact) => ({ kind: "contact", contact })),
      ...blocked.map((contact) => ({ kind: "blocked", contact })),
      ...conversations.map((conversation) => ({ kind: "conversation", conversation })),
    ]);
  }));
});

Deno.test("ITEM_LINE refuses what the store could not take, and says why", () => {
  const message = { t: "event", k: "message", seq: 1, at: 1, with: "bo", num: 1, id: "i" };
  const why = (line: unknown) => ITEM_LINE.safeParse(line).error?.issues[0]?.message ?? "fine";
  assert.equal(why({ ...message, body: "é".repeat(12_288) }), "fine");
  assert.match(why({ ...message, body: "é".repeat(12_289) }), /has more than 24576 bytes/);
  assert.match(why({ ...message, body: "", with: "no name" }), /is no account name/);
  assert.match(why({ ...message, body: "", k: "other" }), /unknown kind, other/);
  assert.match(why({ ...message, body: "", seq: 0 }), /is no event/);
  // Events after it could not be counted.
  assert.match(why({ ...message, body: "", seq: Number.MAX_SAFE_INTEGER }), /is no event/);
  assert.match(why({ t: "other" }), /of no known kind/);
  assert.match(why({ t: "toString" }), /of no known kind/);
  assert.match(why(null), /of no known kind/);
});

Deno.test("HEAD_LINE takes this version's head and no later one", () => {
  const head = {
    export: "AAAAAAAAAAAAAAAA",
    domain: "x.org",
    program: "1",
    at: 1,
    credentials: false,
  };
  const line = JSON.parse(headLine(head));
  assert.equal(HEAD_LINE.parse(line).export, head.export);
  assert.equal(HEAD_LINE.safeParse({ ...line, v: line.v + 1 }).success, false);
});

Deno.test("agreed gives both sides states that fit, whichever is tied first", () => {
  fc.assert(fc.property(state, state, (mine, theirs) => {
    const both = [agreed(mine, theirs), agreed(theirs, mine)] as const;
    const to = (s: SubscriptionState) => s.subscription === "to" || s.subscription === "both";
    const from = (s: SubscriptionState) => s.subscription === "from" || s.subscription === "both";
    assert.equal(to(both[0]), from(both[1]));
    assert.equal(from(both[0]), to(both[1]));
    // The second to be tied sees the first as it is by then.
    assert.deepEqual(agreed(theirs, both[0]), both[1]);
    assert.deepEqual(agreed(mine, both[1]), both[0]);
    assert.equal(to(both[0]) && !to(mine), false);
  }));
});
