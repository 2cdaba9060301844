/** The shards of a node, as tables change. */
import { deepEqual } from "node:assert/strict";
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
