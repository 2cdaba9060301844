/**
 * Keeps the worker processes of a server running: starts all at once, starts one that has ended again
 * (`shard/retry.ts` says when), and drains them one after another.
 */
import type { Cancel, Runtime } from "../node/ports.ts";
import type { Retries } from "../../shard/retry.ts";
import type { ReloadInput, WorkerLine } from "./share.ts";
import type { ReloadReport } from "../cli/launcher.ts";

/** How long a worker must have served for its next end to count as the first (ms). */
const STEADY_MS = 10_000;
/** How long after their drain limit workers may take to end (ms). */
const END_MS = 5000;

/** One process. */
export interface WorkerProcess {
  readonly pid: number;
  /** Begins to drain. */
  stop(): void;
  /** Has it go on with other settings; it says what has become of that. */
  reload(wanted: ReloadInput): void;
  /** Sends its clients away, then ends: another place serves the cell. */
  leave(): void;
  /** Ends it at once. */
  kill(): void;
}

/** How long a worker may take to go on with other settings (ms). */
const RELOAD_MS = 30_000;

/** What it needs of the machine. */
export interface SupervisorDeps extends Runtime {
  readonly retries: Retries;
  readonly count: number;
  /** How long a drain may take. */
  readonly drainMs: number;
  /** Starts worker `number`; `exited` comes last. */
  spawn(
    number: number,
    events: { said(line: WorkerLine): void; exited(code: number): void },
  ): WorkerProcess;
  /** The process of worker `number` has ended: what it has left behind is settled before `done`. */
  ended(number: number, done: () => void): void;
}

/** What all workers together are once they serve. */
export type Serving = Extract<WorkerLine, { readonly kind: "serving" }>;

interface Slot {
  readonly number: number;
  process: WorkerProcess | null;
  serving: Serving | null;
  servingSinceMs: number;
  tries: number;
  restart: Cancel | null;
  /** Its process has ended, and that is not settled yet. */
  settling: boolean;
  /** Called with what has become of a reload; null: its process has ended before. */
  reloaded: (report: ReloadReport | null) => void;
}

/** See the head of this file. */
export class Supervisor {
  readonly #deps: SupervisorDeps;
  readonly #slots: readonly Slot[];
  #starting: { resolve(first: Serving): void; reject(cause: Error): void } | null = null;
  #stopping = false;
  #leaving = false;
  #code = 0;
  #resolveStopped: (code: number) => void = () => {};
  readonly #limits: Cancel[] = [];
  /** How often each has ended without being asked to. */
  readonly ends = new Map<number, number>();
  /** The exit code, once all workers have ended after `stop`. */
  readonly stopped: Promise<number>;

  constructor(deps: SupervisorDeps) {
    this.#deps = deps;
    this.#slots = Array.from({ length: deps.count }, (_, i) => ({
      number: i + 1,
      process: null,
      serving: null,
      servingSinceMs: 0,
      tries: 0,
      restart: null,
      settling: false,
      reloaded: () => {},
    }));
    this.stopped = new Promise((resolve) => this.#resolveStopped = resolve);
  }

  /** Numbers of the workers that serve. */
  get serving(): readonly number[] {
    return this.#slots.filter(({ serving }) => serving !== null).map(({ number }) => number);
  }

  /** Starts all; resolves with what the first one says when all serve. Rejects where one cannot. */
  start(): Promise<Serving> {
    return new Promise((resolve, reject) => {
      this.#starting = { resolve, reject };
      for (const slot of this.#slots) this.#spawn(slot);
    });
  }

  /**
   * Has all workers go on with other settings; resolves with what has become of that at all that run.
   * Those that start later get what `spawn` gives them. One at a time.
   */
  async reload(wanted: ReloadInput): Promise<ReloadReport> {
    const reports = await Promise.all(this.#slots.map((slot) => this.#reload(slot, wanted)));
    const all = (key: keyof ReloadReport) => [
      ...new Set(reports.flatMap((report) => report?.[key] ?? [])),
    ];
    return { changed: all("changed"), restart: all("restart"), faults: all("faults") };
  }

  #reload(slot: Slot, wanted: ReloadInput): Promise<ReloadReport | null> {
    const { number, process } = slot;
    if (process === null) return Promise.resolve(null);
    return new Promise((resolve) => {
      const late = this.#deps.timers.after(RELOAD_MS, () => {
        this.#deps.log.error("worker does not reload", { worker: number });
        slot.reloaded(null);
      });
      slot.reloaded = (report) => {
        late();
        slot.reloaded = () => {};
        resolve(report);
      };
      process.reload(wanted);
    });
  }

  /** Drains the workers, the last one first, each when the one before has ended. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    const { timers, drainMs } = this.#deps;
    for (const slot of this.#slots) slot.restart?.();
    const all = (act: (process: WorkerProcess) => void) => () => {
      for (const { process } of this.#slots) if (process !== null) act(process);
    };
    this.#limits.push(
      timers.after(drainMs, all((process) => process.stop())),
      timers.after(2 * drainMs + END_MS, all((process) => process.kill())),
    );
    this.#stopNext();
  }

  /**
   * Another place serves the cell: ends the workers, at once or, where it was so ordered, when they
   * have sent their clients away. What they leave behind is settled there.
   */
  leave(byOrder: boolean): void {
    this.#stopping = true;
    this.#leaving = true;
    for (const { process, restart } of this.#slots) {
      restart?.();
      byOrder ? process?.leave() : process?.kill();
    }
    this.#stopNext();
  }

  #stopNext(): void {
    const last = this.#slots.findLast(({ process }) => process !== null);
    if (last !== undefined) return this.#leaving ? undefined : last.process!.stop();
    if (this.#slots.some(({ settling }) => settling)) return;
    for (const cancel of this.#limits) cancel();
    this.#resolveStopped(this.#code);
  }

  #spawn(slot: Slot): void {
    const { number } = slot;
    slot.restart = null;
    slot.process = this.#deps.spawn(number, {
      said: (line) => this.#said(slot, line),
      exited: (code) => this.#exited(slot, code),
    });
    this.#deps.log.info("worker started", { worker: number, pid: slot.process.pid });
  }

  #said(slot: Slot, line: WorkerLine): void {
    if (line.kind === "failed") {
      this.#deps.log.error("worker not started", { worker: slot.number, error: line.message });
      return this.#fail(new Error(line.message));
    }
    if (line.kind === "reloaded") return slot.reloaded(line.report);
    if (line.kind !== "serving") return;
    slot.serving = line;
    slot.servingSinceMs = this.#deps.clock.monoMs();
    if (this.#slots.some(({ serving }) => serving === null)) return;
    this.#starting?.resolve(this.#slots[0]!.serving!);
    this.#starting = null;
  }

  /** A start that fails for a reason which the user has to remove ends all. */
  #fail(cause: Error): void {
    if (this.#starting === null) return;
    const { reject } = this.#starting;
    this.#starting = null;
    this.#stopping = true;
    for (const { process, restart } of this.#slots) {
      restart?.();
      process?.kill();
    }
    this.stopped.then(() => reject(cause));
  }

  #exited(slot: Slot, code: number): void {
    const { clock, ended, log, random, retries, timers } = this.#deps;
    const { number, process, serving, servingSinceMs } = slot;
    const servedMs = serving === null ? 0 : clock.monoMs() - servingSinceMs;
    slot.process = null;
    slot.serving = null;
    slot.settling = !this.#leaving;
    slot.reloaded(null);
    if (servedMs >= STEADY_MS) slot.tries = 0;
    if (!this.#stopping) {
      this.ends.set(number, (this.ends.get(number) ?? 0) + 1);
      log.error("worker ended", { worker: number, pid: process?.pid, code });
    } else if (code !== 0) this.#code = 1;
    if (this.#leaving) return this.#stopNext();
    ended(number, () => {
      slot.settling = false;
      if (this.#stopping) return this.#stopNext();
      slot.tries++;
      const waitMs = retries.againMs("worker", slot.tries, random.number());
      slot.restart = timers.after(waitMs, () => this.#spawn(slot));
    });
  }
}
