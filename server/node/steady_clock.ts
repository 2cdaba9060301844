/**
 * The wall clock as shards get it: a jump ahead counts only after it has stood for a while. Event
 * times never decrease, and age decides what is dropped: a clock that jumps a year ahead and back
 * would leave stamps ahead for a year, and mailboxes empty.
 */
import type { Clock } from "./ports.ts";
import type { Now } from "../../shard/effects.ts";

/** How far the wall clock may get ahead of what the monotonic one says, before it is a jump (ms). */
export const JUMP_MS = 60_000;
/** A jump ahead is followed once it has stood for so long (ms); a suspended machine wakes with one. */
export const CONFIRM_MS = 10 * 60_000;

/** The time of a node: its wall clock follows jumps back at once and jumps ahead late. */
export class SteadyClock {
  readonly #clock: Clock;
  /** The last time at which the wall clock was believed. */
  #last: Now;
  /** Since when (monotonic ms) the wall clock has been ahead, and by how much at first. */
  #jump: { readonly since: number; readonly aheadMs: number } | null = null;

  /** What the clock says now is believed, whatever it is. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = this.#read();
  }

  #read(): Now {
    return { mono: this.#clock.monoMs(), wall: this.#clock.wallMs() };
  }

  /** The time now; `wall` is at most `JUMP_MS` beyond what has passed since the last call. */
  now(): Now {
    const now = this.#read();
    const expected = Math.floor(this.#last.wall + now.mono - this.#last.mono);
    const aheadMs = now.wall - expected;
    if (aheadMs <= JUMP_MS) this.#jump = null;
    // Another jump begins another wait.
    else if (this.#jump === null || Math.abs(aheadMs - this.#jump.aheadMs) > JUMP_MS) {
      this.#jump = { since: now.mono, aheadMs };
    } else if (now.mono - this.#jump.since >= CONFIRM_MS) this.#jump = null;
    if (this.#jump !== null) return { mono: now.mono, wall: expected };
    this.#last = now;
    return now;
  }
}
