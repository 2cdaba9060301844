/**
 * One of several cells is cut off for ten minutes while all go on. What follows when it is back is
 * bounded: frames in each tick and in all, so that nothing is sent again and again. After the look
 * no frame counts: the chaos goes on for longer, and what is sent then has no tick to be counted in.
 */
import type { CellName } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import { Violation } from "./history.ts";

/** When it is cut off and for how long, and how long what follows is looked at after that (ms). */
const FROM_MS = 20_000;
const CUT_MS = 600_000;
const LOOK_MS = 30_000;
/** Frames are counted for so long together (ms). */
const TICK_MS = 100;
/** Frames in a tick from one cell to another, and in all, for each user, at most. */
interface Bound {
  readonly tick: number;
  readonly all: number;
}

const MOST: Bound = { tick: 30, all: 300 };
/**
 * The same of packets of pairs and their acks. What clients had been waiting to send goes out in
 * windows, and here packets overtake one another: for each that is missing the rest of its window is
 * sent again. Between real cells a link keeps their order.
 */
const MOST_OF_PAIRS: Bound = { tick: 120, all: 2000 };
const OF_PAIRS: ReadonlySet<string> = new Set<ShardPacket["kind"]>(["pair", "pair_ack"]);

/** See the head of this file; for the chaos. */
export class LongCut {
  readonly #cluster: Pick<Cluster, "config" | "history" | "prng" | "time" | "wan">;
  /** Frames of each way in this tick, by what they carry. */
  readonly #frames = new Map<string, Map<string, number>>();
  #most = 0;
  /** Of pairs, and all others. */
  readonly #totals = { pairs: 0, others: 0 };

  constructor(cluster: Pick<Cluster, "config" | "history" | "prng" | "time" | "wan">) {
    this.#cluster = cluster;
    const { prng, wan } = cluster;
    const cell = prng.fork("long cut").pick(wan!.cells);
    this.#after(FROM_MS, () => this.#set(cell, true));
    this.#after(FROM_MS + CUT_MS, () => {
      this.#set(cell, false);
      wan!.onCarried = (kind, from, to) => this.#count(`${from} to ${to}`, kind ?? "no packet");
      for (let ms = TICK_MS; ms <= LOOK_MS; ms += TICK_MS) this.#after(ms, () => this.#endTick());
      this.#after(LOOK_MS, () => wan!.onCarried = () => {});
    });
  }

  /** Writes down the most frames of a way in a tick, and the sum of all. */
  check(): void {
    const { pairs, others } = this.#totals;
    const text = `after the long cut: ${this.#most} frames in a tick, ${pairs + others} in all`;
    this.#cluster.history.add("fault", text);
  }

  #after(ms: number, run: () => void): void {
    this.#cluster.time.global.timers.after(ms, run);
  }

  #set(cell: CellName, cut: boolean): void {
    const { history, wan } = this.#cluster;
    history.add("fault", `${cell} is ${cut ? "cut off for long" : "back after long"}`);
    wan!.isolate(cell, cut);
  }

  #count(way: string, kind: string): void {
    const kinds = this.#frames.get(way) ?? new Map<string, number>();
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    this.#frames.set(way, kinds);
  }

  /** Throws where a way had too many frames in this tick, or all of them together have had. */
  #endTick(): void {
    for (const [way, kinds] of this.#frames) {
      const frames = { pairs: 0, others: 0 };
      for (const [kind, n] of kinds) frames[OF_PAIRS.has(kind) ? "pairs" : "others"] += n;
      this.#most = Math.max(this.#most, frames.pairs + frames.others);
      this.#add("pairs", frames.pairs, MOST_OF_PAIRS, way);
      this.#add("others", frames.others, MOST, way);
    }
    this.#frames.clear();
  }

  /** Counts so many frames of this tick. */
  #add(what: "pairs" | "others", frames: number, most: Bound, way: string): void {
    const { users } = this.#cluster.config;
    this.#totals[what] += frames;
    if (frames <= most.tick * users && this.#totals[what] <= most.all * users) return;
    const kinds = [...this.#frames.get(way)!].map(([kind, n]) => `${n} ${kind}`).join(", ");
    const text = `${frames} ${what} from ${way} within ${TICK_MS} ms, ${this.#totals[what]} in all`;
    throw new Violation("work after a cut is bounded", `${text} (${kinds})`);
  }
}
