/** Codes to write down, each of which stands in for a second factor once. Kept only as hashes. */
import type { AccountId } from "../../shard/name/ids.ts";
import type { Random } from "../node/ports.ts";
import { sha256 } from "./hash.ts";

/** How many an account gets at once. */
export const RECOVERY_CODES = 10;

/** 80 bits: nobody who has the hashes finds them by trying. */
const CODE_BYTES = 10;
/** Without letters that look like digits (RFC 4648 with 8 and 9 for l and o). */
const LETTERS = "abcdefghijk8mn9pqrstuvwxyz234567";
const CODE = new RegExp(`^[${LETTERS}]{16}$`);
const utf8 = new TextEncoder();

function lettersOf(bytes: Uint8Array): string {
  let bits = 0n;
  for (const byte of bytes) bits = bits << 8n | BigInt(byte);
  let text = "";
  for (let left = bytes.length * 8; left > 0; left -= 5) {
    text += LETTERS[Number(bits >> BigInt(left - 5) & 31n)];
  }
  return text;
}

/** New codes, as they are shown: `abcd-efgh-ijkm-npqr`. */
export function newRecoveryCodes(random: Pick<Random, "bytes">): readonly string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const text = lettersOf(random.bytes(CODE_BYTES));
    return text.match(/.{4}/g)!.join("-");
  });
}

/** What is kept of a code of an account; null where the text cannot be one. */
export function recoveryHash(id: AccountId, code: string): Uint8Array | null {
  const letters = code.toLowerCase().replaceAll(/[\s-]/g, "");
  return CODE.test(letters) ? sha256(utf8.encode(`roost recovery\0${id}\0${letters}`)) : null;
}
