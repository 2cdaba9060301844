/** What the client of a connection has not read yet of what it was sent, and how fast it reads. */
import type { Sink } from "../edge/types.ts";
import { DrainMeter } from "../../shard/message/drain_meter.ts";

/** Bytes of a character, at most. */
const CHAR_BYTES_MAX = 3;

/** The send queue of one connection. */
export class Unread {
  readonly #bytesMax: number;
  readonly #sink: Pick<Sink, "bufferedBytes">;
  #meter: DrainMeter | null = null;
  #read = 0;
  /** Characters that were sent so far. */
  sentChars = 0;
  /** Bytes of the last large answer, which one that reads slowly may have unread besides. */
  #largeBytes = 0;

  /** `bytesMax`: unread bytes with which no large answer is made. */
  constructor(bytesMax: number, sink: Pick<Sink, "bufferedBytes">) {
    this.#bytesMax = bytesMax;
    this.#sink = sink;
  }

  /** An answer that may be large is sent: the only one until most of it has been read. */
  large(chars: number): void {
    this.#largeBytes = chars > this.#bytesMax ? CHAR_BYTES_MAX * chars : 0;
  }

  /** Notes what has been read. */
  look(nowMs: number): void {
    const buffered = this.#sink.bufferedBytes();
    const read = Math.max(this.#read, this.sentChars - buffered);
    if (buffered === 0) this.#meter = null;
    else {
      this.#meter ??= new DrainMeter(nowMs);
      if (read > this.#read) this.#meter.drain(nowMs, read - this.#read);
    }
    this.#read = read;
  }

  /** How long the queue is too full for a large answer (ms), at the rate at which it is read; 0: it is not. */
  fullMs(nowMs: number): number {
    const over = this.#sink.bufferedBytes() - this.#bytesMax;
    if (over <= 0) return 0;
    this.look(nowMs);
    return this.#meter!.waitMs(nowMs, over);
  }

  /** Whether so much is unread that the client cannot be reading at all. */
  get stalled(): boolean {
    return this.#sink.bufferedBytes() > 4 * this.#bytesMax + this.#largeBytes;
  }
}
