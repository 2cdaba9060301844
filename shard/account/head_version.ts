/** What the heads of accounts begin with: their version, the LSN, and the register of the name. */
import type { Account, AccountState } from "./account.ts";
import { type ByteReader, type ByteWriter, CorruptBytes } from "../record/bytes.ts";
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

/** Writes the beginning of a head. */
export function writeHeadVersion(w: ByteWriter, a: Account, version: number, lsn: number): void {
  if (a.register === null) return void w.u8(version).uint(lsn);
  NAME_REGISTER.write(w.u8(version + REGISTERED).uint(lsn), a.register);
}

/** Reads it; returns the version, one of `versions`. Throws `CorruptBytes`. */
export function readHeadVersion(
  r: ByteReader,
  account: AccountState,
  versions: readonly number[],
): number {
  const found = r.u8();
  const version = found > REGISTERED ? found - REGISTERED : found;
  if (!versions.includes(version)) {
    const read = versions.join(" and ");
    throw new CorruptBytes(`account checkpoint of version ${found}, this program reads ${read}`);
  }
  account.runtime.savedLsn = r.uint();
  if (found > REGISTERED) account.register = NAME_REGISTER.read(r);
  return version;
}

/** Whether stored bytes are a head in pages, or the first of several rows of one. */
export function isPagedHead(bytes: Uint8Array): boolean {
  return bytes[0] === HEAD_VERSION_PAGED || bytes[0] === HEAD_VERSION_PAGED + REGISTERED;
}
