/** Looks after the sessions that lag: by one timer, 50 ms apart at first, up to 500 ms. */
import type { Clock, Timers } from "../node/ports.ts";

const LOOK_MS_MIN = 50;
const LOOK_MS_MAX = 500;

/** A session that may lag. */
export interface Lagging {
  /** Goes on as far as its sink allows. False where it needs no further looks. */
  pump(nowMs: number): boolean;
}

/** The lagging sessions of a node. */
export class CatchUp {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #items = new Set<Lagging>();
  #delayMs = LOOK_MS_MIN;
  #scheduled = false;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Sessions that are looked after. */
  get size(): number {
    return this.#items.size;
  }

  add(item: Lagging): void {
    if (this.#items.has(item)) return;
    this.#items.add(item);
    this.#delayMs = LOOK_MS_MIN;
    this.#schedule();
  }

  delete(item: Lagging): void {
    this.#items.delete(item);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#timers.after(this.#delayMs, () => this.#look());
  }

  #look(): void {
    this.#scheduled = false;
    this.#delayMs = Math.min(this.#delayMs * 2, LOOK_MS_MAX);
    const nowMs = this.#clock.monoMs();
    for (const item of this.#items) if (!item.pump(nowMs)) this.#items.delete(item);
    if (this.#items.size > 0) this.#schedule();
  }
}
