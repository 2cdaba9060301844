/**
 * For how long other processes of a primary's machine may reply from its rows. Each asks again and
 * again, and counts from the moment at which it asked, by its own clock: what it may rely on is over
 * when it is over here.
 */
import type { Clock } from "../node/ports.ts";

/**
 * At most such a part of a lease is lent: a standby that joins may give its first lease while one is
 * lent that does not rest on it, up to half of `takeoverMs` before the register has it.
 */
const PART = 1 / 3;
/** A handover waits until what was lent is over: no longer than this (ms). */
const LENT_MS_MAX = 1000;

/** See the head of this file. */
export class Lending {
  readonly #clock: Pick<Clock, "monoMs">;
  readonly #mostMs: number;
  #untilMs = -Infinity;

  constructor(clock: Pick<Clock, "monoMs">, leaseMs: number) {
    this.#clock = clock;
    this.#mostMs = Math.min(LENT_MS_MAX, leaseMs * PART);
  }

  /** Lends a part of a lease that lasts for `leftMs` from now on; returns how much (ms). */
  lend(leftMs: number): number {
    const ms = Math.floor(Math.min(leftMs, this.#mostMs));
    this.#untilMs = Math.max(this.#untilMs, this.#clock.monoMs() + ms);
    return ms;
  }

  /** Whether nobody relies on anything that was lent. */
  get over(): boolean {
    return this.#clock.monoMs() >= this.#untilMs;
  }
}
