import { setImmediate } from "node:timers";
import type { Cancel, Timers } from "../node/ports.ts";

/** Longest delay a platform timer takes; a longer one would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** Runs `run` once, when `performance.now()` has reached `dueMs`. */
function arm(dueMs: number, run: () => void): Cancel {
  let timer: ReturnType<typeof setTimeout>;
  const wait = (restMs: number) => {
    // The platform cuts fractions off and would fire early.
    timer = setTimeout(fire, Math.min(Math.max(0, Math.ceil(restMs)), DELAY_MS_MAX));
  };
  const fire = () => {
    const restMs = dueMs - performance.now();
    if (restMs > 0) wait(restMs);
    else run();
  };
  wait(dueMs - performance.now());
  return () => clearTimeout(timer);
}

/**
 * The event loop's timers. Any finite delay is allowed, a negative one is 0; never early on the
 * monotonic clock. What `run` throws ends in the process's fatal handler (`onFatal`).
 * `soon` costs 2 µs (on Deno before 2.5, where it is a timer of 0 ms, 1 ms).
 */
export function systemTimers(): Timers {
  return {
    after(delayMs, run) {
      if (!Number.isFinite(delayMs)) throw new Error(`after: delay is ${delayMs}, wants a number`);
      return arm(performance.now() + Math.max(0, delayMs), run);
    },
    soon(run) {
      setImmediate(run);
    },
  };
}
