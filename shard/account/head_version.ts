/** What the heads of accounts begin with: their version, the LSN, and the register of the name. */
import type { Account, AccountState } from "./account.ts";
import { type ByteReader, type ByteWriter, CorruptBytes } from "../record/bytes.ts";
import { MOVING, storedArrival } from "./arrival.ts";
import { NAME_REGISTER } from "../federation/name_register.ts";

/** Of accounts that have forgotten no pair. */
export const HEAD_VERSION = 1;
/** Behind the LSN is what stays of pairs, and conversations have an index. */
export const HEAD_VERSION_INDEXED = 2;
/** In pages. */
export const HEAD_VERSION_PAGED = 3;
/**
 * Added to the version where the name has a register, which follows the LSN: programs that would
 * forget it refuse the head.
 */
const REGISTERED = 16;
/** Added where the account moves: what is known of that follows the register. */
const MOVES = 32;
/** The version without those. */
const VERSION_BITS = 15;

/** Writes the beginning of a head. */
export function writeHeadVersion(w: ByteWriter, a: Account, version: number, lsn: number): void {
  const moves = a.leaving !== null || a.arrival !== null;
  const registered = a.register === null ? 0 : REGISTERED;
  w.u8(version + registered + (moves ? MOVES : 0)).uint(lsn);
  if (a.register !== null && registered > 0) NAME_REGISTER.write(w, a.register);
  if (moves) MOVING.write(w, { leaving: a.leaving, arrival: storedArrival(a.arrival) });
}

/** Reads it; returns the version, one of `versions`. Throws `CorruptBytes`. */
export function readHeadVersion(
  r: ByteReader,
  account: AccountState,
  versions: readonly number[],
): number {
  const found = r.u8();
  const version = found & VERSION_BITS;
  if (!versions.includes(version)) {
    const read = versions.join(" and ");
    throw new CorruptBytes(`account checkpoint of version ${found}, this program reads ${read}`);
  }
  account.runtime.savedLsn = r.uint();
  if ((found & REGISTERED) !== 0) account.register = NAME_REGISTER.read(r);
  if ((found & MOVES) !== 0) readMoving(r, account);
  return version;
}

/** The parts of an arriving account's head are in rows of their own. */
function readMoving(r: ByteReader, account: AccountState): void {
  const { leaving, arrival } = MOVING.read(r);
  account.leaving = leaving;
  if (arrival === null) return;
  const parts = arrival.parts.map((exists) => exists ? new Uint8Array() : undefined);
  account.arrival = { ...arrival, parts };
}

/** Whether the head is one of an account that moves: parts of another head may be beside it. */
export function isMovingHead(bytes: Uint8Array): boolean {
  return ((bytes[0] ?? 0) & MOVES) !== 0;
}

/** Whether stored bytes are a head in pages, or the first of several rows of one. */
export function isPagedHead(bytes: Uint8Array): boolean {
  return ((bytes[0] ?? 0) & VERSION_BITS) === HEAD_VERSION_PAGED;
}
