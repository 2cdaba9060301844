/**
 * One of several cells is cut off for ten minutes while all go on. What follows when it is back is
 * bounded: frames in each tick and in all, so that nothing is sent again and again.
 */
import type { CellName } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import { Violation } from "./history.ts";

/** When it is cut off and for how long, and how long what follows is looked at after that (ms). */
const FROM_MS = 20_000;
const CUT_MS = 600_000;
const LOOK_MS = 30_000;
/** Frames are counted for so long together (ms). */
const TICK_MS = 100;
/** Frames from one cell to another in a tick, and in all, for each user, at most. */
const TICK_FRAMES = 30;
const ALL_FRAMES = 300;

/** See the head of this file; for the chaos. */
export class LongCut {
  readonly #cluster: Cluster;
  /** Frames of each way in this tick. */
  readonly #frames = new Map<string, number>();
  #most = 0;
  #total = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    const { prng, time, wan } = cluster;
    const cell = prng.fork("long cut").pick(wan!.cells);
    const at = (ms: number, run: () => void) => void time.global.timers.after(ms, run);
    at(FROM_MS, () => this.#set(cell, true));
    at(FROM_MS + CUT_MS, () => {
      this.#set(cell, false);
      wan!.onCarried = (_, from, to) => this.#count(`${from} to ${to}`);
      for (let ms = TICK_MS; ms <= LOOK_MS; ms += TICK_MS) at(ms, () => this.#frames.clear());
    });
  }

  /** Whether nothing was too much. Returns the most frames of a way in a tick, and their sum. */
  check(): { readonly most: number; readonly total: number } {
    const { history, wan } = this.#cluster;
    wan!.onCarried = () => {};
    const [most, total] = [this.#most, this.#total];
    history.add("fault", `after the long cut: ${most} frames in a tick, ${total} in all`);
    return { most, total };
  }

  #set(cell: CellName, cut: boolean): void {
    const { history, wan } = this.#cluster;
    history.add("fault", `${cell} is ${cut ? "cut off for long" : "back after long"}`);
    wan!.isolate(cell, cut);
  }

  #count(way: string): void {
    const frames = (this.#frames.get(way) ?? 0) + 1;
    this.#frames.set(way, frames);
    this.#total++;
    this.#most = Math.max(this.#most, frames);
    const { users } = this.#cluster.config;
    if (frames <= TICK_FRAMES * users && this.#total <= ALL_FRAMES * users) return;
    const text = `${frames} frames from ${way} within ${TICK_MS} ms, ${this.#total} in all`;
    throw new Violation("work after a cut is bounded", text);
  }
}
