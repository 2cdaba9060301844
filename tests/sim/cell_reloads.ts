/**
 * Bad moments of a cell's shards. An operator reloads one while an append to several is on its way to
 * the store: the claim overtakes it, so that it is refused because of one of them. A reload is
 * interrupted: when it goes on, another node has the shard. An owner claims its shards again while
 * what it has told others is on its way. A shard is split between the writes of a large head.
 */
import type { Cluster } from "./cluster.ts";
import type { Prng } from "./prng.ts";
import type { SimNode } from "./sim_node.ts";

/** What happens to a shard. */
const KINDS = ["overtaken", "overtaken", "reloaded", "interrupted", "reclaimed", "split"] as const;

/** Does that to shards at random moments of the chaos. */
export function cellReloads(cluster: Cluster): void {
  const prng = cluster.prng.fork("cell reloads");
  for (let i = 0; i < cluster.config.cellReloads; i++) {
    cluster.time.global.timers.after(prng.int(0, cluster.config.chaosMs), () => {
      const node = prng.pick(prng.pick(cluster.several).nodes);
      if (node.serving) strike(cluster, node, prng);
    });
  }
}

function strike(cluster: Cluster, node: SimNode, prng: Prng): void {
  const { store } = cluster.groupAt(node).cell!;
  const { running } = node;
  const lateMs = prng.pick([5, 50, 500]);
  const ids = running.node.shards.map(({ id }) => id);
  const here = () => node.up && node.running === running;
  switch (prng.pick(KINDS)) {
    case "overtaken":
      return store.atAppend(node.id, lateMs, (shards) => {
        if (here()) reload(cluster, node, prng.pick(shards));
      });
    case "reloaded":
      if (ids.length > 0) reload(cluster, node, prng.pick(ids));
      return;
    case "interrupted":
      if (ids.length > 0) interrupted(cluster, node, prng.pick(ids), prng.int(4500, 12_000));
      return;
    case "reclaimed":
      return reclaimed(cluster, node);
    case "split":
      return store.atPages(node.id, 1000, (point) => {
        const shard = here() && running.node.shards.find((s) => s.lo <= point && point < s.hi);
        if (!shard) return;
        const at = shard.lo + 1;
        cluster.splits.add(at);
        running.node.reshape({ of: [shard.id], at: [at] }, () => {});
      });
  }
}

/** It claims its shards again, and what it has told others before is still on its way. */
function reclaimed(cluster: Cluster, node: SimNode): void {
  const { id } = node;
  const { cell } = cluster.groupAt(node);
  const { time } = cluster;
  cell!.delay(id, 4000);
  cell!.store.loseRepliesTo(id, "append", 1);
  time.global.timers.after(4000, () => cell!.delay(id, 0));
}

/** Its process is stopped, cut off from the others, which take its shards over meanwhile. */
function interrupted(cluster: Cluster, node: SimNode, shard: number, forMs: number): void {
  const { cell, nodes } = cluster.groupAt(node);
  const { time } = cluster;
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
