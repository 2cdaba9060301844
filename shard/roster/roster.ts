/** A roster item as its owner's shard keeps it (RFC 6121 section 2). */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { RosterItemView } from "../ops.ts";
import type { SubscriptionState } from "./subscription.ts";

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
}

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
