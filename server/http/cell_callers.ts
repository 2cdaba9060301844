/**
 * Connections of addresses over all nodes of a cell: each node tells the others twice a second which
 * addresses have many, and they count those as well. Within the half second an address may have its
 * whole limit at each node; what it has below `toldFrom` at a node does not count at others.
 */
import type { Callers } from "./callers.ts";
import type { CellRatesHost } from "./cell_rates.ts";
import { question } from "../node/asks.ts";
import { ok } from "../../shard/errors.ts";

/** How often a node tells which addresses have many connections (ms). */
export const TELL_MS = 500;
/** For how long what a node has said counts (ms): it may have ended. */
export const KEPT_MS = 2500;
/** Addresses that one frame has of each kind of connection, those first that have most. */
export const TOLD_MAX = 1000;
/** An address has many connections from this part of its limit on. */
const TOLD_PART = 16;

type Counts = readonly (readonly [key: string, count: number])[];

/** What one node says: by kinds of connections. */
interface Told {
  readonly node: string;
  readonly many: Readonly<Record<string, Counts>>;
}

const MANY = question<Told, null>("many connections");

/** What it needs of its node. */
export interface CellCallersHost extends CellRatesHost {
  readonly node: string;
}

/** See the head of this file. */
export class CellCallers {
  readonly #host: CellCallersHost;
  readonly #kinds = new Map<string, Callers>();
  /** By nodes and kinds of connections. */
  readonly #elsewhere = new Map<string, {
    readonly atMs: number;
    readonly many: ReadonlyMap<string, ReadonlyMap<string, number>>;
  }>();
  #waiting = false;

  constructor(host: CellCallersHost) {
    this.#host = host;
    host.asks.on(MANY, (told, done) => {
      this.#take(told);
      done(ok(null));
    });
  }

  /**
   * Lets a limit of connections hold over the cell; `kind` is the same at all nodes. `max`: how many
   * one address may have.
   */
  readonly share = (kind: string, callers: Callers, max: number): void => {
    if (!this.#host.several) return;
    this.#kinds.set(kind, callers);
    callers.share({
      toldFrom: Math.max(1, Math.floor(max / TOLD_PART)),
      changed: () => this.#wait(),
      elsewhere: (key) => this.#countOf(kind, key),
    });
  };

  #countOf(kind: string, key: string): number {
    const nowMs = this.#host.clock.monoMs();
    let count = 0;
    for (const { atMs, many } of this.#elsewhere.values()) {
      if (nowMs - atMs < KEPT_MS) count += many.get(kind)?.get(key) ?? 0;
    }
    return count;
  }

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#host.timers.after(TELL_MS, () => {
      this.#waiting = false;
      this.#tell();
    });
  }

  #tell(): void {
    const many: Record<string, Counts> = {};
    for (const [kind, callers] of this.#kinds) {
      const all = [...callers.many()];
      if (all.length > TOLD_MAX) all.sort(([, a], [, b]) => b - a);
      many[kind] = all.slice(0, TOLD_MAX);
    }
    // What is not said again is forgotten.
    if (Object.values(many).some((counts) => counts.length > 0)) this.#wait();
    const { asks, log, node } = this.#host;
    for (const other of this.#host.others()) {
      asks.one(other, MANY, { node, many }, (result) => {
        if (!result.ok) log.debug("connections not told", { node: other.id, ...result });
      });
    }
  }

  /** What another node has. It may be of another version: kinds that are not known are left. */
  #take({ node, many }: Told): void {
    const atMs = this.#host.clock.monoMs();
    const counts = Object.entries(many).map(([kind, told]) => [kind, new Map(told)] as const);
    this.#elsewhere.set(node, { atMs, many: new Map(counts) });
  }
}
