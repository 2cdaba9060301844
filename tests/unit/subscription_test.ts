/**
 * RFC 6121 Appendix A, row by row. The rows were compared with ejabberd's mod_roster, Tigase's
 * RosterAbstract and the xmpp.rocks server's DefinedState; where those keep RFC 3921's routing
 * (`subscribe` in "To" not routed), the text of RFC 6121 A.2.1 and A.2.2 wins: both stanzas are
 * always routed.
 */
import assert from "node:assert/strict";
import {
  inbound,
  isReachable,
  NO_SUBSCRIPTION,
  outbound,
  remove,
  type Subscription,
  type SubscriptionState,
  type SubscriptionType,
} from "../../shard/roster/subscription.ts";

const TYPES = ["subscribe", "subscribed", "unsubscribe", "unsubscribed"] as const;

/** The nine states of A.1, by the names the tables use. */
const STATES = {
  "None": { subscription: "none", pendingOut: false, pendingIn: false, approved: false },
  "None + Pending Out": {
    subscription: "none",
    pendingOut: true,
    pendingIn: false,
    approved: false,
  },
  "None + Pending In": {
    subscription: "none",
    pendingOut: false,
    pendingIn: true,
    approved: false,
  },
  "None + Pending Out+In": {
    subscription: "none",
    pendingOut: true,
    pendingIn: true,
    approved: false,
  },
  "To": { subscription: "to", pendingOut: false, pendingIn: false, approved: false },
  "To + Pending In": { subscription: "to", pendingOut: false, pendingIn: true, approved: false },
  "From": { subscription: "from", pendingOut: false, pendingIn: false, approved: false },
  "From + Pending Out": {
    subscription: "from",
    pendingOut: true,
    pendingIn: false,
    approved: false,
  },
  "Both": { subscription: "both", pendingOut: false, pendingIn: false, approved: false },
  // Section 3.4: the states in which a pre-approval can be kept.
  "None, approved": { subscription: "none", pendingOut: false, pendingIn: false, approved: true },
  "None + Pending Out, approved": {
    subscription: "none",
    pendingOut: true,
    pendingIn: false,
    approved: true,
  },
  "To, approved": { subscription: "to", pendingOut: false, pendingIn: false, approved: true },
} as const satisfies Readonly<Record<string, SubscriptionState>>;

type StateName = keyof typeof STATES;
const same = "no state change";

type OutRow = readonly [StateName, "route" | "no", StateName | typeof same];
type InRow = readonly [
  StateName,
  "deliver" | "no",
  StateName | typeof same,
  SubscriptionType?,
];

const OUTBOUND: Readonly<Record<SubscriptionType, readonly OutRow[]>> = {
  // A.2.1; a pre-approval does not speak about the user's own request and stays.
  subscribe: [
    ["None", "route", "None + Pending Out"],
    ["None + Pending Out", "route", same],
    ["None + Pending In", "route", "None + Pending Out+In"],
    ["None + Pending Out+In", "route", same],
    ["To", "route", same],
    ["To + Pending In", "route", same],
    ["From", "route", "From + Pending Out"],
    ["From + Pending Out", "route", same],
    ["Both", "route", same],
    ["None, approved", "route", "None + Pending Out, approved"],
    ["None + Pending Out, approved", "route", same],
    ["To, approved", "route", same],
  ],
  // A.2.2
  unsubscribe: [
    ["None", "route", same],
    ["None + Pending Out", "route", "None"],
    ["None + Pending In", "route", same],
    ["None + Pending Out+In", "route", "None + Pending In"],
    ["To", "route", "None"],
    ["To + Pending In", "route", "None + Pending In"],
    ["From", "route", same],
    ["From + Pending Out", "route", "From"],
    ["Both", "route", "From"],
    ["None, approved", "route", same],
    ["None + Pending Out, approved", "route", "None, approved"],
    ["To, approved", "route", "None, approved"],
  ],
  // A.2.3; "pre-approval" there is section 3.4.2, rules 3 and 4.
  subscribed: [
    ["None", "no", "None, approved"],
    ["None + Pending Out", "no", "None + Pending Out, approved"],
    ["None + Pending In", "route", "From"],
    ["None + Pending Out+In", "route", "From + Pending Out"],
    ["To", "no", "To, approved"],
    ["To + Pending In", "route", "Both"],
    ["From", "no", same],
    ["From + Pending Out", "no", same],
    ["Both", "no", same],
    ["None, approved", "no", same],
    ["None + Pending Out, approved", "no", same],
    ["To, approved", "no", same],
  ],
  // A.2.4; cancelling a pre-approval is section 3.2.2, rule 2: removed, and not routed.
  unsubscribed: [
    ["None", "no", same],
    ["None + Pending Out", "no", same],
    ["None + Pending In", "route", "None"],
    ["None + Pending Out+In", "route", "None + Pending Out"],
    ["To", "no", same],
    ["To + Pending In", "route", "To"],
    ["From", "route", "None"],
    ["From + Pending Out", "route", "None + Pending Out"],
    ["Both", "route", "To"],
    ["None, approved", "no", "None"],
    ["None + Pending Out, approved", "no", "None + Pending Out"],
    ["To, approved", "no", "To"],
  ],
};

const INBOUND: Readonly<Record<SubscriptionType, readonly InRow[]>> = {
  // A.3.1; the automatic answers are section 3.1.3, and section 3.4.2 for pre-approvals.
  subscribe: [
    ["None", "deliver", "None + Pending In"],
    ["None + Pending Out", "deliver", "None + Pending Out+In"],
    ["None + Pending In", "no", same],
    ["None + Pending Out+In", "no", same],
    ["To", "deliver", "To + Pending In"],
    ["To + Pending In", "no", same],
    ["From", "no", same, "subscribed"],
    ["From + Pending Out", "no", same, "subscribed"],
    ["Both", "no", same, "subscribed"],
    ["None, approved", "no", "From", "subscribed"],
    ["None + Pending Out, approved", "no", "From + Pending Out", "subscribed"],
    ["To, approved", "no", "Both", "subscribed"],
  ],
  // A.3.2
  unsubscribe: [
    ["None", "no", same],
    ["None + Pending Out", "no", same],
    ["None + Pending In", "deliver", "None"],
    ["None + Pending Out+In", "deliver", "None + Pending Out"],
    ["To", "no", same],
    ["To + Pending In", "deliver", "To"],
    ["From", "deliver", "None"],
    ["From + Pending Out", "deliver", "None + Pending Out"],
    ["Both", "deliver", "To"],
    ["None, approved", "no", same],
    ["None + Pending Out, approved", "no", same],
    ["To, approved", "no", same],
  ],
  // A.3.3
  subscribed: [
    ["None", "no", same],
    ["None + Pending Out", "deliver", "To"],
    ["None + Pending In", "no", same],
    ["None + Pending Out+In", "deliver", "To + Pending In"],
    ["To", "no", same],
    ["To + Pending In", "no", same],
    ["From", "no", same],
    ["From + Pending Out", "deliver", "Both"],
    ["Both", "no", same],
    ["None, approved", "no", same],
    ["None + Pending Out, approved", "deliver", "To, approved"],
    ["To, approved", "no", same],
  ],
  // A.3.4; a denial says nothing about the user's own pre-approval, which stays.
  unsubscribed: [
    ["None", "no", same],
    ["None + Pending Out", "deliver", "None"],
    ["None + Pending In", "no", same],
    ["None + Pending Out+In", "deliver", "None + Pending In"],
    ["To", "deliver", "None"],
    ["To + Pending In", "deliver", "None + Pending In"],
    ["From", "no", same],
    ["From + Pending Out", "deliver", "From"],
    ["Both", "deliver", "From"],
    ["None, approved", "no", same],
    ["None + Pending Out, approved", "deliver", "None, approved"],
    ["To, approved", "deliver", "None, approved"],
  ],
};

const TABLE = {
  subscribe: "1",
  unsubscribe: "2",
  subscribed: "3",
  unsubscribed: "4",
} as const;

for (const type of TYPES) {
  Deno.test(`outbound follows every row of RFC 6121 A.2.${TABLE[type]} for ${type}`, () => {
    assert.equal(new Set(OUTBOUND[type].map((row) => row[0])).size, Object.keys(STATES).length);
    for (const [before, route, after] of OUTBOUND[type]) {
      const expected = {
        state: STATES[after === same ? before : after],
        route: route === "route",
        changed: after !== same,
      };
      assert.deepEqual(outbound(STATES[before], type), expected, `${before} sends ${type}`);
    }
  });

  Deno.test(`inbound follows every row of RFC 6121 A.3.${TABLE[type]} for ${type}`, () => {
    assert.equal(new Set(INBOUND[type].map((row) => row[0])).size, Object.keys(STATES).length);
    for (const [before, deliver, after, reply] of INBOUND[type]) {
      const expected = {
        state: STATES[after === same ? before : after],
        deliver: deliver === "deliver",
        reply: reply ?? null,
        changed: after !== same,
      };
      assert.deepEqual(inbound(STATES[before], type), expected, `${before} receives ${type}`);
    }
  });
}

Deno.test("remove ends both subscriptions and open requests (RFC 6121 section 2.5.2)", () => {
  const rows: Readonly<Record<StateName, readonly SubscriptionType[]>> = {
    "None": [],
    "None + Pending Out": ["unsubscribe"],
    "None + Pending In": ["unsubscribed"],
    "None + Pending Out+In": ["unsubscribe", "unsubscribed"],
    "To": ["unsubscribe"],
    "To + Pending In": ["unsubscribe", "unsubscribed"],
    "From": ["unsubscribed"],
    "From + Pending Out": ["unsubscribe", "unsubscribed"],
    "Both": ["unsubscribe", "unsubscribed"],
    "None, approved": [],
    "None + Pending Out, approved": ["unsubscribe"],
    "To, approved": ["unsubscribe"],
  };
  for (const [name, stanzas] of Object.entries(rows)) {
    assert.deepEqual(remove(STATES[name as StateName]), stanzas, name);
  }
});

Deno.test("isReachable names exactly the nine states and their pre-approvals", () => {
  const named = new Set(Object.values(STATES).map((s) => JSON.stringify(s)));
  for (const subscription of ["none", "to", "from", "both"] as const satisfies Subscription[]) {
    for (let bits = 0; bits < 8; bits++) {
      const state: SubscriptionState = {
        subscription,
        pendingOut: (bits & 1) !== 0,
        pendingIn: (bits & 2) !== 0,
        approved: (bits & 4) !== 0,
      };
      assert.equal(isReachable(state), named.has(JSON.stringify(state)), JSON.stringify(state));
    }
  }
});

Deno.test("outbound and inbound reach all named states from none and no others", () => {
  const seen = new Map<string, SubscriptionState>();
  const open: SubscriptionState[] = [NO_SUBSCRIPTION];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    if (seen.has(JSON.stringify(state))) continue;
    seen.set(JSON.stringify(state), state);
    for (const type of TYPES) open.push(outbound(state, type).state, inbound(state, type).state);
  }
  assert.deepEqual(
    [...seen.keys()].sort(),
    Object.values(STATES).map((s) => JSON.stringify(s)).sort(),
  );
});
