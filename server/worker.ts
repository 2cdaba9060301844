/** One worker of a server of several processes: it serves as the process that has started it says. */
import { type ConfigInput, resolveConfig } from "./config/config.ts";
import { hearParent, tellParent } from "./system/worker_process.ts";
import { RoleLease } from "./workers/role_lease.ts";
import { shownSettings } from "./config/show.ts";
import { type Reload, type ReloadReport, StartEnded } from "./cli/launcher.ts";
import { type StartedNode, startNode } from "./start.ts";
import { systemClock } from "./system/clock.ts";
import { systemProcess } from "./system/process.ts";
import { systemTimers } from "./system/timers.ts";
import {
  type Assignment,
  promotedConfig,
  type ReloadInput,
  type SupervisorLine,
  workerConfig,
  type WorkerLine,
} from "./workers/share.ts";

function say(line: WorkerLine): void {
  tellParent(JSON.stringify(line));
}

/** See `Launcher`. */
export function runWorker(): Promise<number> {
  const process = systemProcess();
  // They come to the supervisor too, which then says what to do.
  process.onSignal(() => {});
  process.onReload(() => {});
  return new Promise((resolve) => {
    let worker: Worker | null = null;
    hearParent((text) => {
      const line = JSON.parse(text);
      if (worker === null) worker = new Worker(line, resolve);
      else worker.take(line);
    }, () => {
      // Nothing is served without the supervisor: it has the store.
      process.exit(1);
    });
  });
}

type Reloading = (wanted: ReloadInput) => Promise<ReloadReport>;

/** A process that has its assignment. */
class Worker {
  readonly #lease: RoleLease | null;
  readonly #ending = new AbortController();
  /** Null before it serves. */
  #running: StartedNode | null = null;
  /** Reloads wait until it serves, and for each other. */
  #reloads: Promise<Reloading>;

  constructor(assignment: Assignment, ended: (code: number) => void) {
    this.#lease = leaseOf(assignment);
    this.#lease?.start();
    const serving = this.#serve(assignment);
    this.#reloads = serving.then((running) => async (wanted) =>
      await running.reload(nextOf(assignment, wanted))
    );
    this.#reloads.catch(() => {});
    serving.then((running) => {
      this.#running = running;
      if (this.#ending.signal.aborted) running.stop();
      running.stopped.then(ended);
    }, (error) => {
      if (error instanceof StartEnded) return ended(0);
      say({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
      ended(1);
    });
  }

  take(line: SupervisorLine): void {
    switch (line.kind) {
      case "stop":
        this.#ending.abort();
        return this.#running?.stop();
      case "reload":
        return this.#reload(line.reload);
      case "hand_back": {
        const handed = (done: boolean) => say({ kind: "handed", done });
        return this.#running === null ? handed(false) : this.#running.handOver(handed);
      }
      case "lease":
        return this.#lease?.lent(line.n, line.ms);
      case "lost":
        this.#lease?.lost();
        return this.#running === null ? systemProcess().exit(0) : this.#running.leave();
      case "resubmit":
        return this.#running?.resubmit(
          line.messages,
          () => say({ kind: "resubmitted", n: line.n }),
        );
    }
  }

  #reload(wanted: ReloadInput): void {
    this.#reloads = this.#reloads.then(async (reloading) => {
      const report = await reloading(wanted).catch((cause) => ({
        changed: [],
        restart: [],
        // After a bug the next reload is taken all the same.
        faults: [cause instanceof Error ? cause.message : String(cause)],
      }));
      say({ kind: "reloaded", report });
      return reloading;
    });
    this.#reloads.catch(() => {});
  }

  async #serve(assignment: Assignment): Promise<StartedNode> {
    const { input, promoted, share } = assignment;
    const { config, settings } = configOf(assignment, input);
    const running = await startNode(config, settings, {
      input,
      share,
      lease: this.#lease,
      promoted: promoted ?? null,
      ending: this.#ending.signal,
    });
    const { url, invite, admin } = running;
    say({ kind: "serving", url, invite, admin });
    return running;
  }
}

/** Until when it may serve; null where its cell has no standby. */
function leaseOf({ epoch }: Assignment): RoleLease | null {
  if (epoch === undefined) return null;
  const ask = (n: number) => say({ kind: "lease", n });
  return new RoleLease({ epoch, ask, clock: systemClock(), timers: systemTimers() });
}

/** The settings of this process among those of all. */
function configOf({ promoted, share }: Assignment, input: ConfigInput) {
  const result = resolveConfig(input);
  if (!result.ok) throw new Error(result.errors.join("; "));
  const config = promoted === undefined
    ? workerConfig(result.config, share!)
    : promotedConfig(result.config, promoted);
  return { config, settings: shownSettings(result.effective), input };
}

function nextOf(assignment: Assignment, wanted: ReloadInput): Reload {
  return wanted.kind === "faults"
    ? wanted
    : { kind: "config", ...configOf(assignment, wanted.input) };
}
