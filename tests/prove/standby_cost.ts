/**
 * What a standby costs: three cells side by side under the same load in turn, without a standby, with
 * one in mode `sync` and with one in mode `async`. CPU time is what the kernel has counted for the
 * processes of the cell and of its standby, so that other work on the machine is no part of it.
 */
import { Figures, p99Ms } from "./figures.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import type { RunResult } from "../../server/load/result.ts";
import { runLoad, UNLIMITED, windowOf } from "../process/pinned.ts";
import { StandbyCells } from "../process/standby_cells.ts";
import { tempDir } from "../process/server.ts";

const ROUNDS = 3;
const SECONDS = 15;
const MESSAGES_PER_SECOND = 400;
const USERS = 200;
const CONTACTS = 10;
/** Clock ticks in a second, by which the kernel counts CPU time. */
const TICKS = 100;

const MODES = [null, "sync", "async"] as const;

/** One mode in one round. */
interface Sample {
  /** CPU time of a message at the primary, and at the standby's cell (µs). */
  readonly primaryUs: number;
  readonly standbyUs: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
}

interface Measured {
  readonly name: string;
  readonly cells: StandbyCells;
  readonly samples: Sample[];
}

/** CPU time that a process has used, user and system (µs). */
function cpuUs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 1e6 / TICKS;
}

/** CPU time of a process over a load run, of which only a part is measured. */
class CpuSeries {
  readonly #points: { readonly atMs: number; readonly us: number }[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      this.#points.push({ atMs: Date.now(), us: cpuUs(pid) });
    }, 100);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** In the measured part (µs). */
  inWindow({ phases, startedAt }: RunResult): number {
    const { from, to } = phases.find(({ measured }) => measured)!;
    const at = (seconds: number) => {
      const ms = Date.parse(startedAt) + seconds * 1000;
      return this.#points.findLast(({ atMs }) => atMs <= ms)!.us;
    };
    return at(to) - at(from);
  }
}

function loadArgs(scenario: string, options: Readonly<Record<string, number>> = {}): string[] {
  const all = { users: USERS, contacts: CONTACTS, ...options };
  return [scenario, ...Object.entries(all).flatMap(([key, n]) => [`--${key}`, String(n)])];
}

async function sample(
  { cells, name }: Measured,
  { scale }: ProofOptions,
  figures: Figures,
): Promise<Sample> {
  const [a, b] = [cells.server("a"), cells.server("b")];
  const used = new CpuSeries(b.pid);
  const rate = MESSAGES_PER_SECOND * scale;
  const result = await runLoad(a, loadArgs("chat", { rate, seconds: SECONDS }));
  used.stop();
  figures.run(name, result);
  const { messages, serverCpuUs } = windowOf(result);
  const { sent } = result.latencies;
  return {
    primaryUs: serverCpuUs / messages,
    standbyUs: used.inWindow(result) / messages,
    ackP50Ms: (sent?.p50Us ?? NaN) / 1000,
    ackP99Ms: p99Ms(sent),
  };
}

function median(samples: readonly Sample[], of: (sample: Sample) => number): number {
  return samples.map(of).sort((x, y) => x - y)[samples.length >> 1]!;
}

function note(figures: Figures, all: readonly Measured[]): void {
  const bare = all[0]!.samples;
  const kinds = {
    "CPU of a message, primary": [(s: Sample) => s.primaryUs, "µs"],
    "CPU of a message, both cells": [(s: Sample) => s.primaryUs + s.standbyUs, "µs"],
    "ack p50": [(s: Sample) => s.ackP50Ms, "ms"],
    "ack p99": [(s: Sample) => s.ackP99Ms, "ms"],
  } as const;
  for (const [kind, [of, unit]] of Object.entries(kinds)) {
    for (const { name, samples } of all) {
      const value = median(samples, of);
      const ratio = (value / median(bare, of)).toFixed(2);
      figures.note(`${name}: ${kind}`, value, `${unit} (${ratio} of no standby)`);
    }
  }
}

async function attempt(options: ProofOptions): Promise<Verdict> {
  using dir = tempDir();
  const figures = new Figures(options);
  const all: Measured[] = [];
  try {
    for (const mode of MODES) {
      const path = `${dir.path}/${mode ?? "none"}`;
      Deno.mkdirSync(path);
      const flags = ["--registration", "open", ...UNLIMITED];
      const cells = await StandbyCells.start(path, { mode, automatic: true, flags });
      all.push({ name: mode ?? "no standby", cells, samples: [] });
      await runLoad(cells.server("a"), loadArgs("provision"));
    }
    const rounds = options.count ?? ROUNDS;
    for (let round = 1; round <= rounds; round++) {
      for (const measured of all) {
        const one = await sample(measured, options, figures);
        measured.samples.push(one);
        const texts = Object.entries(one).map(([key, n]) => `${key} ${n.toPrecision(3)}`);
        options.say(`round ${round}, ${measured.name}: ${texts.join(", ")}`);
      }
    }
    for (const { cells, name } of all.slice(1)) {
      const standby = (await cells.copies("a")).own?.standbys[0];
      if (standby?.state !== "in sync") figures.fault(`${name}: the standby is ${standby?.state}`);
    }
    note(figures, all);
    return figures.verdict;
  } finally {
    for (const { cells } of all) await cells.stop();
  }
}

/** The cost of a standby. */
export const standbyCostProof: Proof = {
  name: "ackcost",
  claim: "a cell with a sync and with an async standby beside one without: CPU time of a message " +
    "and latency of its ack, as ratios of one run",
  seconds: 240,
  run: attempt,
};
