/** Requests to subscribe that have no room: whom strangers keep out, and when they arrive after all. */
import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import type { SubscriptionType } from "../../shard/roster/subscription.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import { REPEATED_MAX } from "../../shard/handlers/repeated_requests.ts";

const name = (text: string) => text as AccountName;

function fixture(limits: Partial<ShardLimits>, ...names: string[]): NodeFixture {
  const w = new NodeFixture({ shards: 1, limits });
  for (const n of names) w.account(n);
  return w;
}

const relate = (w: NodeFixture, from: string, to: string, type: SubscriptionType) => {
  w.must(from, "roster.subscription", { contact: name(to), type });
  w.settle();
};

const requestsOf = (w: NodeFixture, who: string) =>
  [...w.must(who, "mailbox.snapshot", {}).snapshot.requests].sort();

Deno.test("10.10: pendingRequestsMax: strangers keep out nobody whom the user has added", () => {
  const w = fixture({ pendingRequestsMax: 2 }, "ann", "bob", "cid", "dan", "eve");
  w.must("ann", "roster.set", { contact: name("dan"), label: "Dan", groups: [] });
  for (const stranger of ["bob", "cid"]) relate(w, stranger, "ann", "subscribe");
  for (const last of ["dan", "eve"]) relate(w, last, "ann", "subscribe");
  assert.deepEqual(requestsOf(w, "ann"), ["bob", "cid", "dan"]);
  relate(w, "ann", "bob", "unsubscribed");
  relate(w, "eve", "ann", "subscribe");
  assert.deepEqual(
    requestsOf(w, "ann"),
    ["cid", "dan", "eve"],
    "a contact takes no stranger's room",
  );
});

function nextDay(w: NodeFixture): void {
  w.kill();
  w.settle(86_400_000);
  w.start();
}

/** How many packets the account has sent to `to`. */
function packets(w: NodeFixture, from: string, to: string): number {
  w.must(from, "account.info", {});
  const accounts = w.node.shards.flatMap((s) => [...s.inspect().accounts]);
  const sender = accounts.find((account) => account.name === from);
  return sender?.conversations.get(name(to))?.pairOut ?? 0;
}

Deno.test("10.10: a request that had no room arrives when its sender signs in and there is some", () => {
  const w = fixture({ pendingRequestsMax: 1 }, "ann", "bob", "cid");
  for (const asker of ["bob", "cid"]) relate(w, asker, "ann", "subscribe");
  assert.deepEqual(requestsOf(w, "ann"), ["bob"]);
  relate(w, "ann", "bob", "unsubscribed");
  const before = w.mailbox("cid");
  w.attach("cid");
  w.settle();
  assert.deepEqual(requestsOf(w, "ann"), ["cid"]);
  assert.deepEqual(w.mailbox("cid"), before, "its sender notices nothing");
  relate(w, "ann", "cid", "subscribed");
  const item = w.must("cid", "mailbox.snapshot", {}).snapshot.roster[0];
  assert.deepEqual([item?.contact, item?.subscription], ["ann", "to"]);
});

Deno.test("10.10: requests are sent again once a day, and not while they are blocked or answered", () => {
  const w = fixture({ cacheIdleMs: 1000, checkpointMs: 200 }, "ann", "bob", "cid", "dan");
  for (const asker of ["bob", "cid", "dan"]) relate(w, asker, "ann", "subscribe");
  relate(w, "ann", "bob", "unsubscribed");
  w.must("cid", "roster.block", { contact: name("ann"), blocked: true });
  const all = () => ["bob", "cid", "dan"].map((asker) => packets(w, asker, "ann"));
  const before = all();
  const sent = () => all().map((count, i) => count - before[i]!);
  const signIn = (who: string) => {
    const { session } = w.attach(who);
    w.settle(5000);
    w.must(who, "session.detach", { session });
    w.settle(5000);
  };
  for (let i = 0; i < 3; i++) ["bob", "cid", "dan"].forEach(signIn);
  assert.deepEqual(sent(), [0, 0, 1]);
  w.kill();
  w.start();
  signIn("dan");
  assert.deepEqual(sent(), [0, 0, 1], "it is stored when dan was there last");
  nextDay(w);
  signIn("dan");
  assert.deepEqual(sent(), [0, 0, 2]);
  assert.deepEqual(requestsOf(w, "ann"), ["cid", "dan"]);
});

Deno.test("10.10: of very many requests, others are sent again the next day", () => {
  const peers = Array.from({ length: 2 * REPEATED_MAX }, (_, i) => `peer${i}`);
  const w = fixture({ subscriptionRequestBurst: 100 }, "ann", ...peers);
  for (const peer of peers) relate(w, "ann", peer, "subscribe");
  for (let day = 1; day <= 2; day++) {
    const { session } = w.attach("ann");
    w.settle();
    w.must("ann", "session.detach", { session });
    const repeated = peers.filter((peer) => packets(w, "ann", peer) === 2);
    assert.equal(repeated.length, day * REPEATED_MAX);
    nextDay(w);
  }
});
