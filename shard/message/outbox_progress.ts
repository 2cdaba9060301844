/**
 * How far the packets of one outbox queue have been sent, and when those that are not acked are sent
 * again: by its own waits, so that a peer that cannot be reached delays no other, and once for each
 * packet that is missing, however many of those behind it tell so. Times are monotonic ms.
 */
import type { AccountId } from "../name/ids.ts";
import type { DrainMeter } from "./drain_meter.ts";

/** See the head of this file. */
export class OutboxProgress {
  /** The account that the queue is for. */
  readonly toId: AccountId;
  /** Highest pair number sent since the last (re)start. */
  sentTo = 0;
  /** Attempts since the last ack. */
  attempts = 0;
  /** When all of it is sent again unless something is acked before; 0: nothing was sent yet. */
  dueMs = 0;
  /** The generation that the recipient has said it has. */
  generation = 0;
  /** Whether a packet is sent only when the one before it was settled. */
  oneByOne = false;
  /** How fast the recipient's shard settles its packets; null before the first is sent. */
  drain: DrainMeter | null = null;
  /** The packet that the recipient has asked for last, since all was sent again; 0: none. */
  #asked = 0;

  constructor(toId: AccountId) {
    this.toId = toId;
  }

  /** The recipient lacks packet `n`; every packet behind it that arrives says so once more. */
  lacks(n: number): void {
    if (n <= this.#asked) return;
    this.#asked = n;
    this.sentTo = Math.min(this.sentTo, n - 1);
  }

  /**
   * Packet `n` was settled. `alone`: the recipient keeps no record of the pair, so that it takes none
   * of those behind `n` that were sent before: they are sent again, one after another.
   */
  settled(n: number, alone: boolean): void {
    this.oneByOne = alone;
    if (alone) this.lacks(n + 1);
  }

  /** Something was acked: the rest is given its time anew. */
  acked(dueMs: number): void {
    this.attempts = 0;
    this.dueMs = dueMs;
  }

  /** Nothing was acked in time: all is to be sent again. */
  restart(): void {
    this.attempts++;
    this.sentTo = 0;
    this.#asked = 0;
  }

  /** The recipient can be reached again: what waits longer than until `atMs` does not. */
  hurry(atMs: number): void {
    if (this.attempts > 0) this.dueMs = Math.min(this.dueMs, atMs);
  }
}
