/**
 * The presence subscription state machine of RFC 6121: what the four subscription stanzas do to
 * one side of a pair of accounts. The comments on the functions name the tables of Appendix A; the
 * nine states of A.1 are the combinations of `subscription`, `pendingOut` and `pendingIn` for which
 * `isReachable` holds.
 */

/** The states of RFC 6121 section 2.1.2.5; their order is part of the stored format. */
export const SUBSCRIPTIONS = ["none", "to", "from", "both"] as const;

/** RFC 6121 section 2.1.2.5, from the side of the roster's owner. */
export type Subscription = typeof SUBSCRIPTIONS[number];

/** The stanzas of RFC 6121 section 3 that change subscriptions. */
export type SubscriptionType = "subscribe" | "subscribed" | "unsubscribe" | "unsubscribed";

/** One side's knowledge of its subscriptions with one contact. */
export interface SubscriptionState {
  readonly subscription: Subscription;
  /** Own request unanswered (`ask='subscribe'`); never together with `to` or `both`. */
  readonly pendingOut: boolean;
  /** The contact's request unanswered; never together with `from` or `both`. */
  readonly pendingIn: boolean;
  /**
   * Pre-approval (section 3.4): the contact's next request is granted unseen, which uses it up.
   * Never together with `from`, `both` or `pendingIn`.
   */
  readonly approved: boolean;
}

/** Where every pair of accounts starts, and where a removed roster item returns to. */
export const NO_SUBSCRIPTION: SubscriptionState = Object.freeze({
  subscription: "none",
  pendingOut: false,
  pendingIn: false,
  approved: false,
});

/** What a stanza sent by the user does on the user's side. */
export interface Outbound {
  readonly state: SubscriptionState;
  /** Whether the server routes the stanza to the contact. */
  readonly route: boolean;
  /** Whether `state` differs from the one before: the roster item is to be stored and pushed. */
  readonly changed: boolean;
}

/** What a stanza received for the user does on the user's side. */
export interface Inbound {
  readonly state: SubscriptionState;
  /** Whether the user's devices are notified of the stanza itself. */
  readonly deliver: boolean;
  /** What the server answers the contact on the user's behalf; null for nothing. */
  readonly reply: SubscriptionType | null;
  /** Whether `state` differs from the one before. */
  readonly changed: boolean;
}

/** Whether the user may see the contact's presence. */
export function hasTo(state: SubscriptionState): boolean {
  return state.subscription === "to" || state.subscription === "both";
}

/** Whether the contact may see the user's presence. */
export function hasFrom(state: SubscriptionState): boolean {
  return state.subscription === "from" || state.subscription === "both";
}

/** Whether the state is one of A.1's nine, with a pre-approval only where section 3.4 has one. */
export function isReachable(state: SubscriptionState): boolean {
  if (state.pendingOut && hasTo(state)) return false;
  if (state.pendingIn && hasFrom(state)) return false;
  return !(state.approved && (state.pendingIn || hasFrom(state)));
}

function subscriptionOf(to: boolean, from: boolean): Subscription {
  if (to) return from ? "both" : "to";
  return from ? "from" : "none";
}

/** `state` with the user's view of the contact set; settles the user's own request. */
function withTo(state: SubscriptionState, to: boolean): SubscriptionState {
  const subscription = subscriptionOf(to, hasFrom(state));
  return { ...state, subscription, pendingOut: false };
}

/** `state` with the contact's view of the user set; settles request and pre-approval. */
function withFrom(state: SubscriptionState, from: boolean): SubscriptionState {
  const subscription = subscriptionOf(hasTo(state), from);
  return { ...state, subscription, pendingIn: false, approved: false };
}

function sent(state: SubscriptionState, route: boolean, changed: boolean): Outbound {
  return { state, route, changed };
}

/**
 * The user sends a subscription stanza: RFC 6121 A.2.1 (`subscribe`), A.2.2 (`unsubscribe`), A.2.3
 * (`subscribed`) and A.2.4 (`unsubscribed`), with the pre-approvals of section 3.4.2. `subscribe`
 * and `unsubscribe` are always routed, even where nothing changes here: they are how the two sides
 * find together again.
 */
export function outbound(state: SubscriptionState, type: SubscriptionType): Outbound {
  switch (type) {
    case "subscribe":
      if (state.pendingOut || hasTo(state)) return sent(state, true, false);
      return sent({ ...state, pendingOut: true }, true, true);
    case "unsubscribe":
      if (!state.pendingOut && !hasTo(state)) return sent(state, true, false);
      return sent(withTo(state, false), true, true);
    case "subscribed":
      if (state.pendingIn) return sent(withFrom(state, true), true, true);
      if (hasFrom(state) || state.approved) return sent(state, false, false);
      return sent({ ...state, approved: true }, false, true);
    case "unsubscribed":
      if (state.pendingIn || hasFrom(state)) return sent(withFrom(state, false), true, true);
      if (state.approved) return sent({ ...state, approved: false }, false, true);
      return sent(state, false, false);
  }
}

function ignored(state: SubscriptionState, reply: SubscriptionType | null): Inbound {
  return { state, deliver: false, reply, changed: false };
}

function delivered(state: SubscriptionState): Inbound {
  return { state, deliver: true, reply: null, changed: true };
}

/**
 * The user's server receives a subscription stanza from the contact: RFC 6121 A.3.1 (`subscribe`),
 * A.3.2 (`unsubscribe`), A.3.3 (`subscribed`) and A.3.4 (`unsubscribed`). A request is answered
 * with `subscribed` at once where the contact has the subscription already (section 3.1.3) or has
 * been pre-approved (section 3.4.2).
 */
export function inbound(state: SubscriptionState, type: SubscriptionType): Inbound {
  switch (type) {
    case "subscribe":
      if (hasFrom(state)) return ignored(state, "subscribed");
      if (state.approved) {
        return { state: withFrom(state, true), deliver: false, reply: "subscribed", changed: true };
      }
      return state.pendingIn ? ignored(state, null) : delivered({ ...state, pendingIn: true });
    case "unsubscribe":
      if (!state.pendingIn && !hasFrom(state)) return ignored(state, null);
      return delivered(withFrom(state, false));
    case "subscribed":
      return state.pendingOut ? delivered(withTo(state, true)) : ignored(state, null);
    case "unsubscribed":
      if (!state.pendingOut && !hasTo(state)) return ignored(state, null);
      return delivered(withTo(state, false));
  }
}

/**
 * What the server sends the contact when the user removes the roster item (RFC 6121 section 2.5.2):
 * both subscriptions end, and open requests with them. The state is then `NO_SUBSCRIPTION`.
 */
export function remove(state: SubscriptionState): readonly SubscriptionType[] {
  const stanzas: SubscriptionType[] = [];
  if (hasTo(state) || state.pendingOut) stanzas.push("unsubscribe");
  if (hasFrom(state) || state.pendingIn) stanzas.push("unsubscribed");
  return stanzas;
}
