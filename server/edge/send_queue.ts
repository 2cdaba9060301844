/**
 * What waits to be sent to one session. Durable events are bounded in bytes (beyond, they are read
 * from the mailbox when there is room again), signals in number, presence by there being one entry
 * per watched user. Exists only while something waits.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Watched } from "./watched.ts";

/** Signals that wait at most; the oldest go first. */
export const SIGNALS_MAX = 64;
const NOBODY: readonly AccountName[] = [];
/** What every queue begins with. A first item is a new array, with no room for sixteen more. */
const NONE: never[] = [];
/** Up to so many entries a search through an array beats a set. */
const ARRAY_MAX = 64;

/** Everything that waited, as it leaves the send queue. */
export interface Taken {
  readonly presence: readonly Watched[];
  /** Users to be shown offline, for they may not be seen any more. */
  readonly gone: readonly AccountName[];
  readonly signals: readonly string[];
  readonly durable: readonly string[];
}

/** Soft events that are on their way to a poll, until the next one acknowledges them. */
export interface Unacknowledged extends Omit<Taken, "durable"> {
  /** The session's soft number after them. */
  readonly soft: number;
}

/** Pending events of one session. */
export class SendQueue {
  /** Encoded events, in the order of the mailbox. */
  durable: string[] = NONE;
  durableBytes = 0;
  signals: string[] = NONE;
  /** Users whose current presence is to be sent. */
  #presence: Watched[] = NONE;
  /** The same, where there are many. */
  #index: Set<Watched> | null = null;
  /** Users to be shown offline, for they may not be seen any more. */
  #gone: Set<AccountName> | null = null;

  pushDurable(text: string): void {
    if (this.durable.length === 0) this.durable = [text];
    else this.durable.push(text);
    this.durableBytes += text.length;
  }

  /** False where the oldest signal had to go. */
  pushSignal(text: string): boolean {
    if (this.signals.length === 0) this.signals = [text];
    else this.signals.push(text);
    if (this.signals.length <= SIGNALS_MAX) return true;
    this.signals.shift();
    return false;
  }

  /** False where the user's presence was pending already. */
  addPresence(user: Watched): boolean {
    this.#gone?.delete(user.name);
    if (this.#gone?.size === 0) this.#gone = null;
    if (this.#index !== null) {
      if (this.#index.has(user)) return false;
      this.#index.add(user);
    } else if (this.#presence.includes(user)) return false;
    if (this.#presence.length === 0) this.#presence = [user];
    else this.#presence.push(user);
    if (this.#presence.length > ARRAY_MAX) this.#index ??= new Set(this.#presence);
    return true;
  }

  /** The user's presence is not to be sent; false where it was not pending. */
  dropPresence(user: Watched): boolean {
    const pending = this.#presence.length;
    this.#presence = this.#presence.filter((other) => other !== user);
    this.#index?.delete(user);
    return this.#presence.length < pending;
  }

  /** The user may not be seen any more: what was pending is not sent, but that it is offline. */
  revokePresence(user: Watched): void {
    this.dropPresence(user);
    this.#gone ??= new Set();
    this.#gone.add(user.name);
  }

  /** Everything; the send queue is not used any more then. */
  take(): Taken {
    return {
      presence: this.#presence,
      gone: this.#gone === null ? NOBODY : [...this.#gone],
      signals: this.signals,
      durable: this.durable,
    };
  }

  /** Forgets the durable events; returns how many they were. */
  dropDurable(): number {
    const count = this.durable.length;
    this.durable = NONE;
    this.durableBytes = 0;
    return count;
  }

  /** What a lost session keeps: whom the client must not go on showing. */
  onlyGone(): SendQueue | null {
    if (this.#gone === null) return null;
    const kept = new SendQueue();
    kept.#gone = this.#gone;
    return kept;
  }

  /** Puts back what a poll did not acknowledge; returns how many signals were too many. */
  restore({ presence, gone, signals }: Unacknowledged): number {
    // What has become pending since counts: seen again, or not to be seen any more.
    const again = new Set(this.#presence.map((user) => user.name));
    for (const user of presence) if (!this.#gone?.has(user.name)) this.addPresence(user);
    for (const name of gone) if (!again.has(name)) (this.#gone ??= new Set()).add(name);
    const all = [...signals, ...this.signals];
    this.signals = all.slice(-SIGNALS_MAX);
    return all.length - this.signals.length;
  }
}
