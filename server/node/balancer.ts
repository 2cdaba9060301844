/**
 * Moves shards to where the load is low. Each node measures its own shards; one node, the linked one
 * with the smallest id, asks all others, plans moves for the whole cell, and asks the owners for them.
 * Two nodes that take themselves for that one do no harm: moves are decided by the store, and small
 * differences move nothing.
 */
import type { ClusterControl } from "./control.ts";
import type { MeasuredLoad } from "./load_meter.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "./parts.ts";
import type { PlannedMove, ShardLoad } from "../../shard/table/balance.ts";
import { ok } from "../../shard/errors.ts";
import { question } from "./asks.ts";
import { askMove } from "./ask_move.ts";
import { BalancePolicy } from "./balance_policy.ts";
import { LoadMeter } from "./load_meter.ts";
import { peerKey } from "./peers.ts";

/** Moves of the whole cell that are under way at a time: more would hold each of them up longer. */
export const MOVES_MAX = 2;
/** How long a shard must be measured before loads are compared (ms). */
const MEASURED_MS = 2000;
/** How long the live nodes must have been the same (ms). */
const STABLE_MS = 2000;

const LOADS = question<null, readonly MeasuredLoad[]>("shard loads");

/** See the head of this file. */
export class Balancer {
  readonly #parts: () => NodeParts;
  readonly #control: ClusterControl;
  readonly #meter = new LoadMeter();
  readonly #policy = new BalancePolicy();
  #liveKeys = "";
  #sinceMs = 0;
  #busy = false;

  constructor(parts: () => NodeParts, control: ClusterControl) {
    this.#parts = parts;
    this.#control = control;
  }

  /** Replies to the question for the loads from now on. */
  start(): void {
    this.#parts().asks.on(LOADS, (_, done) => done(ok(this.#meter.loads)));
  }

  /**
   * The loads of all shards, asked of their nodes; null where not all of them have been measured for
   * `forMs`. Those of a node whose version cannot tell count as the mean of the others.
   */
  gather(forMs: number, done: (loads: readonly ShardLoad[] | null) => void): void {
    const { asks, map: { table } } = this.#parts();
    const owners = new Map<string, NodeRef>();
    for (const { owner } of table.shards) {
      if (owner === null) return done(null);
      owners.set(peerKey(owner), owner);
    }
    const measured = new Map<string, MeasuredLoad>();
    const mute = new Set<string>();
    let [left, failed] = [owners.size, false];
    for (const [key, owner] of owners) {
      asks.one(owner, LOADS, null, (result) => {
        for (const load of result.ok ? result.value : []) {
          measured.set(`${key} ${load.shard}`, load);
        }
        if (!result.ok && result.code === "unsupported") mute.add(key);
        else if (!result.ok) failed = true;
        if (--left === 0) done(failed ? null : this.#complete(forMs, measured, mute));
      });
    }
  }

  #complete(
    forMs: number,
    measured: ReadonlyMap<string, MeasuredLoad>,
    mute: ReadonlySet<string>,
  ): readonly ShardLoad[] | null {
    const { map: { table: { shards } } } = this.#parts();
    const placed = new Set(this.#control.state.places.map(({ shard }) => shard));
    const known = [...measured.values()];
    const mean = known.reduce((sum, { perSecond }) => sum + perSecond, 0) /
      Math.max(1, known.length);
    const loads: ShardLoad[] = [];
    for (const { id: shard, owner } of shards) {
      if (owner === null) return null;
      const key = peerKey(owner);
      const load = measured.get(`${key} ${shard}`);
      if (!mute.has(key) && (load === undefined || load.measuredMs < forMs)) return null;
      const perSecond = load?.perSecond ?? mean;
      loads.push({ shard, node: owner.id, perSecond, fixed: placed.has(shard) });
    }
    return loads;
  }

  /** Measures the loads; plans and makes moves where this node is the one that does. */
  look(): void {
    const { cell, map, ports: { clock } } = this.#parts();
    const nowMs = clock.monoMs();
    this.#meter.sample(nowMs, map.shards.filter(({ ready }) => ready));
    if (cell === null || this.#busy || !this.leads) return;
    const live = this.#live();
    const keys = live.map(peerKey).join();
    if (keys !== this.#liveKeys) {
      this.#liveKeys = keys;
      this.#sinceMs = nowMs;
    }
    const still = this.#control.state.work?.state === "running" || this.#isMoving();
    if (nowMs - this.#sinceMs < STABLE_MS || still) return;
    this.#busy = true;
    this.gather(MEASURED_MS, (loads) => {
      if (loads === null) this.#busy = false;
      else this.#balance(loads);
    });
  }

  /** Whether this node plans for the cell. */
  get leads(): boolean {
    const { cell, ownership: { self } } = this.#parts();
    if (cell === null) return true;
    const first = cell.others.every(({ id, state }) => state !== "linked" || self.id < id);
    return first && cell.leased && !this.#control.hasLeft(self);
  }

  #live(): readonly NodeRef[] {
    const { cell, ownership: { self } } = this.#parts();
    const others = cell!.others.filter(({ state }) => state !== "dead");
    return [self, ...others].toSorted((a, b) => a.id < b.id ? -1 : 1);
  }

  /** Whether a shard is without an owner, or to be moved for another reason than its load. */
  #isMoving(): boolean {
    const { cell, map: { table } } = this.#parts();
    const placed = cell!.shares.placed();
    return table.shards.some(({ id, owner }) => peerKeyOf(owner) !== peerKeyOf(placed.get(id)));
  }

  #balance(loads: readonly ShardLoad[]): void {
    const { ports: { clock, log } } = this.#parts();
    const nodes = this.#live().filter((node) => !this.#control.isDrained(node));
    const { balance } = this.#control.state;
    const even = balance !== null && !balance.done;
    const ids = nodes.map(({ id }) => id);
    const moves = this.#policy.plan(clock.monoMs(), loads, ids, even);
    if (moves.length === 0) {
      this.#busy = false;
      if (even) this.#balanced(balance.id);
      return;
    }
    log.info("shards are moved by load", { moves: moves.length, even });
    this.#make(moves, new Map(nodes.map((node) => [node.id, node])), () => {
      this.#busy = false;
      // A plan of what was measured before its moves is enough: new loads are looked at later.
      if (even) this.#balanced(balance.id);
    });
  }

  /** Makes the moves, a few at a time; ends at the first that cannot be made. */
  #make(moves: readonly PlannedMove[], nodes: ReadonlyMap<NodeId, NodeRef>, done: () => void) {
    const waiting = [...moves];
    let underWay = 0;
    const next = () => {
      while (underWay < MOVES_MAX && waiting.length > 0) {
        const { shard, to } = waiting.shift()!;
        underWay++;
        askMove(this.#parts(), shard, nodes.get(to)!, (result) => {
          underWay--;
          if (!result.ok) {
            for (const move of [{ shard }, ...waiting.splice(0)]) this.#policy.failed(move.shard);
          }
          if (underWay === 0 && waiting.length === 0) done();
          else next();
        });
      }
    };
    next();
  }

  /** The shares are even, as an operator wanted it. */
  #balanced(id: number): void {
    this.#control.update((state) => {
      if (state.balance?.id !== id || state.balance.done) return null;
      return { ...state, balance: { id, done: true } };
    }, () => {});
  }
}

function peerKeyOf(node: NodeRef | null | undefined): string {
  return node == null ? "" : peerKey(node);
}
