/**
 * One link with a node of another cell: a queue with a budget of bytes, batches, and the round trip. A
 * frame that does not fit is dropped, for its sender repeats it; where the other side takes nothing
 * of what waits for too long, the link ends. So a stuck node costs the budget, and nothing else.
 */
import { BATCH_BYTES_MAX, packBatch, unpackBatch } from "./batch.ts";
import { decodeLinkFrame, encodeLinkFrame, type LinkFrame, type NodeLoad } from "./frames.ts";
import type { Runtime } from "../../node/ports.ts";
import type { Wire } from "./wires.ts";

/** Bytes that the system may hold before the rest waits here, where it can still be dropped. */
const WINDOW_BYTES = 1024 * 1024;
/** Bytes of frames that are one message, unless a single frame is longer. */
const MESSAGE_BYTES = 256 * 1024;
/** Weight of a new round trip in the mean. */
const RTT_WEIGHT = 0.25;

/** What a link is made with. */
export interface CellLinkOptions extends Runtime {
  /** Bytes of frames that may wait. */
  readonly queueBytesMax: number;
  /** How long the other side may take nothing of what waits (ms). */
  readonly stalledMs: number;
  frame(frame: LinkFrame): void;
}

/** What a link has sent. */
export interface LinkCounts {
  frames: number;
  /** Of frames, before they are compressed, and of messages. */
  frameBytes: number;
  messageBytes: number;
  dropped: number;
}

/** Counts at zero. */
export function newLinkCounts(): LinkCounts {
  return { frames: 0, frameBytes: 0, messageBytes: 0, dropped: 0 };
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly sinceMs: number;
}

/** See the head of this file. */
export class CellLink {
  readonly wire: Wire;
  readonly openedMs: number;
  readonly #options: CellLinkOptions;
  readonly #counts: LinkCounts;
  #queue: Waiting[] = [];
  #queueBytes = 0;
  #flushing = false;
  /** When the system last took something, or nothing waited. */
  #progressMs: number;
  #waitingBytes = 0;
  #pings = 0;
  #pingedMs: number | null = null;
  #rttMs: number | null = null;
  #load: NodeLoad | null = null;

  constructor(wire: Wire, counts: LinkCounts, options: CellLinkOptions) {
    this.wire = wire;
    this.#counts = counts;
    this.#options = options;
    this.openedMs = options.clock.monoMs();
    this.#progressMs = this.openedMs;
  }

  /** Mean time from a ping to its reply (ms); null where none has arrived. */
  get rttMs(): number | null {
    return this.#rttMs;
  }

  /** What the other node says of itself; null where it has not. */
  get load(): NodeLoad | null {
    return this.#load;
  }

  /** Bytes that wait, those that the system holds included. */
  get queueBytes(): number {
    return this.#queueBytes + this.wire.waitingBytes;
  }

  /** How long the oldest frame of the queue has waited (ms). */
  get lagMs(): number {
    const oldest = this.#queue[0];
    return oldest === undefined ? 0 : this.#options.clock.monoMs() - oldest.sinceMs;
  }

  /** Sends a frame with the others of this turn. Returns whether the queue had room for it. */
  send(frame: LinkFrame): boolean {
    const { clock, queueBytesMax, timers } = this.#options;
    const nowMs = clock.monoMs();
    const bytes = encodeLinkFrame(frame, nowMs);
    if (bytes.length > BATCH_BYTES_MAX / 2 || this.#queueBytes + bytes.length > queueBytesMax) {
      this.#counts.dropped++;
      return false;
    }
    this.#queue.push({ bytes, sinceMs: nowMs });
    this.#queueBytes += bytes.length;
    if (!this.#flushing) {
      this.#flushing = true;
      timers.soon(() => this.#flush());
    }
    return true;
  }

  /** Takes a message of the other side. Throws `CorruptBytes` where it is none. */
  take(message: Uint8Array): void {
    const nowMs = this.#options.clock.monoMs();
    for (const bytes of unpackBatch(message)) {
      const frame = decodeLinkFrame(bytes, nowMs);
      if (frame === null) continue;
      if (frame.kind === "ping") {
        this.#load = frame;
        this.send({ kind: "pong", n: frame.n });
      } else if (frame.kind === "pong") this.#ponged(frame.n);
      else this.#options.frame(frame);
    }
  }

  /** The system has taken all that was sent. */
  drained(): void {
    this.#progressMs = this.#options.clock.monoMs();
    this.#flush();
  }

  /** Measures the round trip, unless the last ping is still on its way; ends a link that is stuck. */
  tick(load: NodeLoad): void {
    const { clock, stalledMs } = this.#options;
    const nowMs = clock.monoMs();
    const { waitingBytes } = this.wire;
    if (this.queueBytes === 0 || waitingBytes < this.#waitingBytes) this.#progressMs = nowMs;
    this.#waitingBytes = waitingBytes;
    if (nowMs - this.#progressMs > stalledMs) {
      return this.wire.close(`it has taken nothing for ${stalledMs} ms`);
    }
    // A reply is lost where the other side's queue is full.
    if (this.#pingedMs !== null && nowMs - this.#pingedMs < stalledMs) return;
    if (this.send({ kind: "ping", n: ++this.#pings, ...load })) this.#pingedMs = nowMs;
  }

  #ponged(n: number): void {
    if (n !== this.#pings || this.#pingedMs === null) return;
    const ms = this.#options.clock.monoMs() - this.#pingedMs;
    this.#pingedMs = null;
    this.#rttMs = this.#rttMs === null ? ms : this.#rttMs + RTT_WEIGHT * (ms - this.#rttMs);
  }

  #flush(): void {
    this.#flushing = false;
    const { wire } = this;
    while (this.#queue.length > 0 && wire.waitingBytes < WINDOW_BYTES) {
      let [count, bytes] = [0, 0];
      do bytes += this.#queue[count++]!.bytes.length; while (
        count < this.#queue.length && bytes + this.#queue[count]!.bytes.length <= MESSAGE_BYTES
      );
      const frames = this.#queue.splice(0, count).map((waiting) => waiting.bytes);
      this.#queueBytes -= bytes;
      const message = packBatch(frames);
      this.#counts.frames += count;
      this.#counts.frameBytes += bytes;
      this.#counts.messageBytes += message.length;
      if (wire.waitingBytes === 0) this.#progressMs = this.#options.clock.monoMs();
      wire.send(message);
    }
  }
}
