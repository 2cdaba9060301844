/**
 * When shards are moved by load: a node must have too much at several looks, and a shard that was
 * moved stays where it is for minutes, unless nodes come or go. Loads that come and go move each shard
 * once in that time at most.
 */
import {
  BALANCE,
  balanceMoves,
  type PlannedMove,
  type ShardLoad,
} from "../../shard/table/balance.ts";
import type { NodeId } from "../../shard/name/ids.ts";

/** Looks one after another at which a node must have too much. */
const LOOKS = 3;
/** How long a shard stays where it was moved to while the nodes are the same (ms). */
export const STAY_MS = 300_000;

/** See the head of this file. */
export class BalancePolicy {
  /** Looks so far at which a node has had too much. */
  #looks = 0;
  /** The nodes at the last look. */
  #nodes = "";
  /** When shards were moved. */
  readonly #movedMs = new Map<number, number>();

  /**
   * The moves to make now. `even`: an operator wants the shares evened out, whatever was moved
   * lately.
   */
  plan(
    nowMs: number,
    loads: readonly ShardLoad[],
    nodes: readonly NodeId[],
    even: boolean,
  ): readonly PlannedMove[] {
    const asBefore = nodes.join() === this.#nodes;
    this.#nodes = nodes.join();
    for (const [shard, atMs] of this.#movedMs) {
      if (even || !asBefore || nowMs - atMs >= STAY_MS) this.#movedMs.delete(shard);
    }
    const options = even ? { ...BALANCE, begin: BALANCE.end } : BALANCE;
    const some = loads.map((load) => ({
      ...load,
      fixed: load.fixed || this.#movedMs.has(load.shard),
    }));
    const moves = balanceMoves(some, nodes, options);
    this.#looks = moves.length === 0 ? 0 : this.#looks + 1;
    if (moves.length === 0 || !even && this.#looks < LOOKS) return [];
    this.#looks = 0;
    for (const { shard } of moves) this.#movedMs.set(shard, nowMs);
    return moves;
  }

  /** A planned move was not made. */
  failed(shard: number): void {
    this.#movedMs.delete(shard);
  }
}
