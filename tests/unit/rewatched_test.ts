/** Uninterests that wait, and interests that come meanwhile. */
import type { AccountId, AccountName, NodeId } from "../../shard/name/ids.ts";
import { deepEqual, equal } from "node:assert/strict";
import { Parked } from "../../server/node/parked.ts";
import { Rewatched } from "../../server/node/rewatched.ts";
import type { ShardInput } from "../../shard/effects.ts";

const NODE = "node000000000001" as NodeId;
const [ANN, BOB] = ["ann", "bob"] as AccountName[] as [AccountName, AccountName];
const UNINTEREST: ShardInput = { kind: "uninterest", node: NODE, watched: [ANN, BOB] };

const watches = (watched: AccountName) => ({
  node: NODE,
  items: [{ watcher: BOB, watcherId: "b" as AccountId, watched, watchedId: "c" as AccountId }],
});
const park = (parked: Parked, input: ShardInput) =>
  parked.add({ input, refused: null, againMs: 0 }, null, 0);

Deno.test("an uninterest does not end an interest that comes while those that wait are routed", () => {
  const parked = new Parked();
  park(parked, UNINTEREST);
  const [taken] = parked.takeAll(1);
  // What is routed before it has this node's edge watch somebody again.
  parked.watches(watches(ANN));
  const left = parked.left(taken!.input);
  deepEqual(left?.kind === "uninterest" && left.watched, [BOB]);
  // It waits again, and is older than that interest still.
  park(parked, taken!.input);
  parked.routed();
  parked.watches(watches(BOB));
  const [again] = parked.takeAll(2);
  equal(parked.left(again!.input), null);
});

Deno.test("an uninterest that comes after an interest ends it", () => {
  const parked = new Parked();
  park(parked, UNINTEREST);
  parked.watches(watches(ANN));
  park(parked, { ...UNINTEREST, watched: [ANN] } as ShardInput);
  const left = parked.takeAll(1).map(({ input }) => parked.left(input));
  deepEqual(left.map((input) => input?.kind === "uninterest" && input.watched), [[BOB], [ANN]]);
});

Deno.test("an uninterest that was held, and waits for an owner after that, does not end a later interest", () => {
  const [held, parked] = [new Rewatched(), new Parked()];
  for (let i = 0; i < 3; i++) held.waits(UNINTEREST);
  park(parked, held.waits(UNINTEREST));
  parked.watches(watches(ANN));
  const [taken] = parked.takeAll(1);
  const left = parked.left(taken!.input);
  deepEqual(left?.kind === "uninterest" && left.watched, [BOB]);
});
