/**
 * A session's place in its mailbox: what has been handed on, what is known to exist, and the
 * reading of what lies between. Pushed events are taken only in order; everything else is read.
 */
import type { AccountName, MailboxId } from "../../shard/name/ids.ts";
import type { MailboxEvent, Ops } from "../../shard/ops.ts";
import { fail, type Failure } from "../../shard/errors.ts";
import type { SendQueue } from "./send_queue.ts";
import type { Sessions } from "./sessions.ts";
import type { EventCodec } from "./types.ts";

/** Bounds of one page that is read for a session. */
export const PAGE = { limit: 100, bytesMax: 65_536 } as const;

/** Events that were pushed to several sessions, encoded once for all, when the first needs it. */
export class EventBatch {
  readonly events: readonly MailboxEvent[];
  readonly #codec: EventCodec;
  /** The text of the first event, which most batches have alone, and those of the others. */
  #first: string | null = null;
  #others: string[] | null = null;

  constructor(codec: EventCodec, events: readonly MailboxEvent[]) {
    this.#codec = codec;
    this.events = events;
  }

  /** Whether the sessions may wait for more before they are sent it: receipts alone are no news. */
  get mayWait(): boolean {
    return this.events.length > 0 && this.events.every(({ kind }) => kind === "receipt");
  }

  /** The text of the event at `index`. */
  text(index: number): string {
    if (index === 0) return this.#first ??= this.#codec.event(this.events[0]!);
    return (this.#others ??= [])[index] ??= this.#codec.event(this.events[index]!);
  }
}

/** The durable side of one session. */
export class Feed {
  readonly #shared: Sessions;
  readonly #user: AccountName;
  mailboxId = "" as MailboxId;
  /** Position of the last event handed to the send queue, or that the client is known to have. */
  sent = 0;
  /** Position of the last event that is known to exist. */
  known = 0;
  /** The read under way; another number when its answer is of no use any more. */
  #reading = 0;
  #lastRead = 0;
  #retryAtMs = 0;
  /** Reads in a row that brought nothing. */
  #failed = 0;

  constructor(shared: Sessions, user: AccountName) {
    this.#shared = shared;
    this.#user = user;
  }

  get complete(): boolean {
    return this.sent >= this.known;
  }

  /** A read is under way. */
  get reading(): boolean {
    return this.#reading !== 0;
  }

  /** Whether it is time for a read. */
  get mayRead(): boolean {
    return this.#reading === 0 && this.#shared.clock.monoMs() >= this.#retryAtMs;
  }

  /** Takes note that the mailbox goes up to `seq`. */
  heard(seq: number): void {
    if (seq > this.known) this.known = seq;
  }

  /**
   * Hands the events that come next over to the send queue, as long as they fit `roomBytes`. False
   * where some that the session does not have were left in the mailbox.
   */
  take(batch: EventBatch, sendQueue: SendQueue, roomBytes: number): boolean {
    let room = roomBytes - sendQueue.durableBytes;
    for (let i = 0; i < batch.events.length; i++) {
      const { seq } = batch.events[i]!;
      this.heard(seq);
      if (seq !== this.sent + 1) continue;
      const text = batch.text(i);
      room -= text.length;
      if (room < 0) break;
      sendQueue.pushDurable(text);
      this.sent = seq;
    }
    return this.complete;
  }

  /** Takes the send queue's events back, as if they had not been handed over. */
  rewind(sendQueue: SendQueue | null): void {
    this.sent -= sendQueue?.dropDurable() ?? 0;
    this.#reading = 0;
    this.#retryAtMs = 0;
  }

  /**
   * Reads the next page into the send queue that exists when it has arrived. `done` gets the
   * refusal, if any; never called where the feed was rewound or moved meanwhile.
   */
  read(sendQueue: () => SendQueue, done: (failure: Failure | null) => void): void {
    this.readPage(({ events, seq }) => this.accept(events, seq, sendQueue()), done);
  }

  /** The same, with `accept` in place of a send queue: it returns a refusal, or null. */
  readPage(
    accept: (page: Ops["mailbox.read"]["out"]) => Failure | null,
    done: (failure: Failure | null) => void,
  ): void {
    const read = ++this.#lastRead;
    this.#reading = read;
    this.#shared.counters.pagesRead++;
    const input = { cursor: { mailboxId: this.mailboxId, seq: this.sent }, ...PAGE };
    this.#shared.router.request(this.#user, "mailbox.read", input, (result) => {
      if (this.#reading !== read) return;
      this.#reading = 0;
      if (!result.ok) {
        this.#pause(result.retryAfterMs);
        return done(result);
      }
      done(accept(result.value));
    });
  }

  /** Hands a page over; a refusal where the mailbox does not go on at the session's place. */
  accept(events: readonly MailboxEvent[], seq: number, sendQueue: SendQueue): Failure | null {
    const { codec } = this.#shared;
    return this.goOn(events, seq, (event) => sendQueue.pushDurable(codec.event(event)));
  }

  /** The same, where each event that comes next is taken by `take`. */
  goOn(
    events: readonly MailboxEvent[],
    seq: number,
    take: (event: MailboxEvent) => void,
  ): Failure | null {
    this.heard(seq);
    let next: MailboxEvent | undefined;
    for (const event of events) {
      next ??= event;
      if (event.seq !== this.sent + 1) continue;
      this.#failed = 0;
      take(event);
      this.sent = event.seq;
    }
    if (next !== undefined && next.seq > this.sent) {
      return fail("reset", "The mailbox does not go back that far");
    }
    // An owner that has not caught up itself: do not ask again at once.
    if (events.length === 0 && !this.complete) this.#pause();
    return null;
  }

  /** Goes on from another place of the mailbox, which need not be one it has. */
  seek(seq: number): void {
    this.sent = seq;
    this.#reading = 0;
    this.#retryAtMs = 0;
  }

  #pause(retryAfterMs?: number): void {
    const { clock, random, retries } = this.#shared;
    const waitMs = retries.againMs("read", ++this.#failed, random.number(), retryAfterMs);
    this.#retryAtMs = clock.monoMs() + waitMs;
  }
}
