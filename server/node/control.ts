/**
 * What operators want of a cell, in one value of its store: nodes that are to have no shards, and
 * the change of the number of shards that is under way. It outlives every node.
 */
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { Registers, Settled } from "./cell_value.ts";
import { cellJson, CellValue } from "./cell_value.ts";

/** Name of the register. */
export const CLUSTER_REGISTER = "cluster";

/** What the shards are to become: so many, or those between `lo` and `hi` cut at these points. */
export type Goal =
  | { readonly kind: "count"; readonly count: number }
  | {
    readonly kind: "cut";
    readonly lo: number;
    readonly hi: number;
    readonly at: readonly number[];
  };

/** A change of the shards, step by step. */
export interface Work {
  /** One more with every change. */
  readonly id: number;
  readonly goal: Goal;
  /** The node that makes it; another one goes on when it dies. */
  readonly by: NodeRef;
  readonly state: "running" | "done" | "failed";
  /** Why it failed, in words for the operator. */
  readonly error: string | null;
  /** Steps that were planned at its beginning. */
  readonly steps: number;
  /** How long each change, and each move of a shard before one, has held shards up (ms). */
  readonly changesMs: readonly number[];
  readonly movesMs: readonly number[];
  /** The shards that the last change has made. */
  readonly shards: readonly number[];
}

/** See the head of this file. */
export interface ClusterState {
  /** Nodes that are to have no shards. */
  readonly drained: readonly NodeId[];
  /** The last change, also when it is over. */
  readonly work: Work | null;
}

const NOTHING: ClusterState = { drained: [], work: null };

/** The value, as this node has read it last. */
export class ClusterControl {
  readonly #store: Registers;
  readonly #value: CellValue<ClusterState>;
  #version = -1;
  #state = NOTHING;
  /** Called when the value has changed; `own`: by this node. */
  onChange: (own: boolean) => void = () => {};

  constructor(store: Registers) {
    this.#store = store;
    this.#value = new CellValue(
      store,
      cellJson<ClusterState>(CLUSTER_REGISTER, (done) => done(null, NOTHING)),
    );
  }

  /** The newest value that was read. */
  get state(): ClusterState {
    return this.#state;
  }

  /** Reads the value; what cannot be read now stays as it was. */
  read(done: () => void, own = false): void {
    this.#store.register(CLUSTER_REGISTER, (error, register) => {
      if (error === null && register !== null && register.version > this.#version) {
        this.#version = register.version;
        this.#state = JSON.parse(new TextDecoder().decode(register.value)) as ClusterState;
        this.onChange(own);
      }
      done();
    });
  }

  /** Changes the value; see `CellValue.update`. */
  update(change: (state: ClusterState) => ClusterState | null, done: Settled<ClusterState>): void {
    this.#value.update(change, (error, state) => {
      if (error !== null) return done(error, state);
      this.read(() => done(null, state), true);
    });
  }
}
