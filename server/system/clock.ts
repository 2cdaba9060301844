import type { Clock } from "../node/ports.ts";

/** The machine's clocks. Monotonic time starts near 0 with the process, in fractions of a ms. */
export function systemClock(): Clock {
  return { wallMs: () => Date.now(), monoMs: () => performance.now() };
}
