/**
 * Handing events to a reader in this process, as objects. While the reader is busy, or has as many
 * events waiting as it may, further ones stay in the mailbox and presence coalesces.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import type { MailboxEvent } from "../../shard/ops.ts";
import type { Lagging } from "./catch_up.ts";
import type { EventBatch } from "./feed.ts";
import type { Outlet, OutletHost } from "./outlet.ts";
import type { Sessions } from "./sessions.ts";
import type { CloseReason, EventReader } from "./types.ts";

/** Events that wait for the reader at most; the mailbox has the others. */
const EVENTS_MAX = 200;

/** A session's way out to a reader. */
export class Handover implements Outlet, Lagging {
  readonly reader: EventReader;
  /** Events are read from the mailbox, not taken as they are pushed. */
  behind = false;
  readonly #shared: Sessions;
  readonly #host: OutletHost;
  readonly #user: AccountName;
  #events: MailboxEvent[] = [];
  /** The reader has not called back. */
  #busy = false;
  #dropped = false;

  constructor(shared: Sessions, host: OutletHost, user: AccountName, reader: EventReader) {
    this.#shared = shared;
    this.#host = host;
    this.#user = user;
    this.reader = reader;
  }

  start(): void {
    if (!this.#host.feed.complete) this.#fallBehind();
  }

  push(batch: EventBatch): void {
    const { feed } = this.#host;
    for (const event of batch.events) {
      feed.heard(event.seq);
      const next = !this.behind && event.seq === feed.sent + 1;
      if (!next || this.#events.length >= EVENTS_MAX) continue;
      this.#events.push(event);
      feed.sent = event.seq;
    }
    if (!this.behind && !feed.complete) this.#fallBehind();
    this.#host.askFlush();
  }

  #fallBehind(): void {
    this.behind = true;
    this.#shared.counters.behind++;
    this.#shared.catchUp.add(this);
  }

  pump(): boolean {
    if (this.#dropped) return false;
    this.flush();
    return this.behind;
  }

  flush(): void {
    const host = this.#host;
    if (this.#busy || this.#dropped || !host.ready) return;
    if (this.behind && this.#events.length === 0) this.#readOn();
    if (this.#dropped || host.feed.reading) return;
    if (host.outgoing.queue === null && this.#events.length === 0) return;
    const { gone, presence } = host.outgoing.take();
    const others = presence.filter(({ name, unknown }) => name !== this.#user && !unknown);
    const pending = presence.filter(({ unknown }) => unknown);
    for (const user of pending) user.pendingShown = true;
    const events = this.#events;
    this.#events = [];
    const soft = gone.length + pending.length + others.length;
    if (soft + events.length === 0) return;
    const { counters } = this.#shared;
    counters.frames++;
    counters.presenceDeliveries += soft;
    counters.durableEvents += events.length;
    host.outgoing.soft += soft;
    this.#busy = true;
    const names = pending.map(({ name }) => name);
    this.reader.take({ gone, pending: names, presence: others, events }, () => this.#taken());
  }

  #taken(): void {
    this.#busy = false;
    if (this.#dropped) return;
    const waits = this.behind || this.#events.length > 0 || this.#host.outgoing.queue !== null;
    if (waits) this.#host.askFlush();
  }

  /** Reads the next page, unless one is on its way. */
  #readOn(): void {
    const host = this.#host;
    if (!host.feed.mayRead) return;
    const take = (event: MailboxEvent) => this.#events.push(event);
    host.feed.readPage(({ events, seq }) => host.feed.goOn(events, seq, take), (failure) => {
      // The mailbox does not go back so far any more: the reader has to open another session.
      if (failure?.code === "reset") return host.end("slow");
      if (failure === null && host.feed.complete) {
        this.behind = false;
        this.#shared.counters.caughtUp++;
      }
      host.askFlush();
    });
  }

  drop(): void {
    this.#dropped = true;
    this.behind = false;
    this.#host.feed.sent -= this.#events.length;
    this.#shared.catchUp.delete(this);
  }

  close(reason: CloseReason): void {
    this.reader.close(reason);
  }
}
