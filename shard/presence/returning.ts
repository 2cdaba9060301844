/**
 * The time after a shard was taken over from a process that has ended, while clients of that process
 * may return. A user without a session is not offline then but pending: its presence has version
 * `PENDING`, and edges go on showing what they showed before. Those who have not returned at the end
 * are offline. The time passes while the shard serves: to one that does not nobody can return.
 */

/**
 * How long a shard that was taken over waits for the sessions that are still to be announced, and for
 * clients that may return (ms).
 */
export const GRACE_MS = 15_000;

/** The version of a presence that is not known yet: lower than every other one of its epoch. */
export const PENDING = 0;

/**
 * The presence in the answer about a user whose home cell has not replied yet whether the watcher may
 * see it: of no epoch, and with a sign-out that no user can have had. Who watches already goes on
 * seeing what it saw.
 */
export const UNDECIDED = { epoch: 0, version: PENDING, devices: [], lastSeen: 1 } as const;

/** Whether a presence is that. */
export function isUndecided(
  { epoch, lastSeen }: { readonly epoch: number; readonly lastSeen: number },
): boolean {
  return epoch === UNDECIDED.epoch && lastSeen === UNDECIDED.lastSeen;
}

/** Users that become offline in one step, for each of them costs a delivery to every watcher. */
const OFFLINE_STEP = 100;

/** Users of type `T` whose presence is pending. */
export class Returning<T> {
  #untilMs = 0;
  /** Those that some node knows as pending. */
  readonly #pending = new Set<T>();

  /** Begins, or goes on until `untilMs` (monotonic) at least. */
  begin(untilMs: number): void {
    this.#untilMs = Math.max(this.#untilMs, untilMs);
  }

  /** The shard serves from now on: where clients may return, they may until `untilMs` at least. */
  serves(untilMs: number): void {
    if (this.active) this.begin(untilMs);
  }

  /** Whether clients may still return. */
  get active(): boolean {
    return this.#untilMs > 0;
  }

  /** Whether something is left to be done by `takeDue`. */
  get ticking(): boolean {
    return this.active || this.#pending.size > 0;
  }

  /** A node knows from now on that the presence of the user is pending. */
  add(user: T): void {
    this.#pending.add(user);
  }

  /** The presence of the user is known, or nobody is interested. */
  delete(user: T): void {
    if (this.#pending.size > 0) this.#pending.delete(user);
  }

  /** Ends it once its time has passed; takes users who are to be shown as they are from then on. */
  takeDue(nowMs: number): readonly T[] {
    if (nowMs >= this.#untilMs) this.#untilMs = 0;
    if (this.active || this.#pending.size === 0) return [];
    const due: T[] = [];
    for (const user of this.#pending) {
      if (due.length === OFFLINE_STEP) break;
      due.push(user);
    }
    for (const user of due) this.#pending.delete(user);
    return due;
  }

  /** Takes over what another one, which ends, has of users that `owns` has. */
  inherit(from: Returning<T>, owns: (user: T) => boolean): void {
    this.begin(from.#untilMs);
    for (const user of from.#pending) if (owns(user)) this.#pending.add(user);
  }
}
