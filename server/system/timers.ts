import { setImmediate } from "node:timers";
import type { Cancel, Timers } from "../node/ports.ts";
import { DueQueue } from "./due_queue.ts";

/** Longest delay a platform timer takes; a longer one would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** All timers over one of the platform's: those that are cancelled before they are due cost little. */
class SystemTimers implements Timers {
  readonly #queue = new DueQueue();
  /** When the platform's timer fires (monotonic ms); -Infinity while the next turn runs one. */
  #armedMs = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  after(delayMs: number, run: () => void): Cancel {
    if (!Number.isFinite(delayMs)) throw new Error(`after: delay is ${delayMs}, wants a number`);
    const nowMs = performance.now();
    const entry = this.#queue.add(nowMs + Math.max(0, delayMs), run);
    if (entry.dueMs < this.#armedMs) this.#arm(entry.dueMs, nowMs);
    return () => {
      this.#queue.cancel(entry);
      // Nothing keeps the process from its end.
      if (this.#queue.size === 0 && this.#armedMs > -Infinity) this.#disarm();
    };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  #arm(dueMs: number, nowMs: number): void {
    clearTimeout(this.#timer);
    this.#armedMs = dueMs;
    // The platform cuts fractions off and would fire early.
    const restMs = Math.min(Math.max(0, Math.ceil(dueMs - nowMs)), DELAY_MS_MAX);
    this.#timer = setTimeout(() => this.#fire(), restMs);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#armedMs = Infinity;
  }

  /** Runs one timer that is due: what it throws must not take others with it. */
  #fire(): void {
    this.#disarm();
    const nowMs = performance.now();
    const due = this.#queue.takeDue(nowMs);
    if (this.#queue.size > 0) this.#armNext(nowMs);
    due?.();
  }

  #armNext(nowMs: number): void {
    const { nextMs } = this.#queue;
    if (nextMs > nowMs) return this.#arm(nextMs, nowMs);
    // The platform's timer would come after a millisecond at the earliest.
    this.#armedMs = -Infinity;
    setImmediate(() => this.#fire());
  }
}

/**
 * The event loop's timers. Any finite delay is allowed, a negative one is 0; never early on the
 * monotonic clock. What `run` throws ends in the process's fatal handler (`onFatal`).
 * `soon` costs 2 µs (on Deno before 2.5, where it is a timer of 0 ms, 1 ms).
 */
export function systemTimers(): Timers {
  return new SystemTimers();
}
