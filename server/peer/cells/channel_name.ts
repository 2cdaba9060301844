/** Names of processes that are linked for the store of a cell, and not as a node of it. */
import type { CellName } from "../../../shard/name/ids.ts";

/** What stands between the name of a cell and the place of a process of it. */
const CHANNEL = "~";

/**
 * The name under which the process at a place is linked for the store of a cell: it is no cell's, so
 * that no cell takes the process for a node of it, whether or not it serves.
 */
export function channelName(cell: CellName, place: CellName): CellName {
  return `${cell}${CHANNEL}${place}` as CellName;
}

/** The cell of a channel; null for the name of a cell. */
export function cellOfChannel(name: CellName): CellName | null {
  const at = name.indexOf(CHANNEL);
  return at < 0 ? null : name.slice(0, at) as CellName;
}

/** The cells that are known, without channels. */
export function cellsOf({ cells }: { readonly cells: readonly CellName[] }): readonly CellName[] {
  return cells.filter((name) => cellOfChannel(name) === null);
}
