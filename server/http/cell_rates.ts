/**
 * Rates that hold over all nodes of a cell: each node tells the others twice a second what was taken
 * from its own buckets, and they take as much from theirs. A bucket that was emptied at several nodes
 * at one moment is in debt after that, so that over time no more is given than by one node. Within
 * the half second each node may give its whole burst.
 */
import { type Asks, question } from "../node/asks.ts";
import type { Log, Ports } from "../node/ports.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import { ok } from "../../shard/errors.ts";
import type { ShareRate, Throttle } from "../auth/throttle.ts";

/** How often a node tells what was taken (ms). */
export const SHARE_MS = 500;
/** Keys of one rate that one frame has, those first from which most was taken. */
export const SHARED_KEYS_MAX = 1000;

/** What is less was given back meanwhile. */
const SPENT_MIN = 0.001;

/** By rates: keys, and what was taken from their buckets. */
type Spent = Readonly<Record<string, readonly (readonly [key: string, units: number])[]>>;

const SPENT = question<Spent, null>("spent");

interface Shared {
  readonly throttle: Throttle;
  readonly toldFrom: number;
  spent: Map<string, number>;
}

/** What it needs of its node. */
export interface CellRatesHost extends Pick<Ports, "clock" | "timers"> {
  readonly log: Pick<Log, "debug">;
  readonly asks: Pick<Asks, "on" | "one">;
  /** Whether the cell may have other nodes. */
  readonly several: boolean;
  /** The other nodes of the cell that are linked. */
  others(): readonly NodeRef[];
}

/** See the head of this file. */
export class CellRates {
  readonly #host: CellRatesHost;
  readonly #rates = new Map<string, Shared>();
  #waiting = false;

  constructor(host: CellRatesHost) {
    this.#host = host;
    host.asks.on(SPENT, (spent, done) => {
      this.#take(spent);
      done(ok(null));
    });
  }

  /**
   * Lets a rate hold over the cell; its name is the same at all nodes. Who has taken less than
   * `toldFrom` in half a second is left out: of rates that many clients use a little.
   */
  readonly share: ShareRate = (name, throttle, toldFrom = SPENT_MIN) => {
    if (!this.#host.several) return;
    const rate = { throttle, toldFrom, spent: new Map<string, number>() };
    this.#rates.set(name, rate);
    throttle.taken = (key, units) => {
      rate.spent.set(key, (rate.spent.get(key) ?? 0) + units);
      this.#wait();
    };
  };

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#host.timers.after(SHARE_MS, () => {
      this.#waiting = false;
      this.#tell();
    });
  }

  #tell(): void {
    const spent: Record<string, [string, number][]> = {};
    for (const [name, rate] of this.#rates) {
      // What was given back meanwhile is nothing.
      const all = [...rate.spent].filter(([, units]) => Math.abs(units) > rate.toldFrom);
      rate.spent = new Map();
      if (all.length === 0) continue;
      if (all.length > SHARED_KEYS_MAX) all.sort(([, a], [, b]) => b - a);
      spent[name] = all.slice(0, SHARED_KEYS_MAX);
    }
    if (Object.keys(spent).length === 0) return;
    for (const node of this.#host.others()) {
      this.#host.asks.one(node, SPENT, spent, (result) => {
        if (!result.ok) this.#host.log.debug("rates not shared", { node: node.id, ...result });
      });
    }
  }

  /** What another node's clients have taken. It may be of another version: what is not known is left. */
  #take(spent: Spent): void {
    const nowMs = this.#host.clock.monoMs();
    for (const [name, { throttle }] of this.#rates) {
      for (const [key, units] of spent[name] ?? []) throttle.takenElsewhere(nowMs, key, units);
    }
  }
}
