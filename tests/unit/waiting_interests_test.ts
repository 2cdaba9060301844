/** Interests that wait for accounts, and uninterests that come meanwhile. */
import type { AccountId, AccountName, NodeId } from "../../shard/name/ids.ts";
import { deepEqual } from "node:assert/strict";
import { WaitingInterests } from "../../shard/step/waiting_interests.ts";

const [NODE, OTHER] = ["node000000000001", "node000000000002"] as NodeId[] as [NodeId, NodeId];
const [ANN, BOB] = ["ann", "bob"] as AccountName[] as [AccountName, AccountName];

const interest = (request: number, ...names: AccountName[]) => {
  const id = "a" as AccountId;
  const items = names.map((watched) => {
    return { watcher: BOB, watcherId: id, watched, watchedId: id };
  });
  return { kind: "interest", request, node: NODE, items } as const;
};

Deno.test("an uninterest ends an interest that waits, once that is registered", () => {
  const waiting = new WaitingInterests();
  const first = interest(1, ANN, BOB);
  waiting.asked(first);
  waiting.add(first);
  waiting.end(OTHER, [BOB]);
  deepEqual(waiting.watchedBy(NODE), [ANN, BOB]);
  waiting.end(NODE, [ANN]);
  deepEqual(waiting.watchedBy(NODE), [BOB]);
  // It is tried again: that is not asked anew.
  waiting.asked(first);
  waiting.add(first);
  deepEqual(waiting.done(first), [ANN]);
  deepEqual(waiting.done(first), []);
  // What was ended is over with it.
  const next = interest(2, ANN);
  waiting.add(next);
  deepEqual(waiting.done(next), []);
});

Deno.test("a node that asks again after an uninterest goes on watching", () => {
  const waiting = new WaitingInterests();
  const [first, second] = [interest(1, ANN), interest(2, ANN, BOB)];
  waiting.add(first);
  waiting.end(NODE, [ANN]);
  // Registered at once, or after having waited as well.
  waiting.asked(second);
  waiting.add(second);
  deepEqual([waiting.done(first), waiting.done(second)], [[], []]);
});
