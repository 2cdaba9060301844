/**
 * Places that users sign in from, as accounts keep them: see `KnownPlace` in the shard. A place is
 * keyed with a secret of the cell, so that neither a backup nor an export discloses an address.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import { hmacOf } from "./hash.ts";
import { addressKey } from "./throttle.ts";

const PLACE_BYTES = 6;
const utf8 = new TextEncoder();

/** Makes the place of an account and a client's address (IPv6: its /64 network); 48 bits. */
export function placeMaker(
  serverSecret: Uint8Array,
): (name: AccountName, address: string) => number {
  const key = hmacOf("SHA-256", serverSecret, utf8.encode("roost known place 1"));
  return (name, address) => {
    const mac = hmacOf("SHA-256", key, utf8.encode(`${name}\0${addressKey(address)}`));
    return mac.subarray(0, PLACE_BYTES).reduce((place, byte) => place * 256 + byte, 0);
  };
}
