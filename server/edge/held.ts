/**
 * Sessions with events that need not leave at once: they leave with what the session is sent next, or
 * after `HOLD_MS`. Under load most need no frame of their own.
 */
import type { Clock, Timers } from "../node/ports.ts";

/** Longest time that such an event waits before a round of flushes takes it (ms). */
export const HOLD_MS = 200;
/** The waits of many sessions end together, so far apart (ms). */
const GROUP_MS = 50;

/** What can be held. Only `Held` sets `heldUntilMs`; any flush of the item sets it to 0. */
export interface Holdable {
  /** When the wait ends (monotonic ms); 0 while nothing waits. */
  heldUntilMs: number;
  /** Asks for a flush, in the next round; does nothing where nothing can be sent. */
  askFlush(): void;
}

/** The held sessions of a node, in the order in which their waits end. */
export class Held {
  readonly #clock: Clock;
  readonly #timers: Timers;
  #items: Holdable[] = [];
  #untilMs: number[] = [];
  #scheduled = false;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Asks for a flush of the item within `HOLD_MS`, unless it waits for one already. */
  hold(item: Holdable): void {
    if (item.heldUntilMs > 0) return;
    const untilMs = this.#clock.monoMs() + HOLD_MS - GROUP_MS;
    item.heldUntilMs = untilMs;
    this.#items.push(item);
    this.#untilMs.push(untilMs);
    if (!this.#scheduled) this.#schedule(HOLD_MS - GROUP_MS);
  }

  #schedule(delayMs: number): void {
    this.#scheduled = true;
    this.#timers.after(delayMs, () => this.#release());
  }

  #release(): void {
    const nowMs = this.#clock.monoMs();
    let due = 0;
    for (; due < this.#items.length && this.#untilMs[due]! <= nowMs; due++) {
      const item = this.#items[due]!;
      // Otherwise it was flushed meanwhile, and may wait anew.
      if (item.heldUntilMs !== this.#untilMs[due]) continue;
      item.heldUntilMs = 0;
      item.askFlush();
    }
    this.#items = this.#items.slice(due);
    this.#untilMs = this.#untilMs.slice(due);
    this.#scheduled = false;
    if (this.#items.length > 0) this.#schedule(Math.max(GROUP_MS, this.#untilMs[0]! - nowMs));
  }
}
