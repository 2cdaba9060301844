// @ts-check
/** What the server has told so far: samples of the last quarter of an hour, and its state. */

/**
 * @typedef {{ of: readonly number[], shards: readonly number[], pauseMs: number, at: number }} Change
 * @typedef {{ id: string, state: "this" | "linked" | "unlinked" | "dead", gossip: string | null,
 * rttMs: number | null, silentMs: number | null }} Seen
 * @typedef {{ version: string, startedAt: number, health: Health, shards: ShardMap, seen: readonly
 * Seen[], sample: Readonly<Record<string, number | null>> | null }} Report
 * @typedef {{ id: string, incarnation: number, address: string, state: Seen["state"], gossip: string |
 * null, version: string | null, shards: number, drained: boolean, leaving:
 * boolean, report: Report | null, why: string | null }} CellNode
 * @typedef {{ id: number, lo: number, hi: number, epoch: number, owner: string | null }} CellShard
 * @typedef {{ shard: number, from: string | null, to: string | null, epoch: number, at: number }}
 * OwnerChange
 * @typedef {{ self: string, alone: boolean, workers: boolean, moving: number, balancing: boolean, version: number, nodes: readonly CellNode[], shards:
 * readonly CellShard[], changes: readonly OwnerChange[], missing: readonly { node: string, why:
 * string }[] }} Cell
 * @typedef {{ version: number, fields: readonly string[], rows: readonly (readonly number[])[], changes: readonly Change[] }} ShardMap
 * @typedef {{ state: string, reasons: readonly string[] }} Health
 * @typedef {{
 *   node: { version: string, domain: string, startedAt: number },
 *   stepMs: number, health: Health, shards: ShardMap,
 *   first: number, last: number, at: readonly number[],
 *   series: Readonly<Record<string, readonly (number | null)[]>>,
 * }} Live
 */

/** Samples that are kept. */
const SAMPLES_MAX = 900;
/** How old a value may be that counts as the present one (ms). */
const NOW_MS = 10_000;

/** See the head of this file. */
export class Store {
  /** @type {number[]} */
  at = [];
  /** @type {Map<string, (number | null)[]>} */
  #series = new Map();
  /** The newest answer. @type {Live | null} */
  live = null;
  /** All nodes, as they were last; null where the cell is one node. @type {Cell | null} */
  cell = null;

  /** Number of the newest sample that is known; what is asked for next comes after it. */
  get last() {
    return this.live?.last ?? 0;
  }

  /**
   * Takes an answer. Samples of a server that was started anew follow those of the one before.
   * @param {Live} live
   */
  take(live) {
    const again = this.live !== null && this.live.node.startedAt !== live.node.startedAt;
    const known = again || this.live === null ? 0 : this.live.last;
    // It was overtaken by a newer one.
    if (live.last < known) return;
    const skip = Math.max(0, known - live.first + 1);
    const before = this.at.length;
    this.at.push(...live.at.slice(skip));
    for (const [name, values] of Object.entries(live.series)) {
      let column = this.#series.get(name);
      if (column === undefined) this.#series.set(name, column = Array(before).fill(null));
      column.push(...values.slice(skip));
    }
    const over = this.at.length - SAMPLES_MAX;
    if (over > 0) {
      this.at.splice(0, over);
      for (const column of this.#series.values()) column.splice(0, over);
    }
    this.live = live;
  }

  /** Forgets everything. */
  clear() {
    this.at = [];
    this.#series.clear();
    this.live = null;
  }

  /** The moment of the newest sample; 0 before the first. */
  get now() {
    return this.at.at(-1) ?? 0;
  }

  /** Index of the first sample within the last `ms`. @param {number} ms */
  since(ms) {
    const from = this.now - ms;
    let i = this.at.length;
    while (i > 0 && (this.at[i - 1] ?? 0) >= from) i--;
    return i;
  }

  /** All values of a series. @param {string} name @returns {readonly (number | null)[]} */
  series(name) {
    return this.#series.get(name) ?? [];
  }

  /** The newest value of a series, if it is not old; null for none. @param {string} name */
  value(name) {
    const values = this.series(name);
    for (let i = values.length - 1; i >= 0; i--) {
      if (this.now - (this.at[i] ?? 0) > NOW_MS) return null;
      const value = values[i];
      if (value !== null && value !== undefined) return value;
    }
    return null;
  }

  /**
   * The mean of the last seconds, so that a number can be read before it changes; null of nothing.
   * @param {string} name
   * @param {number} seconds
   */
  mean(name, seconds = 3) {
    const values = this.series(name).slice(-seconds).filter((v) => v !== null);
    return values.length === 0 ? null : values.reduce((sum, v) => sum + v, 0) / values.length;
  }

  /** The sum of some series at each moment, for what is not told apart. @param {readonly string[]} names */
  total(names) {
    return names.reduce((sum, name) => sum + (this.value(name) ?? 0), 0);
  }
}
