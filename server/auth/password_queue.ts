/**
 * The line in which everything waits that hashes a password: few at a time, because each costs
 * milliseconds of a core, and never more than is done soon, because clients do not wait for ever.
 */
import { fail, type Failure } from "../../shard/errors.ts";
import type { Random } from "../node/ports.ts";
import { addressKey } from "./throttle.ts";

/** Bounds of the queue. */
export interface PasswordQueueOptions {
  /** Passwords hashed at the same time. */
  readonly concurrency: number;
  /** Requests that wait, in all. */
  readonly waitingMax: number;
  /**
   * Requests of one address (of one IPv6 network, see `addressKey`) that wait or run: one client's
   * flood leaves room for others.
   */
  readonly perAddressMax: number;
  /** Least wait that a refused client gets, in milliseconds; jitter adds up to as much again. */
  readonly busyRetryMs: number;
}

/** Work for the queue; `release` must be called exactly once, when the hashing is over. */
export type PasswordJob = (release: () => void) => void;

/** First in, first out. */
export class PasswordQueue {
  readonly #options: PasswordQueueOptions;
  readonly #random: Random;
  readonly #waiting: { readonly place: string; readonly job: PasswordJob }[] = [];
  readonly #perPlace = new Map<string, number>();
  #running = 0;

  constructor(options: PasswordQueueOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** Requests that wait and that run. */
  get load(): { readonly waiting: number; readonly running: number } {
    return { waiting: this.#waiting.length, running: this.#running };
  }

  /** Runs `job` when its turn comes, perhaps before returning; `busy` where the queue is full. */
  push(address: string, job: PasswordJob): Failure | null {
    const { concurrency, waitingMax, perAddressMax } = this.#options;
    const place = addressKey(address);
    const own = this.#perPlace.get(place) ?? 0;
    const full = this.#running >= concurrency && this.#waiting.length >= waitingMax;
    if (full || own >= perAddressMax) return this.#busy();
    this.#perPlace.set(place, own + 1);
    this.#waiting.push({ place, job });
    this.#pump();
    return null;
  }

  #busy(): Failure {
    const waitMs = Math.ceil(this.#options.busyRetryMs * (1 + this.#random.number()));
    return fail("busy", "Too many password checks are under way here; try again later.", waitMs);
  }

  #pump(): void {
    while (this.#running < this.#options.concurrency) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#running++;
      let released = false;
      next.job(() => {
        if (released) throw new Error("PasswordQueue: a job released its place twice");
        released = true;
        this.#running--;
        this.#leave(next.place);
        this.#pump();
      });
    }
  }

  #leave(place: string): void {
    const left = this.#perPlace.get(place)! - 1;
    if (left === 0) this.#perPlace.delete(place);
    else this.#perPlace.set(place, left);
  }
}
