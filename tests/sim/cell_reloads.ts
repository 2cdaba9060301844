/**
 * An operator reloads shards of a cell, some of them while an append to several shards is on its way
 * to the store: the claim overtakes it, so that it is refused because of one of them.
 */
import type { Cluster } from "./cluster.ts";
import type { SimNode } from "./sim_node.ts";

/** Reloads shards at random moments of the chaos. */
export function cellReloads(cluster: Cluster): void {
  const { cell, config, nodes, time } = cluster;
  const prng = cluster.prng.fork("cell reloads");
  for (let i = 0; i < config.cellReloads; i++) {
    time.global.timers.after(prng.int(0, config.chaosMs), () => {
      const node = prng.pick(nodes);
      if (!node.serving) return;
      const { running } = node;
      const overtakes = (shards: readonly number[]) => {
        if (!node.up || node.running !== running || shards.length === 0) return;
        reload(cluster, node, prng.pick(shards));
      };
      if (prng.chance(0.8)) cell!.store.atAppend(node.id, prng.pick([5, 50, 500]), overtakes);
      else overtakes(running.node.shards.map(({ id }) => id));
    });
  }
}

function reload(cluster: Cluster, { running, who }: SimNode, shard: number): void {
  cluster.history.add("shards", `${shard} is reloaded at ${who}`);
  running.node.reload(shard, (result) => {
    cluster.history.add("shards", `${shard} reloaded: ${result.ok ? "done" : result.code}`);
  });
}
