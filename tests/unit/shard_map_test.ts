/** The shards of a node, as tables change. */
import { deepEqual, equal } from "node:assert/strict";
import { evenTable } from "../../shard/table/table.ts";
import { SHARD_LIMITS } from "../sim/limits.ts";
import { ShardMap } from "../../server/node/shard_map.ts";
import { simRetries } from "../sim/sim_ports.ts";

Deno.test("11: a table's next version makes no shard of a row that was given away before", () => {
  const map = new ShardMap(SHARD_LIMITS, 100, simRetries());
  map.table = evenTable(2);
  map.open(() => true);
  const [kept, given] = map.shards;
  map.remove(given!);
  // The store may still name this node as the owner: nobody has claimed it yet.
  map.adopt({ ...map.table, version: map.table.version + 1 }, [], () => true);
  deepEqual(map.shards, [kept]);
});

Deno.test("11: a map tells of shards that this node has no more, and of no others", () => {
  const map = new ShardMap(SHARD_LIMITS, 100, simRetries());
  let told = 0;
  map.onRemoved = () => told++;
  map.table = evenTable(3);
  map.open(() => true);
  const [first, second] = map.shards;
  map.put(map.makeShard(first!.row));
  equal(told, 0);
  map.remove(second!);
  equal(told, 1);
  // Two of the shards that are left are merged by another node.
  const { shards, version } = map.table;
  const merged = [shards[0]!, { ...shards[1]!, id: 3, hi: shards[2]!.hi }];
  map.adopt({ ...map.table, version: version + 1, shards: merged }, [], () => false);
  deepEqual([told, map.shards.map(({ id }) => id)], [2, [0]]);
});
