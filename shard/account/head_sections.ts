/**
 * What a head of either form has behind all else: sections with a number each. Programs skip those
 * that they do not know, and do not write them again.
 */
import type { Account, AccountState } from "./account.ts";
import { type ByteReader, ByteWriter } from "../record/bytes.ts";
import { FACTORS, stored } from "./factors.ts";
import { PASSKEYS, USED_CHALLENGES } from "./passkeys.ts";
import { readPush, writePush } from "./push_targets.ts";

const FACTORS_SECTION = 1;
const PUSH_SECTION = 2;
const PASSKEYS_SECTION = 3;

/** Writes them; nothing where the account has none. */
export function writeSections(w: ByteWriter, account: Account): void {
  const { factors, pushTargets } = account;
  const sections: [number, ByteWriter][] = [];
  if (factors !== null) {
    const body = new ByteWriter(256);
    FACTORS.write(body, factors);
    sections.push([FACTORS_SECTION, body]);
  }
  if (factors !== null && factors.passkeys.length > 0) {
    const body = new ByteWriter(1024);
    PASSKEYS.write(body, factors.passkeys);
    USED_CHALLENGES.write(body, factors.used);
    sections.push([PASSKEYS_SECTION, body]);
  }
  if (pushTargets.length > 0) {
    const body = new ByteWriter(1024);
    writePush(body, account);
    sections.push([PUSH_SECTION, body]);
  }
  if (sections.length === 0) return;
  w.uint(sections.length);
  for (const [number, body] of sections) w.uint(number).bytes(body.take());
}

/** Reads them, where there are any. Throws `CorruptBytes`. */
export function readSections(r: ByteReader, account: AccountState): void {
  if (r.done) return;
  for (let left = r.count(); left > 0; left--) {
    const number = r.uint();
    const body = r.sub(r.uint());
    const factors = stored(account.factors);
    if (number === FACTORS_SECTION) account.factors = { ...factors, ...FACTORS.read(body) };
    if (number === PASSKEYS_SECTION) {
      const [passkeys, used] = [PASSKEYS.read(body), USED_CHALLENGES.read(body)];
      account.factors = { ...factors, passkeys, used };
    }
    if (number === PUSH_SECTION) readPush(body, account);
  }
}
