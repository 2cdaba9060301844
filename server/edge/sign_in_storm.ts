/**
 * Whether so many sign in at once that their contacts learn of it in groups: a frame for each
 * contact that comes online is a sixth of the work of a storm of sign-ins, and most of it is the
 * write to the socket.
 */
import type { Clock } from "../node/ports.ts";

/** More sessions than this opened within a second are a storm. */
export const STORM_PER_SECOND = 400;
/** The longest that such news waits for more (ms). */
export const STORM_HOLD_MS = 400;
const PERIOD_MS = 500;

/** See the head of this file. */
export class SignInStorm {
  readonly #clock: Clock;
  #periodEndMs = -Infinity;
  #count = 0;
  #countBefore = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A session was opened. */
  opened(): void {
    this.#look();
    this.#count++;
  }

  /** Whether there is a storm. */
  get active(): boolean {
    this.#look();
    return this.#count + this.#countBefore > STORM_PER_SECOND;
  }

  #look(): void {
    const nowMs = this.#clock.monoMs();
    if (nowMs < this.#periodEndMs) return;
    // After a pause longer than a period nothing counts any more.
    this.#countBefore = nowMs < this.#periodEndMs + PERIOD_MS ? this.#count : 0;
    this.#count = 0;
    this.#periodEndMs = nowMs + PERIOD_MS;
  }
}
