/** What a node counts of accounts that move between cells. */
import type { CellName } from "../../shard/name/ids.ts";
import { byLabel, type Meter } from "../node/meter.ts";
import type { Counters } from "../http/counters.ts";
import { type Evacuation, remainingOf } from "../node/evacuation.ts";

/** The cell's evacuation, where it has others. */
export interface CellEvacuation {
  readonly cell: CellName;
  readonly evacuation: Pick<Evacuation, "progress">;
}

/** That of an open node; null where its cell is alone. */
export function cellEvacuation(
  { cells, evacuation }: {
    readonly cells: { readonly self: CellName } | null;
    readonly evacuation: Evacuation | null;
  },
): CellEvacuation | null {
  return cells === null || evacuation === null ? null : { cell: cells.self, evacuation };
}

/** Registers it; null where the cell is alone, which has nothing to count. */
export function registerMoves(
  to: Meter,
  { moves }: Pick<Counters, "moves">,
  own: CellEvacuation | null,
): void {
  to.values("roost_moves_total", () => own === null ? [] : byLabel("outcome", moves));
  type Order = NonNullable<Evacuation["progress"]>;
  const each = (name: Parameters<Meter["values"]>[0], of: (order: Order) => number | null) =>
    to.values(name, () => {
      const order = own?.evacuation.progress ?? null;
      const value = order === null ? null : of(order);
      return value === null ? [] : [[{ cell: own!.cell }, value] as const];
    });
  each("roost_evacuation_running", ({ state }) => Number(state === "running"));
  each("roost_evacuation_moved_accounts", ({ moved }) => moved);
  each("roost_evacuation_moving_accounts", ({ moving }) => moving);
  each("roost_evacuation_remaining_accounts", remainingOf);
}
