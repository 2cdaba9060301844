/** What the register `cluster` of a cell has, and how it is stored. Fields that are not known stay. */
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";

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

/** A node that a shard is to be at, as long as it lives and is not drained. */
export interface Place {
  readonly shard: number;
  readonly node: NodeId;
}

/** That the shares of all nodes are to be evened out once. */
export interface Balance {
  /** One more with every order. */
  readonly id: number;
  readonly done: boolean;
}

/** See the head of this file. */
export interface ClusterState {
  /** Nodes that are to have no shards. */
  readonly drained: readonly NodeId[];
  /** Those of them that end when they have none. */
  readonly leaving: readonly NodeId[];
  /** Processes that have left, the latest last: at most one of each node, at most `LEFT_MAX`. */
  readonly left: readonly NodeRef[];
  /** Shards that an operator has moved. */
  readonly places: readonly Place[];
  /** The last order to even the shares out; null where none was given. */
  readonly balance: Balance | null;
  /** The last change of the shards, also when it is over. */
  readonly work: Work | null;
}

/** How many processes that have left are remembered. */
export const LEFT_MAX = 64;

/** The value of a cell that no operator has changed. */
export const CLUSTER_NOTHING: ClusterState = {
  drained: [],
  leaving: [],
  left: [],
  places: [],
  balance: null,
  work: null,
};

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isListOf(is: (each: unknown) => boolean): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.every(is);
}

const isText = (value: unknown) => typeof value === "string";
const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);
const isNode = (value: unknown) =>
  isFields(value) && isText(value["id"]) && isNumber(value["incarnation"]);
const isBalance = (value: unknown) =>
  isFields(value) && isNumber(value["id"]) && typeof value["done"] === "boolean";
const isPlace = (value: unknown) =>
  isFields(value) && isNumber(value["shard"]) && isText(value["node"]);

function isGoal(value: unknown): boolean {
  if (!isFields(value)) return false;
  const { kind, count, lo, hi, at } = value;
  if (kind === "count") return isNumber(count);
  return kind === "cut" && isNumber(lo) && isNumber(hi) && isListOf(isNumber)(at);
}

function isWork(value: unknown): boolean {
  if (!isFields(value)) return false;
  const { id, goal, by, state, error, steps, changesMs, movesMs, shards } = value;
  return isNumber(id) && isGoal(goal) && isNode(by) && isNumber(steps) &&
    ["running", "done", "failed"].includes(String(state)) && (error === null || isText(error)) &&
    [changesMs, movesMs, shards].every(isListOf(isNumber));
}

/** Reads what `formatCluster` wrote. Throws where a field is not as this version knows it. */
export function parseCluster(bytes: Uint8Array): ClusterState {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (!isFields(value)) throw new Error("it is no object");
  // Earlier versions have stored only the first and the last.
  const state = { ...CLUSTER_NOTHING, ...value };
  const checks: Readonly<Record<keyof ClusterState, (value: unknown) => boolean>> = {
    drained: isListOf(isText),
    leaving: isListOf(isText),
    left: isListOf(isNode),
    places: isListOf(isPlace),
    balance: (balance) => balance === null || isBalance(balance),
    work: (work) => work === null || isWork(work),
  };
  for (const [field, is] of Object.entries(checks)) {
    if (!is(state[field as keyof ClusterState])) throw new Error(`its field ${field} is wrong`);
  }
  return state;
}

/** The value as it is stored. */
export function formatCluster(state: ClusterState): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(state));
}
