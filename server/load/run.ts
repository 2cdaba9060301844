/** Leads a run: phases in step on all workers, a look at everything every second, the verdict. */
import type { Phase } from "./phase.ts";
import type { LatencyResult, PhaseResult, Point, RunResult, Window } from "./result.ts";
import type { Timers } from "../node/ports.ts";
import type { Truth, Verdict } from "./crowd.ts";
import { type Counts, FaultTally, NO_COUNTS } from "./tally.ts";
import { joinTruth, type Worker, type WorkerSample } from "./worker.ts";
import { Latencies, type Timed, TIMED_NAMES } from "./latency.ts";
import type { PresenceCounts } from "./presence_book.ts";
import type { MessageCounts } from "./message_book.ts";
import type { ProcessUse } from "./probe.ts";

/** Workers get this long to have a phase's start in time (µs). */
const HEAD_START_US = 200_000;
const SAMPLE_MS = 1000;
/** How often it is looked whether everything has arrived (ms). */
const SETTLE_STEP_MS = 500;

/** What a run needs. */
export interface RunDeps {
  readonly workers: readonly Worker[];
  readonly timers: Timers;
  nowUs(): number;
  /** A look at the server's process; null where it cannot be seen. */
  server(): ProcessUse | null;
  /** Told before every phase. */
  begins(phase: Phase): void;
  /** Told after every look. */
  progress(point: Point): void;
  /** Whether somebody wants it to end early. */
  stopped(): boolean;
}

/** What a run is about. */
export interface RunPlan {
  readonly phases: readonly Phase[];
  readonly graceMs: number;
  /** Longest wait for deliveries after the last phase (s). */
  readonly settleSeconds: number;
}

/** A result without what the caller knows: who, where and how. */
export type Findings = Pick<
  RunResult,
  | "stopped"
  | "phases"
  | "points"
  | "window"
  | "latencies"
  | "counts"
  | "presence"
  | "messages"
  | "falseOffline"
  | "awayMaxMs"
  | "settledSeconds"
  | "faults"
>;

/** All workers at one moment. */
interface Look {
  readonly atUs: number;
  readonly counts: Counts;
  readonly presence: PresenceCounts;
  readonly messages: MessageCounts;
  readonly toolCpuUs: number;
  readonly toolRssBytes: number;
  readonly server: ProcessUse | null;
}

/** Runs the phases and waits until everything has arrived. */
export async function lead(deps: RunDeps, plan: RunPlan): Promise<Findings> {
  const run = new Run(deps, plan);
  return await run.all();
}

class Run {
  readonly #deps: RunDeps;
  readonly #plan: RunPlan;
  readonly #startUs: number;
  readonly #points: Point[] = [];
  readonly #phases: PhaseResult[] = [];
  /** Everything timed since the measured phase began. */
  readonly #measured = new Latencies();
  #measuring = false;
  #phase = "";
  #last: Look | null = null;
  #window: Window | null = null;

  constructor(deps: RunDeps, plan: RunPlan) {
    this.#deps = deps;
    this.#plan = plan;
    this.#startUs = deps.nowUs();
  }

  async all(): Promise<Findings> {
    for (const phase of this.#plan.phases) {
      if (this.#deps.stopped()) break;
      await this.#run(phase);
    }
    const { verdict, truth, seconds } = await this.#settle();
    const last = await this.#look();
    const faults = new FaultTally();
    for (const worker of this.#deps.workers) faults.merge(await worker.faults());
    return {
      stopped: this.#deps.stopped(),
      phases: this.#phases,
      points: this.#points,
      window: this.#window,
      latencies: this.#latencies(),
      counts: last.counts,
      presence: { ...last.presence, ...verdict.presence },
      messages: { ...last.messages, ...verdict.messages, unanswered: verdict.unanswered },
      falseOffline: verdict.falseOffline,
      awayMaxMs: truth.backMs.reduce((max, ms, i) => Math.max(max, ms - truth.goneMs[i]!), 0),
      settledSeconds: seconds,
      faults: faults.list(),
    };
  }

  async #run(phase: Phase): Promise<void> {
    this.#phase = phase.name;
    this.#deps.begins(phase);
    await this.#look();
    if (phase.measured) this.#measuring = true;
    const startUs = this.#deps.nowUs() + HEAD_START_US;
    let over = false;
    const all = Promise.all(this.#deps.workers.map((worker) => worker.phase(phase, startUs)))
      .finally(() => over = true);
    // Taken once the phase has begun, so that what the crowds count anew is anew here too.
    await this.#wait(HEAD_START_US / 1000 + 5);
    const before = await this.#look();
    while (!over && !this.#deps.stopped()) {
      await Promise.race([all, this.#wait(SAMPLE_MS)]);
      await this.#look();
    }
    if (!over) return;
    const missing = (await all).reduce((sum, count) => sum + count, 0);
    const after = await this.#look();
    const from = this.#seconds(before.atUs);
    const { name, measured } = phase;
    this.#phases.push({ name, measured, from, to: this.#seconds(after.atUs), missing });
    // What crowds count of presence begins anew with the phase, perhaps only after that look.
    const zero = { ...after.presence, delivered: 0, initial: 0, offline: 0 };
    if (measured) this.#window = windowBetween({ ...before, presence: zero }, after);
  }

  /** Waits until everything that was sent has arrived, or for as long as the plan allows. */
  async #settle(): Promise<{ verdict: Verdict; truth: Truth; seconds: number }> {
    this.#phase = "settling";
    const startUs = this.#deps.nowUs();
    for (;;) {
      const truth = joinTruth(await Promise.all(this.#deps.workers.map((w) => w.truth())));
      const verdicts = await Promise.all(
        this.#deps.workers.map((worker) => worker.compare(truth, this.#plan.graceMs)),
      );
      const verdict = verdicts.reduce(addVerdicts);
      const seconds = (this.#deps.nowUs() - startUs) / 1e6;
      const open = verdict.presence.stale + verdict.messages.missing + verdict.unanswered;
      const enough = open === 0 || seconds >= this.#plan.settleSeconds || this.#deps.stopped();
      if (enough) return { verdict, truth, seconds };
      await this.#wait(SETTLE_STEP_MS);
      await this.#look();
    }
  }

  /** Looks at all workers and the server; makes a point of what went on since the last look. */
  async #look(): Promise<Look> {
    const samples = await Promise.all(this.#deps.workers.map((worker) => worker.sample()));
    const interval = new Latencies();
    for (const sample of samples) interval.add(sample.latencies);
    if (this.#measuring) this.#measured.merge(interval);
    const look = lookOf(samples, this.#deps.nowUs(), this.#deps.server());
    const before = this.#last;
    this.#last = look;
    if (before !== null && look.atUs > before.atUs + 1000 * SAMPLE_MS / 4) {
      const point = pointOf(before, look, interval, this.#seconds(look.atUs), this.#phase);
      this.#points.push(point);
      this.#deps.progress(point);
    }
    return look;
  }

  #latencies(): Readonly<Partial<Record<Timed, LatencyResult>>> {
    const results: Partial<Record<Timed, LatencyResult>> = {};
    for (const name of TIMED_NAMES) {
      const summary = this.#measured.summary(name);
      if (summary !== null) results[name] = { ...summary, curveUs: this.#measured.curve(name) };
    }
    return results;
  }

  #seconds(atUs: number): number {
    return Math.round((atUs - this.#startUs) / 1e4) / 100;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#deps.timers.after(ms, resolve));
  }
}

/** Adds up numbers of records that have the same fields. */
function sum<T extends Readonly<Record<keyof T, number>>>(list: readonly T[], zero: T): T {
  const total: Record<string, number> = { ...zero };
  for (const one of list) {
    for (const [key, value] of Object.entries<number>(one)) total[key] = (total[key] ?? 0) + value;
  }
  return total as T;
}

function lookOf(
  samples: readonly WorkerSample[],
  atUs: number,
  server: ProcessUse | null,
): Look {
  const [first] = samples;
  return {
    atUs,
    counts: sum(samples.map((sample) => sample.counts), NO_COUNTS),
    presence: sum(samples.slice(1).map((sample) => sample.presence), first!.presence),
    messages: sum(samples.slice(1).map((sample) => sample.messages), first!.messages),
    toolCpuUs: samples.reduce((us, sample) => us + sample.cpuUs, 0),
    toolRssBytes: samples.reduce((bytes, sample) => bytes + sample.rssBytes, 0),
    server,
  };
}

function arrived({ presence }: Look): number {
  return presence.delivered + presence.initial + presence.offline;
}

function signIns({ counts }: Look): number {
  return counts.signIns + counts.resumes;
}

function pointOf(
  before: Look,
  look: Look,
  interval: Latencies,
  at: number,
  phase: string,
): Point {
  const seconds = (look.atUs - before.atUs) / 1e6;
  // Counts of presence begin anew with a measured phase.
  const rate = (count: number) => Math.max(0, Math.round(count / seconds));
  const latencies: Partial<Record<Timed, { p50Us: number; p99Us: number }>> = {};
  for (const name of TIMED_NAMES) {
    const summary = interval.summary(name);
    if (summary !== null) latencies[name] = { p50Us: summary.p50Us, p99Us: summary.p99Us };
  }
  const cores = (us: number) => Math.round(us / seconds / 1e4) / 100;
  const both = look.server !== null && before.server !== null;
  return {
    at,
    phase,
    online: look.counts.online,
    signIns: rate(signIns(look) - signIns(before)),
    presence: rate(arrived(look) - arrived(before)),
    messages: rate(look.messages.received - before.messages.received),
    events: rate(look.counts.events - before.counts.events),
    latencies,
    serverCpu: both ? cores(look.server!.cpuUs - before.server!.cpuUs) : null,
    serverRssBytes: look.server?.rssBytes ?? null,
    toolCpu: cores(look.toolCpuUs - before.toolCpuUs),
    toolRssBytes: look.toolRssBytes,
  };
}

function windowBetween(before: Look, after: Look): Window {
  const both = before.server !== null && after.server !== null;
  return {
    seconds: (after.atUs - before.atUs) / 1e6,
    signIns: signIns(after) - signIns(before),
    presence: arrived(after) - arrived(before),
    messages: after.messages.received - before.messages.received,
    serverCpuUs: both ? after.server!.cpuUs - before.server!.cpuUs : null,
    toolCpuUs: after.toolCpuUs - before.toolCpuUs,
    events: after.counts.events - before.counts.events,
    frames: after.counts.frames - before.counts.frames,
  };
}

function addVerdicts(a: Verdict, b: Verdict): Verdict {
  return {
    presence: sum([b.presence], a.presence),
    messages: sum([b.messages], a.messages),
    falseOffline: a.falseOffline + b.falseOffline,
    unanswered: a.unanswered + b.unanswered,
  };
}
