/**
 * What an account knows of one peer besides the roster: the numbers that make delivery between the
 * two exactly-once and in order, and the marks of what was delivered and read.
 */
import type { AccountId, AccountName } from "../name/ids.ts";

/** An incoming message that has not been read. */
export interface Unread {
  readonly seq: number;
  /** The sender's message number. */
  readonly num: number;
}

/** Unread messages remembered one by one; older ones are only counted. */
export const UNREAD_MAX = 100;

/** A refusal whose reason the sender may learn. */
export interface Refusal {
  readonly n: number;
  readonly reason: string;
}

/** Own messages `from` to `to` that the peer refused without a reason; `id` "" for several. */
export interface RefusedRange {
  readonly from: number;
  readonly to: number;
  readonly id: string;
}

const NONE_REFUSED: readonly RefusedRange[] = [];
/** Ranges kept singly; beyond that the oldest neighbours become one, without ids. */
const REFUSED_SINGLE_MAX = 64;
/** Ranges kept at all: the oldest is forgotten beyond that. */
const REFUSED_MAX = 256;

// Most conversations have none of either: one array for all of them.
const NO_REFUSALS: readonly Refusal[] = [];
const NONE_UNREAD: Unread[] = [];
/** Refusals remembered. */
const REFUSALS_MAX = 64;

type Mutator =
  | "startWith"
  | "reach"
  | "addRefusal"
  | "addRefusedOut"
  | "receipt"
  | "addUnread"
  | "markRead";

/** One peer for everybody but `apply`, which alone changes it. */
export type ReadonlyConversation = Readonly<Omit<Conversation, Mutator | "unread">> & {
  readonly unread: readonly Unread[];
};

/** One peer. */
export class Conversation {
  readonly with: AccountName;
  /** Index number within the account: what mailbox blocks refer to. */
  readonly index: number;
  /** The peer's account as last learnt; "" while unknown or gone. */
  peerId: AccountId | "" = "";
  /** Message numbers this account has used in this conversation; never starts again. */
  outNum = 0;
  /** Of these, those from before `peerId`: it gets numbers from 1 on, not how many others had. */
  outBase = 0;
  /** Pair number of the last packet sent to whatever account had the name; never starts again. */
  pairOut = 0;
  /** Account whose packets `pairIn` counts. */
  inId: AccountId | "" = "";
  /** Pair number of the last packet taken (or refused) from `inId`. */
  pairIn = 0;
  /** Refusals the sender may not have heard of yet. */
  refusals: readonly Refusal[] = NO_REFUSALS;
  lastSeq = 0;
  lastAt = 0;
  /** Mailbox position and sender's number of the last incoming message. */
  lastInSeq = 0;
  lastInNum = 0;
  unread: Unread[] = NONE_UNREAD;
  /** Unread messages before those in `unread`. */
  unreadMore = 0;
  readUpTo = 0;
  /** What this account has of the peer's messages, by the peer's numbers. */
  deliveredIn = 0;
  readIn = 0;
  /** What of that the peer's shard has confirmed to know. */
  deliveredInTold = 0;
  readInTold = 0;
  /** How far the peer has got this account's messages. */
  deliveredOut = 0;
  readOut = 0;
  /** Own messages that were refused without a word, above `deliveredOut`. */
  refusedOut: readonly RefusedRange[] = NONE_REFUSED;

  constructor(peer: AccountName, index: number) {
    this.with = peer;
    this.index = index;
  }

  /** Incoming messages after `readUpTo`. */
  get unreadCount(): number {
    return this.unread.length + this.unreadMore;
  }

  /** How many unread messages are after position `seq`; `Infinity` where that is not remembered. */
  unreadAfter(seq: number): number {
    const firstKnown = this.unread[0]?.seq ?? Infinity;
    if (this.unreadMore > 0 && seq + 1 < firstKnown) return Infinity;
    return this.unread.filter((u) => u.seq > seq).length;
  }

  /** Another account has the peer's name now: what was numbered by the former one is over. */
  startWith(peer: AccountId): void {
    this.inId = peer;
    this.pairIn = 0;
    this.refusals = NO_REFUSALS;
    this.deliveredIn = this.deliveredInTold = 0;
    this.readIn = this.readInTold = 0;
    // The former one's messages stay unread, but none of the new one's numbers is theirs.
    this.lastInNum = 0;
    this.unread = this.unread.map(({ seq }) => ({ seq, num: 0 }));
  }

  /** What is sent from now on is for this account. */
  reach(peer: AccountId): void {
    if (this.peerId === peer) return;
    this.peerId = peer;
    this.outBase = this.outNum;
  }

  /** This account's number of a message by the number that the peer got; 0 for none. */
  ownNum(told: number): number {
    return told === 0 ? 0 : Math.min(told + this.outBase, this.outNum);
  }

  /** Remembers a refusal that the sender learns. */
  addRefusal(refusal: Refusal): void {
    this.refusals = [...this.refusals.slice(1 - REFUSALS_MAX), refusal];
  }

  /** Notes that the peer did not take message `num`, of which its sender is not notified yet. */
  addRefusedOut(num: number, id: string): void {
    const all = [...this.refusedOut, { from: num, to: num, id }];
    if (all.length > REFUSED_SINGLE_MAX) {
      const i = all.findIndex((r, at) => all[at + 1]?.from === r.to + 1);
      if (i >= 0) all.splice(i, 2, { from: all[i]!.from, to: all[i + 1]!.to, id: "" });
    }
    this.refusedOut = all.slice(-REFUSED_MAX);
  }

  /** The refused messages that a receipt for message `num` would cover. */
  refusedUpTo(num: number): readonly RefusedRange[] {
    return this.refusedOut.filter((r) => r.to <= num);
  }

  /** The peer has this account's messages up to these numbers, but for those it refused. */
  receipt(delivered: number, read: number): void {
    this.deliveredOut = Math.max(this.deliveredOut, delivered);
    this.readOut = Math.max(this.readOut, read);
    if (this.refusedOut.length === 0) return;
    this.refusedOut = this.refusedOut.filter((r) => r.to > this.deliveredOut);
  }

  /** Counts an incoming message as unread. */
  addUnread(seq: number, num: number): void {
    if (this.unread.length === 0) this.unread = [{ seq, num }];
    else this.unread.push({ seq, num });
    if (this.unread.length > UNREAD_MAX) {
      this.unread.shift();
      this.unreadMore++;
    }
  }

  /** The sender's number of the last incoming message at or before `seq`, as far as remembered. */
  numAt(seq: number): number {
    if (seq >= this.lastInSeq) return this.lastInNum;
    let num = this.readIn;
    for (const u of this.unread) if (u.seq <= seq) num = Math.max(num, u.num);
    return num;
  }

  /** Marks everything up to `seq` as read. */
  markRead(seq: number): void {
    if (seq <= this.readUpTo) return;
    this.readUpTo = seq;
    const kept = this.unread.filter((u) => u.seq > seq);
    if (kept.length < this.unread.length || seq >= this.lastInSeq) this.unreadMore = 0;
    this.unread = kept;
  }
}
