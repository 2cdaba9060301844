/** Codes of authenticator apps, made of the RFCs with the platform's HMAC: what a user's app does. */
import { createHmac } from "node:crypto";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The bytes of base32 (RFC 4648) without padding. */
export function fromBase32(text: string): Uint8Array {
  const bits = [...text].map((c) => LETTERS.indexOf(c).toString(2).padStart(5, "0")).join("");
  const bytes = bits.match(/.{8}/g) ?? [];
  return Uint8Array.from(bytes, (byte) => parseInt(byte, 2));
}

/** The code of a counter (RFC 4226, section 5.3). */
export function hotp(secret: Uint8Array, counter: number): string {
  const message = new Uint8Array(8);
  new DataView(message.buffer).setBigUint64(0, BigInt(counter));
  const mac = createHmac("sha1", secret).update(message).digest();
  const at = mac[19]! & 15;
  const number = (mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000;
  return String(number).padStart(6, "0");
}

/** The code that an app shows at a time (ms); `steps`: of a later or earlier one. */
export function appCode(secret: string, nowMs: number, steps = 0): string {
  return hotp(fromBase32(secret), Math.floor(nowMs / 30_000) + steps);
}
