/**
 * The address of a client whose request a node of another cell passes on. That node proves with the
 * federation's secret that it is one: then the rates of the client's own address hold, and not those
 * of the node. A proof is of the address alone, and holds as long as the secret does: clocks of two
 * nodes are never compared.
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { parseIp } from "../config/address.ts";

/** The header with the address and its proof. */
export const RELAY_HEADER = "roost-relay";

/** The key of proofs, from the secret of a federation. */
export function relayKey(secret: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", secret).update("roost relay 1").digest());
}

/** See the head of this file. */
export class RelayProofs {
  readonly #key: Uint8Array;
  /** Whether an IP address is that of a linked node of another cell. */
  readonly isPeer: (address: string) => boolean;

  constructor(key: Uint8Array, isPeer: (address: string) => boolean) {
    this.#key = key;
    this.isPeer = isPeer;
  }

  /** What all cells that share the domain have, and nobody else, for sign-ins with passkeys. */
  get passkeySecret(): Uint8Array {
    return new Uint8Array(createHmac("sha256", this.#key).update("roost passkeys 1").digest());
  }

  /** The header for a client's IP address. */
  headerOf(address: string): string {
    return `${address} ${this.#macOf(address).toString("base64url")}`;
  }

  /** The client's IP address in a header; null where it is not proved. */
  addressIn(header: string | readonly string[] | undefined): string | null {
    if (typeof header !== "string") return null;
    const [address = "", mac = "", ...more] = header.split(" ");
    if (more.length > 0 || parseIp(address) === null) return null;
    const [given, own] = [Buffer.from(mac, "base64url"), this.#macOf(address)];
    return given.length === own.length && timingSafeEqual(given, own) ? address : null;
  }

  #macOf(address: string): Buffer {
    return createHmac("sha256", this.#key).update(`client ${address}`).digest();
  }
}
