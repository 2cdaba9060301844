/** What every process that serves does when it starts, and when a bug ends it. */
import { NodeIdUsedTwice } from "./node/former_process.ts";
import type { AuditInput } from "./audit/entry.ts";
import type { Log, StoreError, Timers } from "./node/ports.ts";
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

/**
 * Records what administrators did while no server ran on the directory. What cannot be recorded now is
 * left for the next start.
 */
export async function recordActions(
  dataDir: string,
  record: (input: AuditInput) => Promise<StoreError | null>,
): Promise<void> {
  await takeActions(dataDir, async ({ at, ...fields }) => {
    const field = (name: string) => {
      const value = fields[name];
      return typeof value === "string" ? value : undefined;
    };
    const ms = Date.parse(at);
    const error = await record({
      ...(Number.isNaN(ms) ? {} : { at: ms }),
      actor: field("actor") ?? "os:unknown",
      address: field("address") ?? field("via"),
      action: field("action") ?? "unreadable",
      target: field("target"),
      outcome: field("outcome") ?? "ok",
      detail: "while no server ran",
    });
    return error === null;
  });
}
