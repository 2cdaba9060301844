/** Inputs for a shard that is about to end, and those of them that are repeated ahead of the rest. */
import { deepEqual } from "node:assert/strict";
import type { Callers } from "../../server/node/callers.ts";
import { Dispatch } from "../../server/node/dispatch.ts";
import type { Inbox } from "../../server/node/inbox.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { ShardInput } from "../../shard/effects.ts";
import type { ShardMap } from "../../server/node/shard_map.ts";

Deno.test("an uninterest that is held does not end the interest that comes after it", () => {
  const shard = { ended: false, ending: false, owns: () => true } as unknown as Shard;
  const row = { id: 0 };
  const map = {
    byId: () => shard,
    byRow: (items: readonly unknown[]) => new Map([[row, items]]),
  } as unknown as ShardMap;
  const taken: ShardInput[] = [];
  const inbox = { put: (_: Shard, input: ShardInput) => taken.push(input) } as unknown as Inbox;
  const dispatch = new Dispatch("n1" as NodeId, map, {} as Callers, inbox);
  const of = (node: string) => {
    const items = [{ watched: "bob", watcher: "ann" }];
    return [
      { kind: "uninterest", node, watched: ["bob", "cid"] },
      { kind: "interest", node, items, request: 1 },
    ] as unknown as readonly [ShardInput, ShardInput];
  };
  const [uninterest, interest] = of("n2");
  dispatch.hold([shard]);
  dispatch.submit(shard, uninterest);
  dispatch.submit(shard, interest);
  // The shard has failed: what nobody has replied to is repeated to the one in its place.
  dispatch.forgetHeld(shard);
  shard.ending = false;
  dispatch.submit(shard, interest);
  dispatch.release([shard]);
  const place = (taken[1] as { readonly order?: number }).order;
  deepEqual(taken, [interest, { ...uninterest, watched: ["cid"], order: place }]);
});
