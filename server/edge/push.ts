/**
 * Pushing to a sink. Bounds: when it has not taken `outboxBytesMax`, nothing more is sent; then
 * events stay in the mailbox, from where they are read when half of that is free again; and when it
 * has taken nothing for `stalledMs` it is terminated.
 */
import type { Lagging } from "./catch_up.ts";
import type { EventBatch } from "./feed.ts";
import type { Outlet, OutletHost } from "./outlet.ts";
import type { Sessions } from "./sessions.ts";
import type { CloseReason, Sink } from "./types.ts";

/** A sink with so many bytes untaken is looked after. */
const UNTAKEN_BYTES = 16_384;
/** What a frame takes besides its events. */
const FRAME_BYTES = 64;

/** How the sink takes what it is sent, judged by its buffer and by what was added. */
interface Progress {
  bufferedBytes: number;
  sentBytes: number;
  takenAtMs: number;
}

/** A session's way out through a sink. */
export class Push implements Outlet, Lagging {
  readonly sink: Sink;
  /** Events are read from the mailbox, not taken as they are pushed. */
  behind = false;
  readonly #shared: Sessions;
  readonly #host: OutletHost;
  #dropped = false;
  #progress: Progress | null = null;
  #sentBytes = 0;

  constructor(shared: Sessions, host: OutletHost, sink: Sink) {
    this.#shared = shared;
    this.#host = host;
    this.sink = sink;
  }

  start(): void {
    if (!this.#host.feed.complete) this.#fallBehind();
  }

  push(batch: EventBatch): void {
    const { feed } = this.#host;
    if (this.behind) {
      for (const { seq } of batch.events) feed.heard(seq);
      return;
    }
    const roomBytes = this.#shared.limits.outboxBytesMax - this.sink.bufferedBytes();
    if (!feed.take(batch, this.#host.outgoing.pending(), roomBytes)) this.#fallBehind();
    if (batch.mayWait && !this.behind) this.#shared.held.hold(this.#host);
    else this.#host.askFlush();
  }

  flush(): void {
    const host = this.#host;
    const { limits, catchUp, codec, counters, clock } = this.#shared;
    if (!host.ready || host.outgoing.queue === null) return;
    const buffered = this.sink.bufferedBytes();
    const roomBytes = limits.outboxBytesMax / (this.behind ? 2 : 1) - buffered;
    if (buffered > UNTAKEN_BYTES || roomBytes <= 0) catchUp.add(this);
    if (roomBytes <= 0) return;
    // Presence alone would take whatever room there is, and the mailbox would never be read.
    if (this.behind) this.#readOn();
    if (this.#dropped || host.feed.reading) return;
    const events = host.outgoing.encode(host.outgoing.take(), roomBytes - FRAME_BYTES);
    if (events.length > 0) {
      const text = codec.frame(host.outgoing.soft, events);
      counters.frames++;
      this.sink.send(text, host.feed.sent);
      this.sentPast(text.length);
    }
    // What there was no room for: with the next round if it is taken at once.
    if (host.outgoing.queue !== null) {
      if (events.length > 0) host.askFlush();
      else catchUp.add(this);
    }
    // Where nothing went, nothing changes before the sink has taken something.
    if (this.behind && events.length > 0) this.pump(clock.monoMs());
  }

  /** So many bytes have gone to the sink, by this or by another way. */
  sentPast(bytes: number): void {
    this.#sentBytes += bytes;
    if (this.sink.bufferedBytes() > UNTAKEN_BYTES) this.#shared.catchUp.add(this);
  }

  #fallBehind(): void {
    this.behind = true;
    this.#shared.counters.behind++;
    this.#shared.catchUp.add(this);
    this.pump(this.#shared.clock.monoMs());
  }

  pump(nowMs: number): boolean {
    const host = this.#host;
    const { limits, counters } = this.#shared;
    if (this.#dropped) return false;
    const buffered = this.sink.bufferedBytes();
    if (this.#untouchedMs(buffered, nowMs) >= limits.stalledMs) {
      counters.stalled++;
      this.sink.terminate();
      host.stalled(this.sink);
      return false;
    }
    if (buffered < limits.outboxBytesMax / 2) {
      if (this.behind) this.#readOn();
      if (host.outgoing.queue !== null) host.askFlush();
    }
    if (this.behind || host.outgoing.queue !== null || buffered > UNTAKEN_BYTES) return true;
    this.#progress = null;
    return false;
  }

  /** For how long nothing was seen to be taken, ms. */
  #untouchedMs(bufferedBytes: number, nowMs: number): number {
    const sentBytes = this.#sentBytes;
    const last = this.#progress ??= { bufferedBytes, sentBytes, takenAtMs: nowMs };
    const untaken = last.bufferedBytes + sentBytes - last.sentBytes;
    if (bufferedBytes < untaken || bufferedBytes === 0) last.takenAtMs = nowMs;
    last.bufferedBytes = bufferedBytes;
    last.sentBytes = sentBytes;
    return nowMs - last.takenAtMs;
  }

  /** Reads the next page, unless one is on its way or waits to be sent. */
  #readOn(): void {
    const host = this.#host;
    if (!host.feed.mayRead || (host.outgoing.queue?.durableBytes ?? 0) > 0) return;
    host.feed.read(() => host.outgoing.pending(), (failure) => {
      // The mailbox has moved on: the client has to return for a snapshot.
      if (failure?.code === "reset") {
        host.stalled(this.sink);
        return this.sink.close("slow");
      }
      if (failure === null && host.feed.complete) {
        this.behind = false;
        this.#shared.counters.caughtUp++;
      }
      if (host.outgoing.queue !== null) host.askFlush();
    });
  }

  drop(): void {
    this.#dropped = true;
    this.behind = false;
    this.#shared.catchUp.delete(this);
  }

  close(reason: CloseReason, retryAfterMs?: number): void {
    this.sink.close(reason, retryAfterMs);
  }
}
