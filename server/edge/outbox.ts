/**
 * What waits to be sent to one session. Durable events are bounded in bytes (beyond, they are read
 * from the mailbox when there is room again), signals in number, presence by there being one entry
 * per watched user. Exists only while something waits.
 */
import type { AccountName } from "../../shard/ids.ts";
import type { Watched } from "./watchers.ts";

/** Signals that wait at most; the oldest go first. */
export const SIGNALS_MAX = 64;
/** Up to so many entries a search through an array beats a set. */
const ARRAY_MAX = 64;

/** Soft events that are on their way to a poll, until the next one acknowledges them. */
export interface Unacknowledged {
  /** The session's soft number after them. */
  readonly soft: number;
  presence: Watched[];
  readonly gone: AccountName[];
  readonly signals: readonly string[];
}

/** Pending events of one session. */
export class Outbox {
  /** Encoded events, in the order of the mailbox. */
  durable: string[] = [];
  durableBytes = 0;
  signals: string[] = [];
  /** Users whose current presence is to be sent. */
  #presence: Watched[] = [];
  /** The same, where there are many. */
  #index: Set<Watched> | null = null;
  /** Users to be shown offline, for they may not be seen any more. */
  #gone: Set<AccountName> | null = null;

  get empty(): boolean {
    return this.durable.length === 0 && !this.hasSoft;
  }

  get hasSoft(): boolean {
    return this.#presence.length > 0 || this.signals.length > 0 || this.#gone !== null;
  }

  pushDurable(text: string): void {
    this.durable.push(text);
    this.durableBytes += text.length;
  }

  /** False where the oldest signal had to go. */
  pushSignal(text: string): boolean {
    this.signals.push(text);
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
    this.#presence.push(user);
    if (this.#presence.length > ARRAY_MAX) this.#index ??= new Set(this.#presence);
    return true;
  }

  /** The user may not be seen any more: what was pending is not sent, but that it is offline. */
  revokePresence(user: Watched): void {
    this.#presence = this.#presence.filter((pending) => pending !== user);
    this.#index?.delete(user);
    this.#gone ??= new Set();
    this.#gone.add(user.name);
  }

  takePresence(): Watched[] {
    const taken = this.#presence;
    this.#presence = [];
    this.#index = null;
    return taken;
  }

  takeGone(): AccountName[] {
    const taken = this.#gone === null ? [] : [...this.#gone];
    this.#gone = null;
    return taken;
  }

  takeSignals(): string[] {
    const taken = this.signals;
    this.signals = [];
    return taken;
  }

  takeDurable(): string[] {
    const taken = this.durable;
    this.durable = [];
    this.durableBytes = 0;
    return taken;
  }

  /** Puts back what a poll did not acknowledge; what has become pending since goes first. */
  restore(items: Unacknowledged, watches: (name: AccountName) => boolean): number {
    for (const user of items.presence) this.addPresence(user);
    for (const name of items.gone) {
      // Whoever may be seen again is pending, or was sent with a later acknowledged batch.
      if (!watches(name)) (this.#gone ??= new Set()).add(name);
    }
    const signals = [...items.signals, ...this.signals];
    this.signals = signals.slice(-SIGNALS_MAX);
    return signals.length - this.signals.length;
  }
}
