/** What a seed has otherwise where its cluster is a cell of several nodes, or several cells. */
import {
  CELL_FAULTS,
  configOf,
  type FaultName,
  FAULTS,
  type SimConfig,
  WAN_FAULTS,
} from "./config.ts";
import type { Prng } from "./prng.ts";
import { STEADY } from "./wire.ts";

/** Those of one node that concern a cell of several too. */
const IN_CELLS: ReadonlySet<string> = new Set([
  "crash",
  "restart",
  "pause",
  "wallJump",
  "crashLoop",
  "resets",
  "requestsLost",
  "cuts",
  "diskStall",
]);

/** Those that concern the nodes of one of several cells, besides. */
const IN_SEVERAL: ReadonlySet<string> = new Set([
  "crashAtWrite",
  "failingStop",
  "diskErrors",
  "diskFull",
  "diskUnknown",
  "diskReads",
  "partition",
]);

/** One in so many cells has a node of the version before. */
const OLDER_EACH = 4;

/** What a seed has otherwise where its cluster is a cell of several nodes. */
export function cellConfigOf(seed: number, prng: Prng, nodes: number): Partial<SimConfig> {
  const calm = prng.chance(0.05);
  const possible: readonly FaultName[] = [...FAULTS.filter((f) => IN_CELLS.has(f)), ...CELL_FAULTS];
  const orders = prng.fork("orders");
  return {
    nodes,
    sizes: [nodes],
    older: seed % OLDER_EACH === 0 ? 1 : 0,
    orders: orders.pick([0, 0, orders.int(1, 6)]),
    shards: prng.int(3, 9),
    wire: STEADY,
    reshards: prng.pick([0, 0, prng.int(1, 6)]),
    // These are about what one node does with its own store.
    cold: false,
    bugs: calm ? 0 : prng.fork("bugs").pick([0, 0, 0, 0.0005, 0.002]),
    lateCalls: calm ? 0 : prng.fork("late calls").pick([0, 0, 0.01, 0.05]),
    claimants: calm ? 0 : prng.fork("claimants").pick([0, 0, 0, 1, 2]),
    storeServed: prng.fork("served").chance(0.3),
    withheldMax: prng.fork("withheld").pick([10_000, 10_000, 20, 3]),
    cellReloads: prng.fork("reloads").pick([0, 0, 1, 4]),
    faults: calm ? [] : possible.filter(() => prng.chance(0.4)),
    faultCount: calm ? 0 : prng.int(1, 8),
  };
}

/** One in so many runs of cells has a long cut. */
const LONG_CUT = 0.04;
/** In one of so many runs of cells of several nodes all of them crash at about the same time. */
const ALL_CRASH = 0.15;
/** One in so many runs of cells of several nodes has an evacuation. */
const EVACUATES = 0.25;

/** The same where it is several cells, of 1 to `nodes` nodes each. */
export function cellsConfigOf(prng: Prng, cells: number, nodes: number): Partial<SimConfig> {
  const calm = prng.chance(0.05);
  const several = nodes > 1;
  // A usurper makes accounts that no cell has voted on.
  const ofNodes = FAULTS.filter((f) =>
    several ? IN_CELLS.has(f) || IN_SEVERAL.has(f) : f !== "usurp"
  );
  const possible: readonly FaultName[] = [
    ...ofNodes,
    ...several ? CELL_FAULTS : [],
    ...WAN_FAULTS,
  ];
  const long = prng.chance(0.2);
  const longCut = prng.fork("long cut").chance(LONG_CUT);
  const sizes = Array.from({ length: cells }, () => prng.int(1, nodes));
  // One at least has several nodes.
  sizes[prng.int(0, cells - 1)] = nodes;
  if (prng.fork("witness").chance(cells === 2 ? 0.5 : 0.2)) sizes.push(1);
  return {
    cells,
    sizes,
    users: prng.int(cells, 6),
    // The version before knows nothing of other cells.
    older: 0,
    cold: false,
    longCut,
    allCrash: several && !calm && prng.fork("all crash").chance(ALL_CRASH),
    evacuates: several && prng.fork("evacuates").chance(EVACUATES),
    faults: calm ? [] : possible.filter(() => prng.chance(0.4)),
    faultCount: calm ? 0 : prng.int(1, 8),
    ...(long ? { chaosMs: prng.int(60_000, 240_000), actionsPerSecond: prng.int(1, 4) } : {}),
    ...(longCut ? { chaosMs: LONG_CUT_MS, actionsPerSecond: 1 } : {}),
  };
}

/** How long clients act where a cell is cut off for ten minutes meanwhile (ms). */
const LONG_CUT_MS = 680_000;

/** The cluster of a seed, of so many cells and nodes, with parts that are to be otherwise. */
export function configFor(seed: number, root: Prng, change: Partial<SimConfig>): SimConfig {
  const { cells = 1, nodes = 1 } = change;
  const config = {
    ...configOf(root.fork("config")),
    ...(nodes > 1 ? cellConfigOf(seed, root.fork("cell config"), nodes) : {}),
  };
  if (cells === 1) return { ...config, ...change };
  const ofCells = cellsConfigOf(root.fork("cells config"), cells, nodes);
  const all = { ...config, ...ofCells, ...change };
  // What follows the home of an account is about the users: others are not followed.
  const weights = all.evacuates ? { ...all.weights, flash: 0 } : all.weights;
  return { ...all, weights, nodes: all.sizes.reduce((sum, size) => sum + size, 0) };
}
