/**
 * Being polled. At most one poll is parked, and at most one batch of soft events waits to be
 * acknowledged by the next poll; durable events are kept nowhere but in the mailbox while no poll
 * is parked, for each poll says where it stands.
 */
import type { Cursor } from "../../shard/name/ids.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { EventBatch } from "./feed.ts";
import type { Unacknowledged } from "./send_queue.ts";
import type { Outlet, OutletHost } from "./outlet.ts";
import type { Sessions } from "./sessions.ts";
import type { Cancelled, CloseReason, PollBatch } from "./types.ts";

/** Until a poll is looked at again that has waited for long enough and cannot be answered (ms). */
const DUE_AGAIN_MS = 100;

/**
 * What a poll returns at most, but for one page of the mailbox and the names of users that may not be
 * seen any more (bytes): the rest is for the next one. It fits a frame between nodes.
 */
const BATCH_BYTES_MAX = 1_048_576;

/** A poll as the transport hands it over. */
export interface Poll {
  readonly cursor: Cursor | null;
  readonly soft: number;
  readonly waitMs: number;
}

interface Parked {
  readonly done: (result: Result<PollBatch>) => void;
  readonly untilMs: number;
}

/** A session's way out through polls. */
export class Polls implements Outlet {
  readonly #shared: Sessions;
  readonly #host: OutletHost;
  #parked: Parked | null = null;
  #sent: Unacknowledged | null = null;
  /** Where the feed was before the client named a place that has not been read from yet. */
  #before: number | null = null;

  constructor(shared: Sessions, host: OutletHost) {
    this.#shared = shared;
    this.#host = host;
  }

  /** A poll waits for its answer. */
  get parked(): boolean {
    return this.#parked !== null;
  }

  poll({ cursor, soft, waitMs }: Poll, done: Parked["done"]): Cancelled {
    const host = this.#host;
    const { counters, clock } = this.#shared;
    counters.polls++;
    this.#answer([], true);
    this.#acknowledge(soft);
    if (cursor !== null && cursor.mailboxId !== host.feed.mailboxId) {
      done(fail("reset", "The cursor is one of another mailbox"));
      return () => {};
    }
    if (cursor !== null && cursor.seq !== host.feed.sent) {
      this.#before ??= host.feed.sent;
      host.feed.seek(cursor.seq);
    }
    const parked: Parked = { done, untilMs: clock.monoMs() + waitMs };
    this.#parked = parked;
    host.waitUntil(parked.untilMs);
    if (host.feed.sent !== host.feed.known) this.#read();
    else {
      this.#before = null;
      this.flush();
    }
    if (this.#parked === parked) this.due();
    return () => {
      if (this.#parked === parked) this.#unpark();
    };
  }

  /** Drops what the client has got, and puts back what it has not. */
  #acknowledge(soft: number): void {
    const sent = this.#sent;
    this.#sent = null;
    if (sent === null || soft >= sent.soft) return;
    this.#shared.counters.pollRepeats++;
    this.#host.outgoing.restore(sent);
  }

  start(): void {}

  push(batch: EventBatch): void {
    const { feed } = this.#host;
    if (this.#parked === null || feed.reading) {
      for (const { seq } of batch.events) feed.heard(seq);
      return;
    }
    const complete = feed.take(
      batch,
      this.#host.outgoing.pending(),
      Math.min(this.#shared.limits.outboxBytesMax, BATCH_BYTES_MAX),
    );
    if (!complete && feed.mayRead) this.#read();
    this.#host.askFlush();
  }

  #read(): void {
    const host = this.#host;
    host.feed.read(() => host.outgoing.pending(), (failure) => {
      const parked = this.#parked;
      if (failure !== null) {
        this.#unpark();
        if (failure.code === "reset") this.#seekBack();
        return parked?.done(failure);
      }
      this.#before = null;
      this.flush();
      if (this.#parked === parked && parked !== null) this.due();
    });
  }

  /** Forgets a place that the mailbox does not have: the next poll need not name one. */
  #seekBack(): void {
    if (this.#before !== null) this.#host.feed.seek(this.#before);
    this.#before = null;
  }

  /** Answers the parked poll if there is something to tell. */
  flush(): void {
    const host = this.#host;
    if (this.#parked === null || host.feed.reading || !host.ready || host.outgoing.queue === null) {
      return;
    }
    const taken = host.outgoing.take();
    const events = host.outgoing.encode(taken, BATCH_BYTES_MAX);
    if (events.length === 0) return this.due();
    this.#shared.counters.frames++;
    const { presence, gone, signals } = taken;
    const hasSoft = presence.length + gone.length + signals.length > 0;
    this.#sent = hasSoft ? { soft: host.outgoing.soft, presence, gone, signals } : null;
    this.#answer(events);
  }

  /** Answers the parked poll if it has waited for long enough. */
  due(): void {
    if (this.#parked === null || this.#shared.clock.monoMs() < this.#parked.untilMs) return;
    if (this.#host.feed.reading || !this.#host.ready) {
      // What the poll is to return is still on its way: the flush that follows answers it. It may
      // be long, where it comes from another node.
      return this.#host.waitUntil(this.#shared.clock.monoMs() + DUE_AGAIN_MS);
    }
    this.#answer([]);
  }

  /** Ends the parked poll; the events have been taken from the send queue. */
  #answer(events: readonly string[], replaced = false): void {
    const parked = this.#parked;
    if (parked === null) return;
    this.#unpark();
    const { outgoing: { soft }, feed } = this.#host;
    const cursor = { mailboxId: feed.mailboxId, seq: feed.sent };
    parked.done(ok({ events, soft, cursor, replaced }));
  }

  #unpark(): void {
    const host = this.#host;
    this.#parked = null;
    host.feed.rewind(host.outgoing.queue);
    host.beginGrace();
  }

  drop(): void {
    this.#sent = null;
  }

  close(reason: CloseReason, retryAfterMs?: number): void {
    const parked = this.#parked;
    this.#parked = null;
    parked?.done(pollEnded(reason, retryAfterMs));
  }

  /** Another transport takes over: the parked poll ends without events. */
  yield(): void {
    this.#answer([], true);
  }
}

/** What a poll of a session is refused with whose client was sent to another node. */
export const SENT_AWAY = fail("not_found", "The client was sent to another server: open one there");

/** What a poll of a session that has ended is answered. */
export function pollEnded(reason: CloseReason, retryAfterMs?: number): Failure {
  switch (reason) {
    case "shutdown":
      return fail("busy", "The server is going away for a moment", retryAfterMs ?? 1000);
    case "revoked":
    case "expired":
      return fail("unauthorized", `The session has ended: ${reason}`);
    default:
      return fail("not_found", `The session has ended: ${reason}; open another`);
  }
}
