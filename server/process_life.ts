/** What every process that serves does when it starts, and when a bug ends it. */
import { NodeIdUsedTwice } from "./node/former_process.ts";
import type { Log, Timers } from "./node/ports.ts";
import type { Process } from "./system/process.ts";
import { takeActions } from "./system/offline_actions.ts";

/** How long the log may take to be written before the process exits all the same (ms). */
const LOG_FLUSH_MS = 1000;

/** How long clients are sent away once another place serves (ms), and the exit code of a lost role. */
export const LOST_MS = 1000;
export const LOST_EXIT = 75;

/** Makes a bug that nobody caught end the process, once the log has it. */
export function exitOnBug(
  process: Process,
  log: Log,
  flushLog: (done: () => void) => void,
  timers: Timers,
): void {
  process.onFatal((cause) => {
    if (cause instanceof NodeIdUsedTwice) {
      log.error("node id used twice: the process ends", { error: cause.message });
    } else {
      const stack = cause instanceof Error ? cause.stack : undefined;
      log.error("bug: the process ends", { error: String(cause), stack });
    }
    timers.after(LOG_FLUSH_MS, () => process.exit(70));
    flushLog(() => process.exit(70));
  });
}

/** Logs what administrators did while no server ran on the directory. */
export async function logActions(dataDir: string, log: Log): Promise<void> {
  await takeActions(dataDir, (done) => {
    log.info("admin action", { ...done, via: "the directory of the stopped server" });
  });
}
