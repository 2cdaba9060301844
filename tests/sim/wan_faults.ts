/** What goes wrong between the cells of a simulation. */
import type { Cluster } from "./cluster.ts";
import type { WAN_FAULTS } from "./config.ts";

/** Strikes once, for seconds or minutes. */
export function strikeWan(cluster: Cluster, fault: typeof WAN_FAULTS[number]): void {
  const { prng, time } = cluster;
  const wan = cluster.wan!;
  const forMs = prng.pick([prng.int(200, 3000), prng.int(3000, 20_000), prng.int(20_000, 120_000)]);
  const [one, other] = prng.shuffle(wan.cells) as [typeof wan.cells[0], typeof wan.cells[0]];
  const set = (struck: boolean) => {
    switch (fault) {
      case "cellCutOff":
        return wan.isolate(one, struck);
      case "cellsApart":
        wan.cutWay(other, one, struck);
        return wan.cutWay(one, other, struck);
      case "oneWayApart":
        return wan.cutWay(one, other, struck);
      case "badWan":
        wan.quality = { ...wan.quality, lost: struck ? 0.3 : 0, twice: struck ? 0.3 : 0 };
    }
  };
  set(true);
  time.global.timers.after(forMs, () => set(false));
}
