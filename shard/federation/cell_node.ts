/** Other cells in the place of interested nodes: one frame per change goes to each of them. */
import type { CellName, NodeId } from "../name/ids.ts";

const PREFIX = "cell:";

/** The interested party that stands for a cell. No node has such an id. */
export function cellNode(cell: CellName): NodeId {
  return `${PREFIX}${cell}` as NodeId;
}

/** The cell that an interested party stands for; null where it is a node. */
export function cellOf(node: NodeId): CellName | null {
  return node.startsWith(PREFIX) ? node.slice(PREFIX.length) as CellName : null;
}
