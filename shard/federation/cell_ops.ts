/** The operations of a shard that are about the homes of names. */
import type { CellName } from "../name/ids.ts";
import type { MoveView } from "./move_message.ts";

/** Name of the operation → `{in, out}`. */
export interface CellOps {
  /**
   * Internal: other cells are to learn the home of this name, those in `add` too, if this cell is its
   * home. `left`: cells that have not acknowledged it.
   */
  "name.share": {
    in: { readonly add: readonly CellName[] };
    out: { readonly left: number };
  };
  /**
   * Internal: the cell that has this name, as far as this one knows; null where none. `reserve`: where
   * none has, the cells decide that it is this one's.
   */
  "name.home": {
    in: { readonly reserve: CellName | null };
    out: { readonly home: CellName | null };
  };
  /**
   * Begins to move the account to another cell, see `Moves`; `move`: a text that no other move has.
   * `not_found` where the cell or the account is not there, `conflict` where it moves elsewhere.
   */
  "move.begin": { in: { readonly to: CellName; readonly move: string }; out: MoveView };
  /** The account stays; `conflict` where the cells decide already. */
  "move.cancel": { in: Record<never, never>; out: null };
  /** How far its move is; null: it is here and stays. */
  "move.state": { in: Record<never, never>; out: MoveView | null };
}
