/** Lets shards follow the load: looks at it now and then, and makes one change at a time. */
import type { Node } from "./node.ts";
import { nextChange, POLICY } from "./shard_policy.ts";
import type { Ports } from "./ports.ts";

/** How often it looks (ms). */
const LOOK_MS = 30_000;

/** Looks until the process ends; `shardsMin`: how many there are at least. */
export function keepShardsEven(
  node: Pick<Node, "shards" | "reshape">,
  { timers, clock, log }: Pick<Ports, "timers" | "clock" | "log">,
  shardsMin: number,
): void {
  let before = new Map<number, number>();
  let beganMs = clock.monoMs();
  const look = () => {
    const seconds = (clock.monoMs() - beganMs) / 1000;
    const loads = node.shards.map(({ id, lo, hi, inputs }) => ({
      id,
      lo,
      hi,
      // Of a shard that is new since then nothing is known yet.
      perSecond: (inputs - (before.get(id) ?? inputs)) / seconds,
    }));
    const settled = node.shards.every(({ id }) => before.has(id));
    const change = settled ? nextChange(loads, { ...POLICY, shardsMin }) : null;
    before = new Map(node.shards.map(({ id, inputs }) => [id, inputs]));
    beganMs = clock.monoMs();
    if (change !== null) {
      node.reshape(change, (result) => {
        if (!result.ok) log.info("shards stay as they are", { code: result.code });
      });
    }
    timers.after(LOOK_MS, look);
  };
  timers.after(LOOK_MS, look);
}
