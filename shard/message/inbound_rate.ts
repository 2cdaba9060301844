/**
 * How many messages an account takes in a time, from all its peers together. As with the room of its
 * mailbox, the more the others have taken, the less a peer may have: whatever some do, messages of
 * the next one still arrive.
 *
 * What was taken is counted less the longer ago it was (exponential decay). All counts decay alike,
 * so that those of the peers always add up to that of all: with a bucket for each peer, one that
 * sends without end would have an empty bucket and keep that of all full.
 */
import type { AccountName } from "../name/ids.ts";

/** A contact may have this part of what others leave. */
const CONTACT_PART = 1 / 2;
/** All who are no contacts may have this part of what contacts leave, … */
const STRANGERS_PART = 1 / 2;
/** … and each of them this part of what of that is left. */
const STRANGER_PART = 1 / 8;
/** A count below this is forgotten. */
const NEGLIGIBLE = 0.1;
/** So many peers are remembered until those with negligible counts are forgotten. */
const PEERS_KEPT = 16;

/** How many messages are taken at once, and in how many ms one more. */
export interface InboundLimits {
  readonly tokenMs: number;
  readonly burst: number;
}

/** Messages of one account's peers, lately. Times are monotonic ms. */
export class InboundRate {
  #all = 0;
  #strangers = 0;
  #countedAtMs = 0;
  /** By peer, with the time at which the count was made. */
  readonly #peers = new Map<AccountName, { count: number; atMs: number }>();
  #lookAt = PEERS_KEPT;

  /**
   * Counts a message of `peer` and returns true; or returns false. At most `burst` messages are
   * taken at once, and one each `tokenMs` in the long run; of one contact half of that.
   */
  take(rate: InboundLimits, nowMs: number, peer: AccountName, isContact: boolean): boolean {
    const decay = (sinceMs: number) => Math.exp((sinceMs - nowMs) / (rate.burst * rate.tokenMs));
    const passed = decay(this.#countedAtMs);
    const all = this.#all * passed;
    const strangers = this.#strangers * passed;
    const known = this.#peers.get(peer);
    const own = known === undefined ? 0 : known.count * decay(known.atMs);
    const others = Math.max(0, (isContact ? all : strangers) - own);
    // Of what contacts leave, not of everything: contacts and strangers together must not take all.
    const room = isContact
      ? (rate.burst - others) * CONTACT_PART
      : ((rate.burst - (all - strangers)) * STRANGERS_PART - others) * STRANGER_PART;
    if (all + 1 > rate.burst || own >= Math.ceil(room)) return false;
    this.#all = all + 1;
    this.#strangers = isContact ? strangers : strangers + 1;
    this.#countedAtMs = nowMs;
    this.#peers.set(peer, { count: own + 1, atMs: nowMs });
    if (this.#peers.size > this.#lookAt) this.#forget(decay);
    return true;
  }

  #forget(decay: (sinceMs: number) => number): void {
    for (const [peer, { count, atMs }] of this.#peers) {
      if (count * decay(atMs) < NEGLIGIBLE) this.#peers.delete(peer);
    }
    this.#lookAt = Math.max(PEERS_KEPT, 2 * this.#peers.size);
  }
}
