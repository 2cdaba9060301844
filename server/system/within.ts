/** Waiting with an end. */
import type { Timers } from "../node/ports.ts";

/** Resolves when the task does, or after so long (ms) at most; rejects where it does before. */
export function within(timers: Timers, ms: number, task: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = timers.after(ms, resolve);
    task.finally(cancel).then(resolve, reject);
  });
}
