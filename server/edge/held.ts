/**
 * Sessions with events that need not leave at once: they leave with what the session is sent next, or
 * after a while. Under load most need no frame of their own.
 */
import type { Clock, Timers } from "../node/ports.ts";

/** Longest time that receipts wait before a round of flushes takes them (ms). */
export const HOLD_MS = 200;
/** The waits of many sessions end together, so far apart (ms). */
const GROUP_MS = 50;

/**
 * What can be held, by several `Held`: the shortest wait counts. Only they set `heldUntilMs`; any flush
 * of the item sets it to 0.
 */
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
  readonly #waitMs: number;
  readonly #released: (sinceMs: number) => void;
  #items: Holdable[] = [];
  #untilMs: number[] = [];
  #scheduled = false;

  /**
   * Events wait for `holdMs` at most. `released` is called when some have waited, with the moment since
   * which the oldest has (monotonic ms), once flushes of them are asked for.
   */
  constructor(
    clock: Clock,
    timers: Timers,
    holdMs = HOLD_MS,
    released: (sinceMs: number) => void = () => {},
  ) {
    this.#clock = clock;
    this.#timers = timers;
    this.#waitMs = holdMs - GROUP_MS;
    this.#released = released;
  }

  /** Asks for a flush of the item within the time, unless it waits for an earlier one already. */
  hold(item: Holdable): void {
    const untilMs = this.#clock.monoMs() + this.#waitMs;
    if (item.heldUntilMs > 0 && item.heldUntilMs <= untilMs) return;
    item.heldUntilMs = untilMs;
    this.#items.push(item);
    this.#untilMs.push(untilMs);
    if (!this.#scheduled) this.#schedule(this.#waitMs);
  }

  #schedule(delayMs: number): void {
    this.#scheduled = true;
    this.#timers.after(delayMs, () => this.#release());
  }

  #release(): void {
    const nowMs = this.#clock.monoMs();
    let due = 0;
    let oldestMs = Infinity;
    for (; due < this.#items.length && this.#untilMs[due]! <= nowMs; due++) {
      const item = this.#items[due]!;
      // Otherwise it was flushed meanwhile, and may wait anew.
      if (item.heldUntilMs !== this.#untilMs[due]) continue;
      oldestMs = Math.min(oldestMs, item.heldUntilMs - this.#waitMs);
      item.heldUntilMs = 0;
      item.askFlush();
    }
    if (oldestMs < Infinity) this.#released(oldestMs);
    this.#items = this.#items.slice(due);
    this.#untilMs = this.#untilMs.slice(due);
    this.#scheduled = false;
    if (this.#items.length > 0) this.#schedule(Math.max(GROUP_MS, this.#untilMs[0]! - nowMs));
  }
}
