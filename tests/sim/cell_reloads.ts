/**
 * An operator reloads shards of a cell, some of them while an append to several shards is on its way
 * to the store: the claim overtakes it, so that it is refused because of one of them. Others are
 * interrupted: when they go on, another node has the shard.
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
      const overtakes = (ids: readonly number[]) => {
        if (!node.up || node.running !== running || ids.length === 0) return;
        reload(cluster, node, prng.pick(ids));
      };
      const { shards } = running.node;
      if (prng.chance(0.25) && shards.length > 0) {
        interrupted(cluster, node, prng.pick(shards).id, prng.int(4500, 12_000));
      } else if (prng.chance(0.8)) {
        cell!.store.atAppend(node.id, prng.pick([5, 50, 500]), overtakes);
      } else overtakes(shards.map(({ id }) => id));
    });
  }
}

/** Its process is stopped, cut off from the others, which take its shards over meanwhile. */
function interrupted(cluster: Cluster, node: SimNode, shard: number, forMs: number): void {
  const { cell, nodes, time } = cluster;
  const { process } = node.running;
  const cut = (cuts: boolean) => {
    for (const { id } of nodes) if (id !== node.id) cell!.cut(node.id, id, cuts);
  };
  reload(cluster, node, shard);
  process.pause();
  cut(true);
  time.global.timers.after(forMs, () => process.resume());
  time.global.timers.after(forMs + 1000, () => cut(false));
}

function reload(cluster: Cluster, { running, who }: SimNode, shard: number): void {
  cluster.history.add("shards", `${shard} is reloaded at ${who}`);
  running.node.reload(shard, (result) => {
    cluster.history.add("shards", `${shard} reloaded: ${result.ok ? "done" : result.code}`);
  });
}
