import type { Clock, Timers } from "../node/ports.ts";

/** How late the event loop runs, in milliseconds. */
export interface LoopLag {
  /** Moving average; while the loop is stuck, what it is late by at this moment if that is more. */
  lagMs(): number;
  stop(): void;
}

/**
 * The moving average after a sample that came `lagMs` late, `elapsedMs` after the one before:
 * `previous + (lag − previous) · (1 − e^(−elapsed/tau))`. A long block counts by its length.
 */
export function nextLagMs(
  sample: {
    readonly previousMs: number;
    readonly lagMs: number;
    readonly elapsedMs: number;
    readonly tauMs: number;
  },
): number {
  const { previousMs, lagMs, elapsedMs, tauMs } = sample;
  return previousMs + (lagMs - previousMs) * (1 - Math.exp(-elapsedMs / tauMs));
}

/**
 * Samples the drift of a timer every `periodMs` (the platform's own histogram misses blocks) and averages over about `tauMs`. `observe` gets each sample, for a histogram. A
 * timer of whole milliseconds is up to 1 ms late on an idle loop.
 */
export function sampleLoopLag(
  ports: { readonly clock: Clock; readonly timers: Timers },
  options: {
    readonly periodMs: number;
    readonly tauMs: number;
    readonly observe: (lagMs: number) => void;
  },
): LoopLag {
  const { clock, timers } = ports;
  const { periodMs, tauMs, observe } = options;
  let averageMs = 0;
  let lastMs = clock.monoMs();
  const sample = () => {
    const nowMs = clock.monoMs();
    const elapsedMs = nowMs - lastMs;
    const lagMs = Math.max(0, elapsedMs - periodMs);
    averageMs = nextLagMs({ previousMs: averageMs, lagMs, elapsedMs, tauMs });
    lastMs = nowMs;
    cancel = timers.after(periodMs, sample);
    observe(lagMs);
  };
  let cancel = timers.after(periodMs, sample);
  return {
    lagMs: () => Math.max(averageMs, clock.monoMs() - lastMs - periodMs),
    stop: () => cancel(),
  };
}
