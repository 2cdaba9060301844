/**
 * Shares the event loop between clients that send more than can be served in one turn of it. Work
 * runs at once while little has been done lately; after that it waits in a queue for its address,
 * the queues take turns, and the loop serves everything else between two rounds.
 */
import type { Clock, Timers } from "../node/ports.ts";

/** Time of one round, and of work that runs without a queue (ms). */
const ROUND_MS = 4;
/** Part of the time that may be used without a queue. */
const SHARE = 0.5;

/** A client with work to do, a bounded step at a time. */
export interface Worker {
  /** Whose queue it waits in. */
  readonly address: string;
  /** Does one step; returns whether there is another to do. */
  step(): boolean;
}

/** See the head of this file. Each worker waits at most once. */
export class Turns {
  readonly #clock: Pick<Clock, "monoMs">;
  readonly #timers: Pick<Timers, "after">;
  readonly #waiting = new Map<string, Worker[]>();
  /** Up to when the time of work that ran is counted: ahead of the clock while there was much. */
  #countedMs = 0;

  constructor(clock: Pick<Clock, "monoMs">, timers: Pick<Timers, "after">) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Runs the worker's steps, now or in its turn. Call it only for a worker that is not waiting. */
  run(worker: Worker): void {
    const beganMs = this.#clock.monoMs();
    if (this.#waiting.size > 0 || this.#countedMs - beganMs > ROUND_MS) {
      return this.#queue(worker);
    }
    const more = worker.step();
    const endedMs = this.#clock.monoMs();
    this.#countedMs = Math.max(this.#countedMs, beganMs) + (endedMs - beganMs) / SHARE;
    if (more) this.#queue(worker);
  }

  #queue(worker: Worker): void {
    const queue = this.#waiting.get(worker.address);
    if (queue !== undefined) queue.push(worker);
    else this.#waiting.set(worker.address, [worker]);
    // Not `soon`: the platform looks at its sockets only when the loop has nothing left to do.
    if (queue === undefined && this.#waiting.size === 1) this.#timers.after(0, () => this.#round());
  }

  #round(): void {
    const untilMs = this.#clock.monoMs() + ROUND_MS;
    do {
      for (const [address, queue] of this.#waiting) {
        this.#next(address, queue);
        if (this.#clock.monoMs() >= untilMs) break;
      }
    } while (this.#waiting.size > 0 && this.#clock.monoMs() < untilMs);
    if (this.#waiting.size > 0) this.#timers.after(0, () => this.#round());
  }

  /** One step of the first of an address, which then stands last, as its address does. */
  #next(address: string, queue: Worker[]): void {
    const worker = queue.shift()!;
    const more = worker.step();
    this.#waiting.delete(address);
    if (more) queue.push(worker);
    if (queue.length > 0) this.#waiting.set(address, queue);
  }
}
