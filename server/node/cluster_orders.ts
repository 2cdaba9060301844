/**
 * What operators order of the nodes of a cell: to drain one, to let one leave, to move a shard, to
 * even the shares out. Each order is a change of the register `cluster`, which any node makes; the
 * owners of shards do what follows from it, so that it survives every node. A node that is leaving
 * ends once it has no shard; one that has died is taken out of the cell by another one.
 */
import type { ClusterControl } from "./control.ts";
import type { Moved } from "./giving.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "./parts.ts";
import type { StoreError } from "./ports.ts";
import { askMove } from "./ask_move.ts";
import { type ClusterState, LEFT_MAX, type Place } from "./cluster_state.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { sameNode } from "../../shard/table/placement.ts";

/** How long a move that was ordered is tried before its caller gets an error (ms). */
const MOVE_MAX_MS = 10_000;
/** Time between two tries (ms). */
const AGAIN_MS = 250;

/** How a shard was moved. */
export interface OrderedMove {
  readonly from: NodeId | null;
  /** How long it did not serve (ms); null where only its new owner knows. */
  readonly pauseMs: number | null;
}

/** How far the shards are where they should be. */
export interface Spread {
  readonly shards: number;
  /** Shards that no live node owns. */
  readonly unowned: number;
  /** Shards that another node should have than has them. */
  readonly moving: number;
  readonly places: readonly Place[];
  /** Whether the shares are being evened out by order. */
  readonly balancing: boolean;
}

type Change = (state: ClusterState) => ClusterState | null;

/** See the head of this file. */
export class ClusterOrders {
  readonly #parts: () => NodeParts;
  readonly #control: ClusterControl;
  /** Called again and again once this process is no node of the cell any more: it is to stop. */
  onLeft: () => void = () => {};

  constructor(parts: () => NodeParts, control: ClusterControl) {
    this.#parts = parts;
    this.#control = control;
  }

  /** How far the shards are where they should be, as far as this node knows. */
  get spread(): Spread {
    const { cell, map: { table: { shards } } } = this.#parts();
    const { balance, places } = this.#control.state;
    const balancing = balance !== null && !balance.done;
    if (cell === null) return { shards: shards.length, unowned: 0, moving: 0, places, balancing };
    const placed = cell.shares.placed();
    const isOwned = (owner: NodeRef | null) => owner !== null && cell.liveness.isLive(owner);
    const moving = shards.filter(({ id, owner }) => !sameNode(owner, placed.get(id) ?? null));
    const unowned = shards.filter(({ owner }) => !isOwned(owner)).length;
    return { shards: shards.length, unowned, moving: moving.length, places, balancing };
  }

  /**
   * Takes all shards from a node, for good. `not_found`: it is no node of the cell; `conflict`: no
   * other node could take them.
   */
  drain(id: NodeId, done: (result: Result<ClusterState>) => void): void {
    const fault = this.#drainFault(id);
    if (fault !== null) return done(fault);
    this.#changeOf(id, (state) => drainedToo(state, id), done);
  }

  /** Lets a node have shards again, and stay. */
  undrain(id: NodeId, done: (result: Result<ClusterState>) => void): void {
    const { drained } = this.#control.state;
    if (this.#refOf(id) === null && !drained.includes(id)) return done(unknown(id));
    this.#change((state) => ({ ...state, ...without(state, id) }), done);
  }

  /** Drains a node; it ends once it has no shard. Of a dead one only its row is forgotten. */
  leave(id: NodeId, done: (result: Result<ClusterState>) => void): void {
    const fault = this.#drainFault(id);
    if (fault !== null) return done(fault);
    this.#changeOf(id, (state) => {
      const leaving = [...state.leaving.filter((other) => other !== id), id];
      return { ...drainedToo(state, id), leaving };
    }, done);
  }

  /** Has the load of all nodes evened out, with shards that were moved by order or lately too. */
  rebalance(done: (result: Result<ClusterState>) => void): void {
    if (this.#parts().cell === null) return done(ALONE);
    this.#change((state) => {
      const id = (state.balance?.id ?? 0) + 1;
      return { ...state, places: [], balance: { id, done: false } };
    }, done);
  }

  /**
   * Moves a shard to a node, where it stays until the shares are evened out, it is split or merged, or
   * the node dies or is drained. `unavailable`: it is not there within 10 s, and may be later.
   */
  move(shard: number, to: NodeId, done: (result: Result<OrderedMove>) => void): void {
    const { cell, map: { table } } = this.#parts();
    if (cell === null) return done(ALONE);
    const row = table.shards.find(({ id }) => id === shard);
    if (row === undefined) return done(fail("not_found", `There is no shard ${shard}`));
    const node = this.#refOf(to);
    if (node === null) return done(unknown(to));
    if (!cell.liveness.isLive(node)) return done(fail("conflict", `Node ${to} is dead`));
    if (this.#control.isDrained(node)) return done(drainedNode(to));
    if (this.#control.state.work?.state === "running") {
      return done(fail("conflict", "The number of shards is being changed: try again later"));
    }
    const from = row.owner?.id ?? null;
    const ids = new Set(table.shards.map(({ id }) => id));
    this.#change((state) => {
      const others = state.places.filter((place) => place.shard !== shard && ids.has(place.shard));
      return { ...state, places: [...others, { shard, node: to }] };
    }, (changed) => {
      if (!changed.ok) return done(changed);
      const untilMs = this.#nowMs + MOVE_MAX_MS;
      this.#give(
        shard,
        node,
        untilMs,
        (result) => done(result.ok ? ok({ from, pauseMs: result.value }) : result),
      );
    });
  }

  /** Asks the shard's owner to give it to `to`, until that has it. */
  #give(
    shard: number,
    to: NodeRef,
    untilMs: number,
    done: (result: Result<number | null>) => void,
  ): void {
    const { cell, map, ports: { timers } } = this.#parts();
    const owner = map.table.shards.find(({ id }) => id === shard)?.owner ?? null;
    if (sameNode(owner, to)) return done(ok(null));
    if (this.#control.isDrained(to)) return done(drainedNode(to.id));
    const replied = (result: Result<Moved>) => {
      if (result.ok) return done(ok(result.value.pauseMs));
      if (this.#nowMs >= untilMs) return done(fail("unavailable", result.message, AGAIN_MS));
      timers.after(AGAIN_MS, () => cell!.look(() => this.#give(shard, to, untilMs, done)));
    };
    askMove(this.#parts(), shard, to, replied);
  }

  /** Whether other nodes are to have this one's clients: where only drained nodes live, they serve. */
  get sendsClientsAway(): boolean {
    const { cell, ownership: { self } } = this.#parts();
    if (cell === null || !this.#control.isDrained(self)) return false;
    return cell.others.some((node) => cell.liveness.isLive(node) && !this.#control.isDrained(node));
  }

  // ---- what this node does by itself

  /** Looks whether this node has left, and takes nodes without shards out that are to leave. */
  look(): void {
    const { cell, ownership: { self } } = this.#parts();
    if (cell === null) return;
    if (this.#control.hasLeft(self)) return this.onLeft();
    const out = this.#control.state.leaving.filter((id) => this.#isOut(id));
    // Until the outcome is known: others may know already that it is no node any more.
    this.#control.goes = out.includes(self.id);
    for (const id of out) {
      const node = this.#refOf(id);
      this.#change((state) => takenOut(state, id, node), ({ ok }) => {
        if (ok) this.#parts().ports.log.info("node taken out of the cell", { node: id });
      });
    }
  }

  /** Whether a node that is to leave has no shards, and has died where it is another one. */
  #isOut(id: NodeId): boolean {
    const { cell, map, ownership: { self } } = this.#parts();
    if (map.table.shards.some(({ owner }) => owner?.id === id)) return false;
    if (id === self.id) return map.shards.length === 0;
    const node = this.#refOf(id);
    if (node !== null && cell!.liveness.isLive(node)) return false;
    // One that has just begun is linked before its row is read here.
    return ![...cell!.liveness.linked.values()].some((peer) =>
      peer.id === id && peer.incarnation > (node?.incarnation ?? 0) && !this.#control.hasLeft(peer)
    );
  }

  /** The process of a node that has not left. */
  #refOf(id: NodeId): NodeRef | null {
    const { cell, ownership: { self } } = this.#parts();
    if (id === self.id) return this.#control.hasLeft(self) ? null : self;
    const found = cell?.others.find((other) => other.id === id);
    return found === undefined ? null : { id, incarnation: found.incarnation };
  }

  #drainFault(id: NodeId) {
    const { cell, ownership: { self } } = this.#parts();
    if (this.#refOf(id) === null) return unknown(id);
    if (cell === null) return ALONE;
    const others = [self, ...cell.others].filter((node) => node.id !== id);
    const takes = others.some((node) =>
      cell.liveness.isLive(node) && !this.#control.isDrained(node)
    );
    return takes ? null : fail("conflict", `No other node could take the shards of ${id}`);
  }

  /**
   * Changes what is wanted of a node's process. Where that has left since the value was read here,
   * nothing is to be done: the next process of its node is a new one.
   */
  #changeOf(id: NodeId, change: Change, done: (result: Result<ClusterState>) => void): void {
    const node = this.#refOf(id);
    this.#change(
      (state) => state.left.some((left) => sameNode(left, node)) ? null : change(state),
      done,
    );
  }

  #change(change: Change, done: (result: Result<ClusterState>) => void): void {
    this.#control.update(
      change,
      (error, state) => done(error === null ? ok(state) : refused(error)),
    );
  }

  get #nowMs(): number {
    return this.#parts().ports.clock.monoMs();
  }
}

const ALONE = fail("conflict", "The cell has only this node");

function unknown(id: NodeId) {
  return fail("not_found", `There is no node ${id}`);
}

function drainedNode(id: NodeId) {
  return fail("conflict", `Node ${id} is drained: it is to have no shards`);
}

function refused({ message }: StoreError): Result<never> {
  return fail("unavailable", `The store does not take changes now: ${message}`, 1000);
}

function without(state: ClusterState, node: NodeId): Pick<ClusterState, "drained" | "leaving"> {
  const others = (nodes: readonly NodeId[]) => nodes.filter((id) => id !== node);
  return { drained: others(state.drained), leaving: others(state.leaving) };
}

function drainedToo(state: ClusterState, node: NodeId): ClusterState {
  const drained = [...without(state, node).drained, node];
  return { ...state, drained, places: state.places.filter((place) => place.node !== node) };
}

/** Takes a node out whose last known process is `process`; null: none that has not left is known. */
function takenOut(state: ClusterState, id: NodeId, process: NodeRef | null): ClusterState | null {
  if (!state.leaving.includes(id)) return null;
  const rest = { ...state, ...without(state, id) };
  const before = state.left.find((other) => other.id === id)?.incarnation ?? 0;
  // A process that has left, and may not have ended yet, does not return by that.
  if (process === null || process.incarnation < before) return rest;
  const others = state.left.filter((other) => other.id !== id);
  return { ...rest, left: [...others, process].slice(-LEFT_MAX) };
}
