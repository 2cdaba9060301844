/**
 * Who is whose contact: users `0 … users − 1` in a ring, each with the `contacts / 2` neighbours on
 * either side. Regular, mutual, and computed instead of stored: a process that plays 15,000 users
 * keeps no rosters. Names are hashed over shards, so that neighbours are not neighbours there.
 */

/** Contacts at most that each user has besides, who never come. */
export const ABSENT_MAX = 1000;

/** The shape of a population. Made by `makeRing`. */
export interface Ring {
  readonly users: number;
  /** Contacts of each user: even, less than `users`. */
  readonly contacts: number;
}

/** A ring, or why there is none of that shape. */
export function makeRing(users: number, contacts: number): Ring | string {
  if (!Number.isSafeInteger(users) || users < 2 || users > 1_000_000) {
    return `users is ${users}, must be 2 to 1000000`;
  }
  if (!Number.isSafeInteger(contacts) || contacts < 0 || contacts % 2 !== 0) {
    return `contacts is ${contacts}, must be an even number, for they are mutual`;
  }
  if (contacts >= users) return `contacts is ${contacts}, must be less than users (${users})`;
  return { users, contacts };
}

/** The contact of user `i` in slot `0 … contacts − 1`: first those after it, then those before. */
export function contactAt({ users, contacts }: Ring, i: number, slot: number): number {
  const half = contacts >> 1;
  const at = slot < half ? i + slot + 1 : i - (slot - half) - 1;
  return at < 0 ? at + users : at >= users ? at - users : at;
}

/** The slot in which `i` has `j`, or −1 where they are no contacts. Inverse of `contactAt`. */
export function slotOf({ users, contacts }: Ring, i: number, j: number): number {
  const half = contacts >> 1;
  const after = j > i ? j - i : j - i + users;
  if (after <= half) return after - 1;
  const before = users - after;
  return before >= 1 && before <= half ? half + before - 1 : -1;
}

/** The device that synthetic users sign in with by token. */
export const DEVICE = "load";

/** Digits of the number at the end of a name. */
const DIGITS = 6;
const DOT = 0x2e;

/** Name of the pool's user `index`. */
export function poolName(pool: string, index: number): string {
  return `${pool}.${String(index).padStart(DIGITS, "0")}`;
}

/** Why a text is no name of a pool, or null. */
export function poolFault(pool: string): string | null {
  if (/^[a-z0-9][a-z0-9._-]{0,63}$/.test(pool)) return null;
  return "a pool's name has 1 to 64 of a-z, 0-9, dot, _ and -, and begins with a letter or digit";
}

/** Reads the numbers of one pool's names out of bytes. */
export class PoolNames {
  readonly #prefix: Uint8Array;

  constructor(pool: string) {
    this.#prefix = new TextEncoder().encode(pool);
  }

  /** The number of the user whose name is `bytes[from … to)`; −1 where it is not of this pool. */
  indexOf(bytes: Uint8Array, from: number, to: number): number {
    const prefix = this.#prefix;
    const dot = from + prefix.length;
    if (to - dot !== DIGITS + 1 || bytes[dot] !== DOT) return -1;
    for (let i = 0; i < prefix.length; i++) {
      if (bytes[from + i] !== prefix[i]) return -1;
    }
    let index = 0;
    for (let i = dot + 1; i < to; i++) {
      const digit = bytes[i]! - 0x30;
      if (digit < 0 || digit > 9) return -1;
      index = index * 10 + digit;
    }
    return index;
  }
}
