/** One worker of a server of several processes: it serves as the process that has started it says. */
import { type ConfigInput, resolveConfig } from "./config/config.ts";
import { hearParent, tellParent } from "./system/worker_process.ts";
import { shownSettings } from "./config/show.ts";
import { type Reload, type ReloadReport, StartEnded } from "./cli/launcher.ts";
import { startNode } from "./start.ts";
import { systemProcess } from "./system/process.ts";
import { HAND_BACK_LINE } from "./open_station.ts";
import {
  type Assignment,
  parseReloadLine,
  promotedConfig,
  type ReloadInput,
  STOP_LINE,
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
    let assigned = false;
    const ending = new AbortController();
    let stop = () => {};
    let handBack = (done: (handed: boolean) => void) => done(false);
    // Reloads wait until it serves, and for each other.
    let reloads: Promise<Reloading> = Promise.reject(new Error("it was not assigned yet"));
    reloads.catch(() => {});
    const reload = (wanted: ReloadInput) => {
      reloads = reloads.then(async (reloading) => {
        say({ kind: "reloaded", report: await reloading(wanted) });
        return reloading;
      });
      reloads.catch(() => {});
    };
    const begin = (text: string) => {
      assigned = true;
      const assignment: Assignment = JSON.parse(text);
      const serving = serve(assignment, ending.signal);
      reloads = serving.then((running) => (wanted) => running.reload(nextOf(assignment, wanted)));
      reloads.catch(() => {});
      serving.then((running) => {
        stop = () => running.stop();
        handBack = (done) => running.handOver(done);
        if (ending.signal.aborted) stop();
        running.stopped.then(resolve);
      }, (error) => {
        if (error instanceof StartEnded) return resolve(0);
        say({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
        resolve(1);
      });
    };
    hearParent((line) => {
      if (!assigned) return begin(line);
      const wanted = parseReloadLine(line);
      if (wanted !== null) return reload(wanted);
      if (line === HAND_BACK_LINE) return handBack((done) => say({ kind: "handed", done }));
      if (line !== STOP_LINE) return;
      ending.abort();
      stop();
    }, () => {
      // Nothing is served without the supervisor: it has the store.
      process.exit(1);
    });
  });
}

type Reloading = (wanted: ReloadInput) => Promise<ReloadReport>;

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

async function serve(assignment: Assignment, ending: AbortSignal) {
  const { input, promoted, share } = assignment;
  const { config, settings } = configOf(assignment, input);
  const running = await startNode(config, settings, {
    input,
    share,
    promoted: promoted ?? null,
    ending,
  });
  const { url, invite, admin } = running;
  say({ kind: "serving", url, invite, admin });
  return running;
}
