/**
 * What a head of either form has behind all else: sections with a number each. Programs skip those
 * that they do not know, and do not write them again.
 */
import type { Account, AccountState } from "./account.ts";
import { type ByteReader, ByteWriter } from "../record/bytes.ts";
import { FACTORS } from "./factors.ts";

const FACTORS_SECTION = 1;

/** Writes them; nothing where the account has none. */
export function writeSections(w: ByteWriter, { factors }: Account): void {
  if (factors === null) return;
  const body = new ByteWriter(256);
  FACTORS.write(body, factors);
  w.uint(1).uint(FACTORS_SECTION).bytes(body.take());
}

/** Reads them, where there are any. Throws `CorruptBytes`. */
export function readSections(r: ByteReader, account: AccountState): void {
  if (r.done) return;
  for (let left = r.count(); left > 0; left--) {
    const number = r.uint();
    const body = r.sub(r.uint());
    if (number === FACTORS_SECTION) account.factors = FACTORS.read(body);
  }
}
