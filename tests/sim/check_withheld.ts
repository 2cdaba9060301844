/** What shards say while their node may not serve is bounded, however long that lasts. */
import type { Cluster } from "./cluster.ts";
import { Violation } from "./history.ts";

/** Looks at what the nodes of a cell withhold now. */
export function checkWithheld({ config: { withheldMax }, nodes }: Cluster): void {
  for (const { running, who } of nodes.filter((n) => n.up)) {
    const size = running.node.cell?.remote.withheld.size ?? 0;
    if (size <= withheldMax) continue;
    throw new Violation("what is withheld is bounded", `${who} withholds ${size} effects`);
  }
}
