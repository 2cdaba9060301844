/**
 * One node alone reaches the store, and not all of the others, which reach each other: it is to take
 * over from one that another node may vouch for, and cannot say so to it.
 */
import type { Cluster } from "./cluster.ts";

/** Sets that up at random moments of the chaos. */
export function claimants(cluster: Cluster): void {
  const { config, time } = cluster;
  const prng = cluster.prng.fork("claimants");
  const { timers } = time.global;
  for (let i = 0; i < config.claimants; i++) {
    timers.after(prng.int(0, Math.max(0, config.chaosMs - 8000)), () => {
      const { cell, nodes } = prng.pick(cluster.several);
      const [claimant, apart, ...rest] = prng.shuffle(nodes.map(({ id }) => id));
      const forMs = prng.int(6000, 20_000);
      cluster.history.add("fault", `only ${claimant} reaches the store, and not ${apart}`);
      for (const node of [apart!, ...rest]) {
        cell!.store.keepFrom(node, true);
        timers.after(forMs + prng.int(0, 2000), () => cell!.store.keepFrom(node, false));
      }
      cell!.cut(claimant!, apart!, true);
      timers.after(prng.pick([forMs, forMs + 3000]), () => cell!.cut(claimant!, apart!, false));
    });
  }
}
