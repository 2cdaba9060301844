/**
 * What a worker knows of the role of its cell's store, which has a standby: the supervisor is its
 * primary, and says for how long the worker may reply to requests. While it says nothing, as one that
 * is stopped, the worker refuses them when that time is over: another place may serve by then.
 */
import type { Cancel, Clock, Timers } from "../node/ports.ts";

/** How often it asks (ms). */
const ASK_MS = 100;
/** Questions without a reply that are remembered. */
const ASKED_MAX = 50;
/** Processes of a worker while the role has one epoch: fewer than this. */
const PROCESSES = 1024;

/** See the head of this file. */
export class RoleLease {
  /**
   * The last process of this worker had at most this number: epochs rise with every primary, while
   * what a former one had stored of its workers may be lost.
   */
  readonly incarnation: number;
  readonly #clock: Pick<Clock, "monoMs">;
  readonly #timers: Timers;
  readonly #ask: (n: number) => void;
  /** When each question was asked. */
  readonly #asked = new Map<number, number>();
  #last = 0;
  #untilMs = -Infinity;
  #lost = false;
  #next: Cancel = () => {};

  constructor(
    { epoch, ask, clock, timers }: {
      readonly epoch: number;
      readonly ask: (n: number) => void;
      readonly clock: Pick<Clock, "monoMs">;
      readonly timers: Timers;
    },
  ) {
    this.incarnation = epoch * PROCESSES;
    this.#clock = clock;
    this.#timers = timers;
    this.#ask = ask;
  }

  /** Begins to ask. */
  start(): void {
    if (this.#lost) return;
    const n = ++this.#last;
    this.#asked.set(n, this.#clock.monoMs());
    this.#asked.delete(n - ASKED_MAX);
    this.#next = this.#timers.after(ASK_MS, () => this.start());
    this.#ask(n);
  }

  /** The reply to a question: the worker may serve for so long from when it had asked (ms). */
  lent(n: number, ms: number): void {
    const askedMs = this.#asked.get(n);
    this.#asked.delete(n);
    if (askedMs === undefined) return;
    // The primary hands its role over, and waits for the end of what it has lent before.
    if (ms === 0) this.#untilMs = -Infinity;
    else this.#untilMs = Math.max(this.#untilMs, askedMs + ms);
  }

  /** Another place is the primary, by order: it replies to what is repeated there. */
  lost(): void {
    this.#lost = true;
    this.#next();
  }

  /** As that of a node's options. */
  get mayServe(): boolean | "withheld" {
    return this.#lost ? "withheld" : this.#clock.monoMs() < this.#untilMs;
  }
}
