/** No two nodes may serve the same shard from memory. */
import type { SimNode } from "./sim_node.ts";
import { Violation } from "./history.ts";

/** Looks at what the nodes of a cell may serve now. */
export function checkOwners(nodes: readonly SimNode[]): void {
  const owners = new Map<number, string>();
  for (const { running, process, up, who } of nodes.filter((n) => n.up)) {
    if (!up || process.state !== "running" || !running.node.mayServe) continue;
    for (const shard of running.node.shards) {
      if (!shard.ready || shard.ended) continue;
      const text = `${who} at epoch ${shard.row.epoch}`;
      const other = owners.get(shard.id);
      if (other !== undefined) {
        const both = `shard ${shard.id} is served by ${other} and by ${text}`;
        throw new Violation("one node serves a shard", both);
      }
      owners.set(shard.id, text);
    }
  }
}
