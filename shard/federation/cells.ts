/** The cells that share one name space, as a node knows them; the object changes with them. */
import type { CellName } from "../name/ids.ts";

/** See the head of this file. */
export interface Cells {
  readonly self: CellName;
  /** Version of the list of voters: a change adds or removes one of them and raises it by one. */
  readonly version: number;
  /** Cells that vote on names, in any order; this one may be none of them. */
  readonly voters: readonly CellName[];
  /** All other cells. */
  readonly peers: readonly CellName[];
  /** Whether some node of the cell can be reached. */
  isLinked(cell: CellName): boolean;
}
