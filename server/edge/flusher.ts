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

/** What a round has sent, once all of it is with its connections. */
export interface Round {
  /** Sessions that were flushed. */
  readonly count: number;
  /** How long the round took (ms). */
  readonly tookMs: number;
  /** How long its oldest presence had waited (ms); null where it had none. */
  readonly presenceMs: number | null;
  /** How long its messages had taken from their senders' frames (ms), one for each delivery. */
  readonly messagesMs: readonly number[];
}

const NO_MESSAGES: readonly number[] = [];

/** The round of all sessions of a node. */
export class Flusher<T extends Flushed> {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #intervalMaxMs: number;
  readonly #flushed: (round: Round) => void;
  #pending: T[] = [];
  #round: T[] = [];
  #next = 0;
  #scheduled = false;
  /** Since when the oldest presence that is pending, and that is being sent, has waited. */
  #presenceSinceMs = Infinity;
  #roundPresenceSinceMs = Infinity;
  /** When messages that are pending, and that are being sent, were received. */
  #messagesSinceMs: number[] = [];
  #roundMessagesSinceMs: number[] = [];
  #tookMs = 0;
  #notBeforeMs = 0;

  /** `flushed` is called after each round. */
  constructor(
    clock: Clock,
    timers: Timers,
    intervalMaxMs: number,
    flushed: (round: Round) => void,
  ) {
    this.#clock = clock;
    this.#timers = timers;
    this.#intervalMaxMs = intervalMaxMs;
    this.#flushed = flushed;
  }

  /** Asks for a flush of `item`; the caller makes sure that it is not asked for twice. */
  add(item: T): void {
    this.#pending.push(item);
    if (!this.#scheduled) this.#schedule();
  }

  /** The presence that has just been added changed at this time (monotonic ms). */
  presence(sinceMs: number): void {
    if (this.#pending.length > 0 && sinceMs < this.#presenceSinceMs) {
      this.#presenceSinceMs = sinceMs;
    }
  }

  /**
   * A message that has just been added was received from its sender at this time (monotonic ms).
   */
  message(sinceMs: number): void {
    if (this.#pending.length > 0) this.#messagesSinceMs.push(sinceMs);
  }

  #schedule(): void {
    this.#scheduled = true;
    const nowMs = this.#clock.monoMs();
    const begin = () => this.#begin();
    if (nowMs >= this.#notBeforeMs) this.#timers.soon(begin);
    else this.#timers.after(this.#notBeforeMs - nowMs, begin);
  }

  #begin(): void {
    this.#round = this.#pending;
    this.#roundPresenceSinceMs = this.#presenceSinceMs;
    this.#roundMessagesSinceMs = this.#messagesSinceMs;
    this.#pending = [];
    this.#presenceSinceMs = Infinity;
    if (this.#messagesSinceMs.length > 0) this.#messagesSinceMs = [];
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
    const since = this.#roundPresenceSinceMs;
    const sent = this.#roundMessagesSinceMs;
    this.#flushed({
      count,
      tookMs: this.#tookMs,
      presenceMs: since === Infinity ? null : nowMs - since,
      messagesMs: sent.length === 0 ? NO_MESSAGES : sent.map((ms) => nowMs - ms),
    });
    if (this.#pending.length > 0) this.#schedule();
  }
}
