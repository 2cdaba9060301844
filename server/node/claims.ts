/** The right of a node to write for the shard of a user. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Claim } from "./ports.ts";
import type { Node } from "./node.ts";

/** The claim; null where this node does not serve the user's shard now. */
export function claimOf(
  node: Pick<Node, "owns" | "shardOf" | "mayServe">,
  name: AccountName,
): Claim | null {
  if (!node.mayServe || !node.owns(name)) return null;
  const { id, ready, row: { epoch } } = node.shardOf(name);
  return ready ? { shard: id, epoch } : null;
}
