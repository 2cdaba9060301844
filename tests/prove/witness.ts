/**
 * Two cells and a witness on three machines: cell `a`, its standby at `b`, and `w`, which votes. Each
 * machine is lost in turn, and the ways between them are cut in every manner, while a user writes and
 * reads at both places where `a` may be served. It goes on without any one of them, and never has two
 * primaries: `primaryFaults` looks for signs of that in what was acknowledged.
 */
import { Figures } from "./figures.ts";
import { inOwnNetwork, isInOwnNetwork, Machines, machinesObstacle } from "../process/machines.ts";
import { LASTS_MS, NAMES, Watched, type Way } from "./witness_cells.ts";
import { pause } from "./cell_load.ts";
import { primaryFaults, type Served, writersOf } from "./one_primary.ts";
import { Prng } from "../sim/prng.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { tempDir } from "../process/server.ts";

/** Somebody serves `a` again within this time, where a majority can be reached (ms). */
const SERVES_MS = 6000;
/** From when on nobody may serve where no majority can be reached (ms). */
const LEASES_OVER_MS = 5000;
const FLAP_MS = 700;
/** Cuts that end about when a takeover begins, and how long each lasts (ms). */
const SHORT_CUTS = 10;
const SHORT_MS = [2500, 5500] as const;
/** Ways that are cut. */
interface Cut {
  readonly name: string;
  readonly ways: readonly Way[];
  readonly flaps?: boolean;
  /** Whether somebody can serve `a` meanwhile. */
  readonly serves: boolean;
}

const both = (one: string, other: string): readonly Way[] => [[one, other], [other, one]];
const CUTS: readonly Cut[] = [
  { name: "a and the others", ways: [...both("a", "b"), ...both("a", "w")], serves: true },
  { name: "a and b", ways: both("a", "b"), serves: true },
  { name: "b and the others", ways: [...both("b", "a"), ...both("b", "w")], serves: true },
  { name: "w and the others", ways: [...both("w", "a"), ...both("w", "b")], serves: true },
  { name: "a to the others", ways: [["a", "b"], ["a", "w"]], serves: true },
  { name: "the others to a", ways: [["b", "a"], ["w", "a"]], serves: true },
  { name: "b to a", ways: [["b", "a"]], serves: true },
  { name: "a and b, flapping", ways: both("a", "b"), flaps: true, serves: true },
  {
    name: "all from each other",
    ways: [...both("a", "b"), ...both("a", "w"), ...both("b", "w")],
    serves: false,
  },
];

/** Each machine is lost, and returns. */
async function losses(say: ProofOptions["say"], watched: Watched, figures: Figures) {
  for (const lost of ["a", "b", "w"]) {
    const sinceMs = await watched.lose(lost);
    await watched.lasts(sinceMs);
    const servedMs = watched.servedAfter(sinceMs);
    figures.atMost(
      `without ${lost}: a message acked after`,
      servedMs / 1000,
      SERVES_MS / 1000,
      "s",
    );
    for (const other of lost === "w" ? ["a", "b"] : [lost === "a" ? "b" : "a"]) {
      const ms = await watched.register(other);
      figures.atMost(
        `without ${lost}: a name given at ${other} in`,
        ms / 1000,
        SERVES_MS / 1000,
        "s",
      );
    }
    await watched.well(lost);
    const ms = Math.round(performance.now());
    say(`without ${lost}: served after ${Math.round(servedMs)} ms; it has returned at ${ms} ms`);
  }
}

async function partition(watched: Watched, cut: Cut, figures: Figures): Promise<string> {
  const sinceMs = performance.now();
  watched.cut(cut.ways, true);
  if (!cut.serves) await pause(LASTS_MS);
  else if (cut.flaps !== true) await watched.lasts(sinceMs + FLAP_MS);
  for (let n = 1; cut.flaps === true && n * FLAP_MS < LASTS_MS; n++) {
    await pause(FLAP_MS);
    watched.cut(cut.ways, n % 2 === 0);
  }
  const untilMs = performance.now();
  if (!cut.serves) {
    const late = watched.servedIn(sinceMs + LEASES_OVER_MS, untilMs);
    figures.atMost(`cut ${cut.name}: served without a majority`, late.length, 0, "");
    return "nobody serves";
  }
  const servedMs = watched.servedAfter(sinceMs + (cut.flaps === true ? 0 : FLAP_MS)) + FLAP_MS;
  figures.atMost(`cut ${cut.name}: a message acked after`, servedMs / 1000, SERVES_MS / 1000, "s");
  const [last] = watched.servedIn(untilMs - 1000, untilMs);
  return `served after ${Math.round(servedMs)} ms, at the end by ${last?.place}`;
}

/** Cuts that end about when a takeover begins. */
async function shortCuts({ say, scale, seed }: ProofOptions, watched: Watched) {
  const prng = new Prng(seed);
  for (let n = Math.max(1, Math.round(SHORT_CUTS * scale)); n > 0; n--) {
    const cut = prng.pick(CUTS.filter(({ flaps, serves }) => flaps !== true && serves));
    const forMs = prng.int(...SHORT_MS);
    watched.cut(cut.ways, true);
    await pause(forMs);
    watched.cut(cut.ways, false);
    await watched.well(null);
    say(`cut ${cut.name} for ${forMs} ms, until ${Math.round(performance.now())} ms`);
  }
}

/** Starts all, and ends all. */
async function withCells<T>(
  say: ProofOptions["say"],
  run: (watched: Watched) => Promise<T>,
): Promise<T> {
  using dir = tempDir();
  const machines = await Machines.start(NAMES);
  try {
    const watched = await Watched.start(dir.path, machines);
    try {
      return await run(watched);
    } catch (error) {
      for (const line of [...watched.logs, ...await watched.states()]) say(line);
      throw error;
    } finally {
      await watched.stop();
    }
  } finally {
    await machines.stop();
  }
}

async function underFaults(options: ProofOptions, watched: Watched, figures: Figures) {
  const { say, scale } = options;
  await losses(say, watched, figures);
  for (const cut of CUTS.slice(0, Math.max(1, Math.round(CUTS.length * scale)))) {
    const how = await partition(watched, cut, figures);
    watched.cut(cut.ways, false);
    await watched.well(null);
    say(`cut ${cut.name}, until ${Math.round(performance.now())} ms: ${how}`);
  }
  await shortCuts(options, watched);
  const lost = await watched.end();
  const two = primaryFaults(watched.history);
  if (two.length + lost.length > 0) [...writersOf(watched.history), ...watched.logs].forEach(say);
  for (const fault of [...two, ...lost].slice(0, 10)) figures.fault(fault);
  const count = (kind: Served["kind"], place: string) =>
    watched.history.filter((served) => served.kind === kind && served.place === place).length;
  for (const place of ["a", "b"]) {
    figures.note(
      `messages acked and reads at ${place}`,
      count("write", place) + count("read", place),
    );
  }
  figures.atMost("acknowledged and lost", lost.length, 0, "");
  figures.atMost("signs of two primaries", two.length, 0, "");
}

async function attempt(options: ProofOptions): Promise<Verdict> {
  const figures = new Figures(options);
  await withCells(options.say, (watched) => underFaults(options, watched, figures));
  return figures.verdict;
}

/** Two cells and a witness, of which any one may be lost or cut off. */
export const witnessProof: Proof = {
  name: "witness",
  claim: "two cells and a witness: each lost in turn, and nine partitions of them: a message is " +
    "acked again in 6 s, nothing acked is lost, there are never two primaries",
  seconds: 400,
  async run(options): Promise<Verdict> {
    if (isInOwnNetwork()) return await attempt(options);
    const obstacle = machinesObstacle();
    if (obstacle !== null) return { pass: false, figures: { "not run": obstacle } };
    const main = new URL("main.ts", import.meta.url).pathname;
    const flags = ["--seed", String(options.seed), "--scale", String(options.scale)];
    return { pass: await inOwnNetwork([main, "witness", ...flags]), figures: {} };
  },
};
