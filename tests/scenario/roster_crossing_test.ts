/**
 * Two rosters agree whatever the users do, although packets between them get lost and come late.
 */
import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import { Prng } from "../sim/prng.ts";

const NAMES = ["alice", "bob"] as const;
const TYPES = ["subscribe", "subscribe", "subscribed", "unsubscribe", "unsubscribed"] as const;
const RUNS = 60;
const STEPS = 25;
/** Lost packets are sent again within this time (ms), after several losses in a row. */
const QUIET_MS = 70_000;

const other = (who: string): AccountName => (who === "alice" ? "bob" : "alice") as AccountName;

function step(w: NodeFixture, prng: Prng): void {
  const who = prng.pick(NAMES);
  const contact = other(who);
  const action = prng.number();
  if (action < 0.75) w.ask(who, "roster.subscription", { contact, type: prng.pick(TYPES) });
  else if (action < 0.85) w.ask(who, "roster.remove", { contact });
  else w.ask(who, "roster.block", { contact, blocked: prng.chance(0.4) });
  w.settle(prng.pick([5, 50, 600, 2500]));
}

/** What `who` knows of the other: whether it sees it, is seen, waits for it and is asked by it. */
function view(w: NodeFixture, who: string) {
  const { roster, requests } = w.must(who, "mailbox.snapshot", {}).snapshot;
  const item = roster.find(({ contact }) => contact === other(who));
  const subscription = item?.subscription ?? "none";
  return {
    to: subscription === "to" || subscription === "both",
    from: subscription === "from" || subscription === "both",
    waits: item?.pendingOut ?? false,
    asked: requests.includes(other(who)),
  };
}

Deno.test("two rosters agree in the end, whatever crossed on the way between them", () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const w = new NodeFixture({ seed, limits: { subscriptionRequestBurst: 1000 } });
    const prng = w.prng.fork("steps");
    for (const name of NAMES) w.account(name);
    w.loses = () => prng.chance(0.4);
    for (let i = 0; i < STEPS; i++) step(w, prng);
    w.loses = () => false;
    for (const who of NAMES) w.must(who, "roster.block", { contact: other(who), blocked: false });
    w.settle(QUIET_MS);
    const [alice, bob] = NAMES.map((who) => view(w, who)) as [
      ReturnType<typeof view>,
      ReturnType<typeof view>,
    ];
    const wanted = { to: bob.from, from: bob.to, waits: bob.asked, asked: bob.waits };
    assert.deepEqual(alice, wanted, `seed ${seed}`);
  }
});

Deno.test("a late answer of a removed account is for no request that was made since", () => {
  const w = new NodeFixture();
  for (const name of NAMES) w.account(name);
  const ask = (who: string, type: (typeof TYPES)[number]) =>
    w.must(who, "roster.subscription", { contact: other(who), type });
  ask("alice", "subscribe");
  w.settle(200);
  const held: (() => void)[] = [];
  w.loses = (packet, arrive) => {
    const answer = packet.kind === "pair" && packet.from === "bob" &&
      packet.payload.kind === "subscription" && packet.payload.type === "subscribed";
    if (answer) held.push(arrive);
    return answer;
  };
  ask("bob", "subscribed");
  w.settle(200);
  ask("alice", "unsubscribe");
  w.settle(200);
  w.must("bob", "account.remove", {});
  w.settle(200);
  ask("alice", "subscribe");
  w.settle(200);
  assert.ok(held.length > 0);
  for (const arrive of held) arrive();
  w.settle(200);
  const { to, waits } = view(w, "alice");
  assert.deepEqual({ to, waits }, { to: false, waits: true });
});

Deno.test("a packet that overtakes the one before it is not settled as a stranger's that changes nothing", () => {
  const w = new NodeFixture();
  for (const name of NAMES) w.account(name);
  const ask = (type: (typeof TYPES)[number]) =>
    w.must("bob", "roster.subscription", { contact: other("bob"), type });
  const late: (() => void)[] = [];
  w.loses = (packet, arrive) => {
    const first = packet.kind === "pair" && packet.from === "bob" && packet.n === 1;
    if (first || packet.kind === "pair_ack") late.push(arrive);
    return first || packet.kind === "pair_ack";
  };
  ask("subscribe");
  ask("unsubscribe");
  w.settle(200);
  w.loses = () => false;
  // The request arrives, and its ack; then what was said of the end of it before.
  const [request, ...acks] = late;
  request!();
  w.settle(50);
  for (const arrive of acks) arrive();
  w.settle(QUIET_MS);
  assert.deepEqual(view(w, "alice"), { to: false, from: false, waits: false, asked: false });
});
