/**
 * Checks messages at their recipients: everything that was accepted arrives exactly once and in the
 * order of each pair. The server numbers what a sender has sent in a conversation (`num`); the tag
 * in the body tells this tool's own number.
 */
import { contactAt, type Ring, slotOf } from "./ring.ts";

/** What senders and recipients have counted. */
export interface MessageCounts {
  readonly received: number;
  /** Numbers not above the one before: arrived again, or late. */
  readonly outOfTurn: number;
  /** Numbers that were jumped over; those of undelivered messages are among them. */
  readonly skipped: number;
  /** Numbers of this tool's own that came after a higher one. */
  readonly reordered: number;
  /** Messages that the server accepted and then told the sender of as undelivered. */
  readonly undelivered: number;
  /** Messages of a user who is no contact. */
  readonly wrong: number;
  /** Events whose mailbox position did not follow the one before. */
  readonly gaps: number;
}

/** How arrivals compare with what was accepted. */
export interface MessageMismatches {
  readonly accepted: number;
  /** Accepted and not arrived. */
  readonly missing: number;
  /** Arrived without having been accepted, as far as the sender knows. */
  readonly surplus: number;
}

/** Messages accepted by sender and slot: `contacts` numbers for each of the users. */
export type MessageTruth = Int32Array;

/** The users `lo … hi − 1` of a ring as senders and recipients. */
export class MessageBook {
  readonly #ring: Ring;
  readonly #lo: number;
  readonly #hi: number;
  readonly #sent: Int32Array;
  readonly #accepted: Int32Array;
  readonly #arrived: Int32Array;
  readonly #lastNum: Int32Array;
  readonly #lastOwn: Int32Array;
  readonly #counts = {
    received: 0,
    outOfTurn: 0,
    skipped: 0,
    reordered: 0,
    undelivered: 0,
    wrong: 0,
    gaps: 0,
  };

  constructor(ring: Ring, lo: number, hi: number) {
    this.#ring = ring;
    this.#lo = lo;
    this.#hi = hi;
    const pairs = (hi - lo) * ring.contacts;
    this.#sent = new Int32Array(pairs);
    this.#accepted = new Int32Array(pairs);
    this.#arrived = new Int32Array(pairs);
    this.#lastNum = new Int32Array(pairs);
    this.#lastOwn = new Int32Array(pairs);
  }

  /** What was counted so far. */
  get counts(): MessageCounts {
    return this.#counts;
  }

  /** The number of a local user's next message to the contact in a slot: 1, 2, 3 … */
  next(sender: number, slot: number): number {
    return ++this.#sent[this.#pair(sender, slot)]!;
  }

  /** The server has accepted a local user's message. */
  accepted(sender: number, slot: number): void {
    this.#accepted[this.#pair(sender, slot)]!++;
  }

  /** The server has told a local user that a message it had accepted is not delivered. */
  undelivered(sender: number, contact: number): void {
    this.#counts.undelivered++;
    const slot = slotOf(this.#ring, sender, contact);
    if (slot >= 0) this.#accepted[this.#pair(sender, slot)]!--;
  }

  /** A mailbox position did not follow the one before. */
  gap(): void {
    this.#counts.gaps++;
  }

  /** A local user got a message with the server's `num` and this tool's own number. */
  received(recipient: number, sender: number, num: number, own: number): void {
    const slot = slotOf(this.#ring, recipient, sender);
    const counts = this.#counts;
    if (slot < 0) {
      counts.wrong++;
      return;
    }
    const at = this.#pair(recipient, slot);
    const last = this.#lastNum[at]!;
    if (num <= last) {
      counts.outOfTurn++;
      return;
    }
    if (last > 0) counts.skipped += num - last - 1;
    if (own < this.#lastOwn[at]!) counts.reordered++;
    counts.received++;
    this.#arrived[at]!++;
    this.#lastNum[at] = num;
    this.#lastOwn[at] = own;
  }

  /** The part of the truth that is decided here: for the senders `lo … hi − 1`. */
  truth(): MessageTruth {
    return this.#accepted.slice();
  }

  /** Compares what has arrived here with what was accepted from all users. */
  compare(truth: MessageTruth): MessageMismatches {
    const ring = this.#ring;
    let [accepted, missing, surplus] = [0, 0, 0];
    for (let user = this.#lo; user < this.#hi; user++) {
      for (let slot = 0; slot < ring.contacts; slot++) {
        const sender = contactAt(ring, user, slot);
        const wanted = truth[sender * ring.contacts + slotOf(ring, sender, user)]!;
        const arrived = this.#arrived[this.#pair(user, slot)]!;
        accepted += wanted;
        if (arrived < wanted) missing += wanted - arrived;
        else surplus += arrived - wanted;
      }
    }
    return { accepted, missing, surplus };
  }

  #pair(user: number, slot: number): number {
    return (user - this.#lo) * this.#ring.contacts + slot;
  }
}
