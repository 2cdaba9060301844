/**
 * Rewatches for users of other cells: edges there ask again whether they may see somebody. Nothing else
 * repeats them. Those that a cut may have lost are passed on again once the cell is linked.
 */
import type { CellName } from "../name/ids.ts";
import type { Cells } from "../federation/cells.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { ShardTurn } from "./shard_turn.ts";

type Rewatch = ShardPacket & { readonly kind: "rewatch" };

/** How long a cut may last before it is noticed (ms), with time to spare. */
const UNNOTICED_MS = 60_000;
/** Those that are kept for one cell where there are twice as many. */
const KEPT_MAX = 1000;

interface Passed {
  readonly packet: Rewatch;
  readonly atMs: number;
  /** The cell was not linked. */
  readonly lost: boolean;
}

/** See the head of this file. */
export class PassedRewatches {
  readonly #turn: ShardTurn;
  readonly #cells: Pick<Cells, "isLinked">;
  /** In the order of time. */
  readonly #passed = new Map<CellName, Passed[]>();

  constructor(turn: ShardTurn, cells: Pick<Cells, "isLinked">) {
    this.#turn = turn;
    this.#cells = cells;
  }

  /** One is passed on to a cell. */
  add(cell: CellName, packet: Rewatch): void {
    const atMs = this.#turn.now.mono;
    const kept = this.#passed.get(cell) ?? [];
    kept.push({ packet, atMs, lost: !this.#cells.isLinked(cell) });
    this.#passed.set(cell, kept.length < 2 * KEPT_MAX ? kept : this.#kept(cell).slice(-KEPT_MAX));
  }

  /** A cell can be reached again. */
  linked(cell: CellName): void {
    const atMs = this.#turn.now.mono;
    const again = this.#kept(cell).map(({ packet }) => ({ packet, atMs, lost: false }));
    this.#passed.set(cell, again);
    for (const { packet } of again) {
      this.#turn.emit(null, { kind: "abroad", cell, packet, hops: 1 });
    }
  }

  /** Those that may be lost. */
  #kept(cell: CellName): Passed[] {
    const sinceMs = this.#turn.now.mono - UNNOTICED_MS;
    return (this.#passed.get(cell) ?? []).filter(({ atMs, lost }) => lost || atMs > sinceMs);
  }
}
