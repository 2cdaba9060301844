/** One worker of a server of several processes: it serves as the process that has started it says. */
import { resolveConfig } from "./config/config.ts";
import { hearParent, tellParent } from "./system/worker_process.ts";
import { shownSettings } from "./config/show.ts";
import { StartEnded } from "./cli/launcher.ts";
import { startNode } from "./start.ts";
import { systemProcess } from "./system/process.ts";
import { HAND_BACK_LINE } from "./open_station.ts";
import {
  type Assignment,
  promotedConfig,
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
  return new Promise((resolve) => {
    let assigned = false;
    const ending = new AbortController();
    let stop = () => {};
    let handBack = (done: (handed: boolean) => void) => done(false);
    const begin = (text: string) => {
      assigned = true;
      serve(JSON.parse(text), ending.signal).then((running) => {
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

async function serve({ input, promoted, share }: Assignment, ending: AbortSignal) {
  const result = resolveConfig(input);
  if (!result.ok) throw new Error(result.errors.join("; "));
  const config = promoted === undefined
    ? workerConfig(result.config, share!)
    : promotedConfig(result.config, promoted);
  const running = await startNode(config, shownSettings(result.effective), {
    input,
    share,
    promoted: promoted ?? null,
    ending,
  });
  const { url, invite, admin } = running;
  say({ kind: "serving", url, invite, admin });
  return running;
}
