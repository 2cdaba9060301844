/** Once nothing is broken any more, gossip says of every node what it is. */
import type { SimNode } from "./sim_node.ts";
import { peerKey } from "../../server/node/peers.ts";
import { Violation } from "./history.ts";

/** For a cell that has been whole for a while: nobody is suspected, and newest statements win. */
export function checkGossip(nodes: readonly SimNode[]): void {
  for (const { who, running } of nodes) {
    const seen = new Map(running.node.nodes.map((node) => [peerKey(node), node.gossip]));
    for (const other of nodes.filter((n) => n.running !== running)) {
      const [self] = other.running.node.nodes;
      const gossip = seen.get(peerKey(self!));
      const { version } = other.running.node.table;
      const says = gossip?.says;
      if (gossip?.state === "alive" && says?.leased === true && says.table === version) continue;
      const text = `${who} takes ${other.who}, which has table ${version}, for ` +
        `${gossip?.state ?? "unknown"}: ${JSON.stringify(says ?? null)}`;
      throw new Violation("gossip converges", text);
    }
  }
}
