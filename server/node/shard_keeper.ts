/**
 * Lets the number of shards follow the load: looks at it now and then, and makes one change at a time,
 * over all nodes of a cell. Of these the one that moves shards by load looks.
 */
import type { Node } from "./node.ts";
import { nextChange, POLICY } from "./shard_policy.ts";
import type { Ports } from "./ports.ts";

/** How often it looks (ms). */
export const KEEPER_LOOK_MS = 30_000;
/** How long every shard must have been measured by its owner (ms). */
const MEASURED_MS = 10_000;

/** Looks until the process ends; `shardsMin`: how many there are at least. */
export function keepShardsEven(
  node: Pick<Node, "coordinator" | "table">,
  { timers, log }: Pick<Ports, "timers" | "log">,
  shardsMin: number,
): void {
  const { coordinator } = node;
  const look = () => {
    timers.after(KEEPER_LOOK_MS, look);
    if (!coordinator.balancer.leads || coordinator.work?.state === "running") return;
    coordinator.balancer.gather(MEASURED_MS, (measured) => {
      if (measured === null) return;
      const perSecond = new Map(measured.map((load) => [load.shard, load.perSecond]));
      const loads = node.table.shards.map(({ id, lo, hi }) => ({
        id,
        lo,
        hi,
        perSecond: perSecond.get(id) ?? 0,
      }));
      const change = nextChange(loads, { ...POLICY, shardsMin });
      if (change === null) return;
      coordinator.change(change, (result) => {
        if (!result.ok) log.info("shards stay as they are", { code: result.code });
      });
    });
  };
  timers.after(KEEPER_LOOK_MS, look);
}
