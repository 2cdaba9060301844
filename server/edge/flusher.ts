/**
 * Decides when sessions send what they have collected: at once while little happens, in rounds
 * that grow longer while much does, so that more events share a frame. Under load a round costs a
 * small part of the time.
 */
import type { Clock, Timers } from "../node/ports.ts";

/** The pause after a round is this many times the time it took. */
const PAUSE_FACTOR = 10;
/** Longest stretch of work before others get a turn, ms. */
const TURN_MS_MAX = 8;
/** How many flushes happen between two looks at the clock. */
const FLUSHES_PER_LOOK = 32;

/** What is flushed. */
export interface Flushed {
  /** Sends what is pending. Never throws. */
  flush(): void;
}

/** The round of all sessions of a node. */
export class Flusher<T extends Flushed> {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #intervalMaxMs: number;
  readonly #flushed: (waitedMs: number, tookMs: number, count: number) => void;
  #pending: T[] = [];
  #round: T[] = [];
  #next = 0;
  #scheduled = false;
  /** Since when the oldest of what is pending, and of what is being sent, has waited. */
  #sinceMs = Infinity;
  #roundSinceMs = 0;
  #tookMs = 0;
  #notBeforeMs = 0;

  /** `flushed` is told after each round how long the oldest of it had waited. */
  constructor(
    clock: Clock,
    timers: Timers,
    intervalMaxMs: number,
    flushed: (waitedMs: number, tookMs: number, count: number) => void,
  ) {
    this.#clock = clock;
    this.#timers = timers;
    this.#intervalMaxMs = intervalMaxMs;
    this.#flushed = flushed;
  }

  /** Asks for a flush of `item`; the caller sees to it that it is not asked for twice. */
  add(item: T): void {
    this.#pending.push(item);
    if (!this.#scheduled) this.#schedule();
  }

  /** What has just been added began at this time already (monotonic ms). */
  began(sinceMs: number): void {
    if (this.#pending.length > 0 && sinceMs < this.#sinceMs) this.#sinceMs = sinceMs;
  }

  #schedule(): void {
    this.#scheduled = true;
    const nowMs = this.#clock.monoMs();
    this.began(nowMs);
    const begin = () => this.#begin();
    if (nowMs >= this.#notBeforeMs) this.#timers.soon(begin);
    else this.#timers.after(this.#notBeforeMs - nowMs, begin);
  }

  #begin(): void {
    this.#round = this.#pending;
    this.#roundSinceMs = this.#sinceMs;
    this.#pending = [];
    this.#sinceMs = Infinity;
    this.#next = 0;
    this.#tookMs = 0;
    this.#turn();
  }

  /** One stretch of the round. What is added meanwhile belongs to the next one. */
  #turn(): void {
    const beganMs = this.#clock.monoMs();
    let nowMs = beganMs;
    while (this.#next < this.#round.length && nowMs - beganMs < TURN_MS_MAX) {
      const end = Math.min(this.#next + FLUSHES_PER_LOOK, this.#round.length);
      while (this.#next < end) this.#round[this.#next++]!.flush();
      nowMs = this.#clock.monoMs();
    }
    this.#tookMs += nowMs - beganMs;
    if (this.#next < this.#round.length) return this.#timers.soon(() => this.#turn());
    const count = this.#round.length;
    this.#round = [];
    this.#scheduled = false;
    this.#notBeforeMs = nowMs + Math.min(PAUSE_FACTOR * this.#tookMs, this.#intervalMaxMs);
    this.#flushed(nowMs - this.#roundSinceMs, this.#tookMs, count);
    if (this.#pending.length > 0) this.#schedule();
  }
}
