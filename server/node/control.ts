/**
 * What operators want of a cell, in one value of its store: nodes that are to have no shards, shards
 * that are to be at certain nodes, processes that have left, and the change of the number of shards
 * that is under way. It outlives every node.
 */
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { Registers, Settled } from "./cell_value.ts";
import type { Log, StoreError } from "./ports.ts";
import { CellValue } from "./cell_value.ts";
import { CLUSTER_NOTHING, formatCluster, parseCluster } from "./cluster_state.ts";
import type { ClusterState } from "./cluster_state.ts";
import { sameNode } from "../../shard/table/placement.ts";

/** Name of the register. */
export const CLUSTER_REGISTER = "cluster";

/** The value, as this node has read it last. */
export class ClusterControl {
  readonly #store: Registers;
  readonly #log: Pick<Log, "error">;
  readonly #value: CellValue<ClusterState>;
  #version = -1;
  /** The version that could not be parsed last: it is logged once. */
  #refused = -1;
  #state = CLUSTER_NOTHING;
  /** Whether this process takes itself out of the cell: it has no shards, and claims none. */
  goes = false;
  /** Called when the value has changed; `own`: by this node. */
  onChange: (own: boolean) => void = () => {};

  constructor(store: Registers, log: Pick<Log, "error">) {
    this.#store = store;
    this.#log = log;
    this.#value = new CellValue(store, {
      name: CLUSTER_REGISTER,
      parse: parseCluster,
      format: formatCluster,
      initial: (done) => done(null, CLUSTER_NOTHING),
    });
  }

  /** The newest value that was read. */
  get state(): ClusterState {
    return this.#state;
  }

  /** Whether the node is to have no shards. */
  isDrained(node: NodeRef): boolean {
    return this.#state.drained.includes(node.id) || this.hasLeft(node);
  }

  /** Whether this process is no node of the cell any more. A later process of its node is one. */
  hasLeft(node: NodeRef): boolean {
    return this.#state.left.some((process) => sameNode(process, node));
  }

  /**
   * Reads the value; calls back with the number of a node's last process, at least `known`. The row of
   * one that has left may be forgotten by now: a later process must not have its number.
   */
  lastProcess(
    node: NodeId,
    known: number,
    done: (error: StoreError | null, incarnation: number) => void,
  ): void {
    this.read((error) => {
      const left = this.#state.left.find(({ id }) => id === node)?.incarnation ?? 0;
      done(error, Math.max(known, left));
    });
  }

  /** Reads the value. One that is not understood is logged, and the last one that was stays. */
  read(done: (error: StoreError | null) => void, own = false): void {
    this.#store.register(CLUSTER_REGISTER, (error, register) => {
      if (error !== null) return done(error);
      if (register === null || register.version <= this.#version) return done(null);
      const { value, version } = register;
      let state: ClusterState;
      try {
        state = parseCluster(value);
      } catch (cause) {
        const message = `Cannot understand the register ${CLUSTER_REGISTER}: ${cause}`;
        if (this.#refused !== version) this.#log.error("cluster not understood", { message });
        this.#refused = version;
        return done(null);
      }
      this.#version = version;
      this.#state = state;
      this.onChange(own);
      done(null);
    });
  }

  /**
   * Changes the value; see `CellValue.update`. A value that this node cannot understand, such as one
   * of a later version, is left as it is: `failed`.
   */
  update(change: (state: ClusterState) => ClusterState | null, done: Settled<ClusterState>): void {
    this.#value.update(change, (error, state) => {
      if (error !== null) return done(error, state);
      this.read(() => done(null, state), true);
    });
  }
}
