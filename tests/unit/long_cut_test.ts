/** The simulator's bound of what follows a long cut between cells. */
import { doesNotThrow, throws } from "node:assert/strict";
import type { CellName } from "../../shard/name/ids.ts";
import { History } from "../sim/history.ts";
import { LongCut } from "../sim/long_cut.ts";
import { Prng } from "../sim/prng.ts";
import type { SimConfig } from "../sim/config.ts";
import { SimWan } from "../sim/sim_wan.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const [AA, BB] = ["aa", "bb"] as CellName[];
/** When the cell is back (ms). */
const BACK_MS = 620_000;

/** Runs until `untilMs` after the cut; so many frames are sent at once, every so often after it. */
function run(
  frames: number,
  everyMs: number,
  fromMs: number,
  untilMs: number,
  kind: "proxy" | "pair" = "proxy",
): void {
  const time = new VirtualTime();
  const prng = new Prng(1);
  const wan = new SimWan(time, prng, [AA!, BB!]);
  const history = new History(() => time.nowMs);
  const cut = new LongCut({ config: { users: 4 } as SimConfig, history, prng, time, wan });
  for (let ms = fromMs; ms < untilMs; ms += everyMs) {
    time.global.timers.after(BACK_MS + ms, () => {
      for (let n = 0; n < frames; n++) wan.onCarried(kind, AA!, BB!);
    });
  }
  time.runFor(BACK_MS + untilMs);
  cut.check();
}

Deno.test("12: LongCut notices too many frames in a tick, and in all", () => {
  throws(() => run(121, 1000, 10_050, 11_000), /121 others from aa to bb .* \(121 proxy\)/);
  throws(() => run(5, 100, 50, 30_000), /work after a cut is bounded: .* 1205 in all/);
  throws(() => run(121, 1000, 29_950, 30_500), /121 others/);
  doesNotThrow(() => run(120, 5000, 50, 30_000));
  throws(() => run(481, 1000, 10_050, 11_000, "pair"), /481 pairs from aa to bb .* \(481 pair\)/);
  throws(() => run(30, 100, 50, 30_000, "pair"), /8010 in all/);
  doesNotThrow(() => run(121, 1000, 50, 30_000, "pair"));
});

Deno.test("12: LongCut counts no frames after its look, in which no tick ends any more", () => {
  doesNotThrow(() => run(3, 100, 50, 60_000));
  doesNotThrow(() => run(1, 100, 30_050, 60_000));
});
