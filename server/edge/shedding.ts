/**
 * Sends clients of an overloaded node to the other nodes of its cell, at a configured rate and so that
 * they do not go back and forth: only where the overload lasts and another node has room; never
 * clients that have just connected; a small part of all in a minute; and a node that was overloaded
 * says for a while that it wants no clients, so that the others send it none. A node that is drained
 * sends all of its clients away.
 */
import type { Cancel, Runtime } from "../node/ports.ts";

/** How often it looks (ms). */
const LOOK_MS = 1000;
/** How long a node must be overloaded before it sends clients away (ms). */
export const SHED_AFTER_MS = 5000;
/** How long a client must have been connected before it is sent away (ms). */
export const SHED_AGE_MS = 60_000;
/** How long the part of the clients counts that is sent away (ms), and how large it is at most. */
export const SHED_PERIOD_MS = 60_000;
export const SHED_PART = 0.1;
/** How long a node wants no clients after its overload has ended (ms). */
export const BUSY_AFTER_MS = 30_000;
/** When clients that were sent away should connect elsewhere (ms), before jitter. */
const RETRY_AFTER_MS = 1000;

/** What it needs of its node. */
export interface SheddingHost extends Pick<Runtime, "clock" | "timers" | "log"> {
  /** Clients that are sent away in a second at most; 0: none. */
  readonly perSecond: number;
  /** Whether the node refuses new sign-ins because it is overloaded. */
  overloaded(): boolean;
  /** Whether operators want the node to have nothing. */
  drained(): boolean;
  /** Sends all clients away, and refuses others until `takeBack`. */
  sendAllAway(): void;
  takeBack(): void;
  /** Whether another node of the cell is linked that wants clients. */
  roomElsewhere(): boolean;
  /** Sessions of the node. */
  sessions(): number;
  /** As `Edge.shed`. */
  shed(count: number, ageMs: number, retryAfterMs: number): number;
  /** The other nodes are to know whether this one wants clients. */
  setBusy(busy: boolean): void;
}

/** See the head of this file. */
export class Shedding {
  readonly #host: SheddingHost;
  /** When the overload began, and when it was seen last (monotonic ms). */
  #sinceMs = Infinity;
  #seenMs = -Infinity;
  /** When the period began that `#left` is counted for. */
  #periodMs = -Infinity;
  /** Clients that may still be sent away in this period. */
  #left = 0;
  #drained = false;
  #next: Cancel | null = null;

  constructor(host: SheddingHost) {
    this.#host = host;
  }

  start(): void {
    this.#next = this.#host.timers.after(LOOK_MS, () => {
      this.start();
      this.#look();
    });
  }

  stop(): void {
    this.#next?.();
  }

  #look(): void {
    const { clock, sessions } = this.#host;
    const nowMs = clock.monoMs();
    if (this.#drain()) return this.#host.setBusy(true);
    if (this.#host.overloaded()) {
      this.#sinceMs = Math.min(this.#sinceMs, nowMs);
      this.#seenMs = nowMs;
    } else this.#sinceMs = Infinity;
    this.#host.setBusy(nowMs - this.#seenMs < BUSY_AFTER_MS);
    if (nowMs - this.#sinceMs < SHED_AFTER_MS) return;
    if (nowMs - this.#periodMs >= SHED_PERIOD_MS) {
      this.#periodMs = nowMs;
      this.#left = Math.ceil(sessions() * SHED_PART);
    }
    this.#shed();
  }

  /** Whether the node is drained. */
  #drain(): boolean {
    const drained = this.#host.drained();
    if (drained !== this.#drained) {
      this.#drained = drained;
      if (drained) this.#host.sendAllAway();
      else this.#host.takeBack();
    }
    return drained;
  }

  #shed(): void {
    const { log, perSecond } = this.#host;
    const count = Math.min(perSecond, this.#left);
    if (count === 0 || !this.#host.roomElsewhere()) return;
    const went = this.#host.shed(count, SHED_AGE_MS, RETRY_AFTER_MS);
    this.#left -= went;
    if (went > 0) log.info("overloaded: clients sent away", { clients: went });
  }
}
