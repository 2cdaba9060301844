/** A roster item as its owner's shard keeps it (RFC 6121 section 2). */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { ByteReader } from "../record/bytes.ts";
import { accountIdOrNone, accountName } from "../record/fields.ts";
import {
  bool,
  choice,
  constant,
  list,
  Mapped,
  mapped,
  oneOf,
  type Schema,
  text,
  type TypeOf,
  uint,
} from "../record/schema.ts";
import { struct, tuple } from "../record/struct.ts";
import { type Subscription, SUBSCRIPTIONS, type SubscriptionState } from "./subscription.ts";

/** One contact. Immutable: every change makes a new one. */
export interface RosterItem {
  readonly contact: AccountName;
  /** The contact's account as last learnt; "" while unknown. Rights hold only for this account. */
  readonly peerId: AccountId | "";
  readonly label: string;
  readonly groups: readonly string[];
  readonly state: SubscriptionState;
  /** False for a mere pending-in request, which is no roster item to its owner. */
  readonly listed: boolean;
  /**
   * Number of the packet with the owner's own request, while that waits for an answer; else 0, and for
   * requests of earlier versions.
   */
  readonly asked: number;
  /** The contact's request waits, and no event has said so: the owner does not know of it. */
  readonly withheld: boolean;
}

/** A contact as its owner sees it. */
export interface RosterItemView {
  readonly contact: AccountName;
  /** The owner's label for the contact; "" for none. */
  readonly label: string;
  readonly groups: readonly string[];
  readonly subscription: Subscription;
  /** RFC 6121 `ask='subscribe'`. */
  readonly pendingOut: boolean;
  /** RFC 6121 pre-approval, `approved='true'`. */
  readonly approved: boolean;
}

/** Every state by its stored bits: all contacts in one state share its object. */
const STATES: readonly SubscriptionState[] = Array.from({ length: 32 }, (_, bits) => ({
  subscription: SUBSCRIPTIONS[bits & 3]!,
  pendingOut: (bits & 4) !== 0,
  pendingIn: (bits & 8) !== 0,
  approved: (bits & 16) !== 0,
}));

function bitsOf(s: SubscriptionState): number {
  return SUBSCRIPTIONS.indexOf(s.subscription) | (s.pendingOut ? 4 : 0) | (s.pendingIn ? 8 : 0) |
    (s.approved ? 16 : 0);
}

type Standing = Pick<RosterItem, "state" | "listed" | "asked" | "withheld">;

const LISTED = 32;
const ASKED = 64;
const WITHHELD = 128;

/** State and flags are one byte; with the bit `ASKED` in it, `asked` follows. */
function standings(): Record<number, Schema<Standing>> {
  const forms: Record<number, Schema<Standing>> = {};
  for (let bits = 0; bits < 256; bits++) {
    const [state, listed] = [STATES[bits & 31]!, (bits & LISTED) !== 0];
    const withheld = (bits & WITHHELD) !== 0;
    const to = (asked: number) => ({ state, listed, asked, withheld });
    forms[bits] = (bits & ASKED) === 0 ? constant(to(0)) : mapped(uint, to, ({ asked }) => asked);
  }
  return forms;
}

const STANDING = choice(
  "roster item",
  standings(),
  ({ state, listed, asked, withheld }: Standing) => {
    return bitsOf(state) | (listed ? LISTED : 0) | (asked > 0 ? ASKED : 0) |
      (withheld ? WITHHELD : 0);
  },
);

const GROUPS = list(text);
const NO_GROUPS: readonly string[] = [];

/** The fields of a roster item, one after another. */
const FIELDS = tuple(accountName, accountIdOrNone, text, GROUPS, STANDING);

/** A roster item by its fields; read by hand, for every sign-in reads all contacts, several times. */
class RosterItems extends Mapped<TypeOf<typeof FIELDS>, RosterItem> {
  override read(r: ByteReader): RosterItem {
    const contact = r.str() as AccountName;
    const peerId = r.str() as AccountId | "";
    const label = r.str();
    // Most have none: one object for all of them.
    const groups = r.takeZero() ? NO_GROUPS : GROUPS.read(r);
    const bits = r.u8();
    const asked = (bits & ASKED) === 0 ? 0 : r.uint();
    const [state, listed] = [STATES[bits & 31]!, (bits & LISTED) !== 0];
    const withheld = (bits & WITHHELD) !== 0;
    return { contact, peerId, label, groups, state, listed, asked, withheld };
  }

  override skip(r: ByteReader): void {
    skipContact(r);
  }
}

/** Reads past a roster item; returns the contact's id where it may see the owner, else "". */
export function readWatcherId(r: ByteReader): AccountId | "" {
  r.skipStr();
  const peerId = r.str() as AccountId | "";
  r.skipStr();
  if (!r.takeZero()) GROUPS.skip(r);
  const bits = r.u8();
  if ((bits & ASKED) !== 0) r.skipUints(1);
  const { subscription } = STATES[bits & 31]!;
  return subscription === "from" || subscription === "both" ? peerId : "";
}

/** Skips a roster item; returns whether it has a request that is withheld. Throws `CorruptBytes`. */
export function skipContact(r: ByteReader): boolean {
  r.skipStr();
  r.skipStr();
  r.skipStr();
  if (!r.takeZero()) GROUPS.skip(r);
  const bits = r.u8();
  if ((bits & ASKED) !== 0) r.skipUints(1);
  return (bits & WITHHELD) !== 0;
}

/** A roster item as it is stored. */
export const ROSTER_ITEM: Schema<RosterItem> = new RosterItems(
  FIELDS,
  ([contact, peerId, label, groups, { state, listed, asked, withheld }]) => {
    return { contact, peerId, label, groups, state, listed, asked, withheld };
  },
  (item) => [item.contact, item.peerId, item.label, item.groups, item] as const,
);

/** A contact as its owner sees it, in the event of a change. */
export const ROSTER_VIEW: Schema<RosterItemView> = struct({
  contact: accountName,
  label: text,
  groups: list(text),
  subscription: oneOf("subscription", SUBSCRIPTIONS),
  pendingOut: bool,
  approved: bool,
});

/** What the owner's devices are shown. */
export function rosterView(item: RosterItem): RosterItemView {
  return {
    contact: item.contact,
    label: item.label,
    groups: item.groups,
    subscription: item.state.subscription,
    pendingOut: item.state.pendingOut,
    approved: item.state.approved,
  };
}

/** Whether the contact may see the owner's presence. */
export function seesOwner(item: RosterItem | undefined): boolean {
  return item !== undefined &&
    (item.state.subscription === "from" || item.state.subscription === "both");
}

/** Whether the owner may see the contact's presence. */
export function seenByOwner(item: RosterItem | undefined): boolean {
  return item !== undefined &&
    (item.state.subscription === "to" || item.state.subscription === "both");
}

/** Whether the owner is shown the same of two states: a request that waits is shown apart. */
export function showsSame(a: SubscriptionState, b: SubscriptionState): boolean {
  return a.subscription === b.subscription && a.pendingOut === b.pendingOut &&
    a.approved === b.approved;
}
