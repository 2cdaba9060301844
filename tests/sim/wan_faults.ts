/** What goes wrong between cells of one name space. */
import type { CellName } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import { CALM_WAN, type SimWan } from "./sim_wan.ts";
import type { WAN_FAULTS } from "./config.ts";

/** How often links flap at most. */
const FLAPS = 8;

/** Strikes once, for seconds or minutes; a fault of many strikes ends when `running` is false. */
export function strikeWan(
  cluster: Cluster,
  fault: typeof WAN_FAULTS[number],
  running: () => boolean,
): void {
  const { prng, time } = cluster;
  const wan = cluster.wan!;
  const forMs = prng.pick([prng.int(200, 3000), prng.int(3000, 20_000), prng.int(20_000, 120_000)]);
  const [one, other] = prng.shuffle(wan.cells) as [typeof wan.cells[0], typeof wan.cells[0]];
  if (fault === "wanFlaps") return flap(cluster, wan, one, prng.int(2, FLAPS), running);
  const nodeOf = (cell: CellName) =>
    prng.pick(cluster.groups.find(({ name }) => name === cell)!.nodes).id;
  const [near, far] = [nodeOf(one), nodeOf(other)];
  const slowMs = prng.pick([1000, 4000]);
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
        return;
      case "slowWan":
        wan.quality = { ...wan.quality, wayMs: struck ? [100, slowMs] : CALM_WAN.wayMs };
        return;
      case "farNodesApart":
        wan.cutWay(far, near, struck);
        return wan.cutWay(near, far, struck);
    }
  };
  set(true);
  time.global.timers.after(forMs, () => set(false));
}

/** Links of a cell are cut and mended again and again; some of them break at once. */
function flap(
  cluster: Cluster,
  wan: SimWan,
  cell: SimWan["cells"][0],
  times: number,
  running: () => boolean,
): void {
  const { prng, time } = cluster;
  if (!running()) return;
  wan.isolate(cell, true);
  if (prng.chance(0.5)) {
    for (const other of wan.cells) if (other !== cell) wan.breakLinks(cell, other);
  }
  time.global.timers.after(prng.pick([prng.int(5, 500), prng.int(2000, 5000)]), () => {
    wan.isolate(cell, false);
    if (times === 1) return;
    const again = () => flap(cluster, wan, cell, times - 1, running);
    time.global.timers.after(prng.int(5, 4000), again);
  });
}
