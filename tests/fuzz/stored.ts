/** Arbitrary values of everything a shard stores. */
import fc from "fast-check";
import type { AccountId, AccountName, MailboxId } from "../../shard/name/ids.ts";
import type { MailboxBody } from "../../shard/ops.ts";
import { ENTRIES, type Entry } from "../../shard/account/records.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { BODY } from "../../shard/mailbox/mailbox_event.ts";
import { credentialsOrNone } from "../../shard/record/fields.ts";
import { fieldValues, text, valuesOf } from "./schema_values.ts";

/** Bodies of mailbox events, of every kind. */
export const body: fc.Arbitrary<MailboxBody> = valuesOf(BODY);

type Values = { readonly [name: string]: fc.Arbitrary<unknown> };

/** Values of the fields of each kind of entry. */
const ENTRY_FIELDS = Object.fromEntries(
  Object.entries(ENTRIES).map(([kind, { struct }]) => [kind, fieldValues(struct)]),
) as Readonly<Record<Entry["kind"], Values>>;

/** Log entries of every kind with fields of any value. */
export const entry: fc.Arbitrary<Entry> = fc.oneof(
  ...Object.entries(ENTRY_FIELDS).map(([kind, fields]) =>
    fc.record({ kind: fc.constant(kind), ...fields })
  ),
) as fc.Arbitrary<Entry>;

/** A log row's content: entries, each of some account. */
export const row: fc.Arbitrary<{ account: AccountName; entry: Entry }[]> = fc.array(
  fc.record({ account: text as fc.Arbitrary<AccountName>, entry }),
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

/** Counters that an account goes on from, which have room for that: an import takes no higher ones. */
const COUNTERS = ["n", "num", "sent", "number"] as const;
const COUNTER_MAX = 2 ** 50;

function withRoom(e: Entry): Entry {
  const counts = e as { readonly [field: string]: unknown };
  const bounded = COUNTERS.flatMap((field) => {
    const count = counts[field];
    return typeof count === "number" ? [[field, count % COUNTER_MAX] as const] : [];
  });
  return { ...e, ...Object.fromEntries(bounded) };
}

/** A part of a head that has few parts, of which there are as many in each of an attempt. */
function headPart(
  e: Entry & { readonly kind: "arriving_head" },
  { attempt, parts: known }: NonNullable<AccountState["arrival"]>,
): Entry {
  const parts = e.attempt === attempt && known.length > 0 ? known.length : 1 + e.parts % 4;
  return { ...e, parts, part: e.part % parts };
}

/** The entry with the mailbox position and pair number that the account expects next. */
function fitting(account: AccountState, arbitrary: Entry): Entry | null {
  const e = withRoom(arbitrary);
  const seq = account.mailbox.last + 1;
  switch (e.kind) {
    case "event":
    case "sent":
    case "sent_waiting":
    case "waiting_dropped":
    case "refused_told":
      return { ...e, seq };
    case "received":
    case "pair_in": {
      const c = account.conversations.get(e.from);
      const n = c?.inId === e.fromId ? c.pairIn + 1 : 1;
      return e.kind === "received" ? { ...e, n, seq } : { ...e, n };
    }
    case "numbers_used":
    case "pair_out":
    case "waiting_released":
      return e.toId as string === "" ? null : e;
    case "arriving_row":
      return account.arrival === null ? null : e;
    case "arriving_head":
      return account.arrival === null ? null : headPart(e, account.arrival);
    case "left":
    case "arrived":
      // The account ends, and what arrives is a whole head: tests of moves have them.
      return null;
    default:
      return e;
  }
}

/** An account's life: entries that apply one after another. */
export const history: fc.Arbitrary<readonly Entry[]> = fc.tuple(
  fc.array(historyEntry, { maxLength: 25 }),
  valuesOf(credentialsOrNone),
  fc.boolean(),
).map(([entries, credentials, again]) => {
  const made: Entry = {
    kind: "created",
    id: "AAAAAAAAAAAAAAAA" as AccountId,
    mailboxId: "MMMMMMMMMMMMMMMM" as MailboxId,
    at: 1,
    credentials,
  };
  const account = new AccountState("al" as AccountName, 0);
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
    live({
      kind: "trimmed",
      first: account.mailbox.blocks[0]?.first ?? 1,
      dedupe: 1,
      unreadFrom: 1,
    });
    live({ kind: "removed" });
    live({ ...made, id: "BBBBBBBBBBBBBBBB" as AccountId });
    for (let i = 0; i < 7; i++) live(say());
  }
  return life;
});

/** The account that a history makes. */
export function accountOf(life: readonly Entry[]): AccountState {
  const account = new AccountState("al" as AccountName, 0);
  for (const e of life) apply(account, e);
  return account;
}
