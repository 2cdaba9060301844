/**
 * The server's side of SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, RFC 7677), without channel binding.
 * Pure: text and keys in, text out.
 */
import type { ScramKey, ScramMechanism } from "../../shard/ops.ts";
import { equalBytes, type HashName, hashOf, hmacOf } from "./hash.ts";
import {
  decodeBase64,
  encodeBase64,
  isNonce,
  parseAttributes,
  unescapeSaslName,
} from "./scram_text.ts";

/** Bound of one message from a client, in UTF-16 code units. */
export const SCRAM_MESSAGE_LENGTH_MAX = 4096;
/** Random bytes in the server's part of the nonce. */
export const SERVER_NONCE_BYTES = 18;

const utf8 = new TextEncoder();

/** A client-first message. */
export interface ClientFirst {
  /** Everything before the bare part, which the final message must repeat in `c=`. */
  readonly gs2Header: string;
  /** The name to act as, unescaped; null where none is asked for. */
  readonly authzid: string | null;
  readonly bare: string;
  /** As the client wrote it, unescaped, not normalised. */
  readonly user: string;
  readonly nonce: string;
}

/** `binding`: the client insists on channel binding. `extension`: on one we do not know. */
export type ClientFirstFault = "malformed" | "binding" | "extension";

/** The hash a mechanism is named after. */
export function hashNameOf(mechanism: ScramMechanism): HashName {
  return mechanism === "SCRAM-SHA-256" ? "SHA-256" : "SHA-1";
}

/** Reads a client-first message or says what is wrong with it. */
export function parseClientFirst(text: string): ClientFirst | ClientFirstFault {
  if (text.length > SCRAM_MESSAGE_LENGTH_MAX || !text.isWellFormed()) return "malformed";
  const gs2 = /^(n|y|p=[A-Za-z0-9.-]+),(?:a=([^,]*))?,/.exec(text);
  if (gs2 === null) return "malformed";
  if (gs2[1]!.startsWith("p")) return "binding";
  const authzid = gs2[2] === undefined ? null : unescapeSaslName(gs2[2]);
  if (gs2[2] !== undefined && authzid === null) return "malformed";
  const bare = text.slice(gs2[0].length);
  const attributes = parseAttributes(bare);
  if (attributes === null) return "malformed";
  if (attributes[0]!.name === "m") return "extension";
  const [name, nonce] = attributes;
  if (name?.name !== "n" || nonce?.name !== "r" || !isNonce(nonce.value)) return "malformed";
  const user = unescapeSaslName(name.value);
  if (user === null) return "malformed";
  return { gs2Header: gs2[0], authzid, bare, user, nonce: nonce.value };
}

/** An exchange in which the server has spoken. */
export interface ScramStart {
  readonly gs2Header: string;
  readonly clientFirstBare: string;
  /** The client's nonce followed by the server's. */
  readonly nonce: string;
  /** The server-first message. */
  readonly message: string;
}

/** Answers a client-first message. `random` are `SERVER_NONCE_BYTES` fresh bytes. */
export function startScram(first: ClientFirst, key: ScramKey, random: Uint8Array): ScramStart {
  if (random.length !== SERVER_NONCE_BYTES) {
    throw new Error(`startScram: needs ${SERVER_NONCE_BYTES} random bytes, got ${random.length}`);
  }
  return startScramWithNonce(first, key, encodeBase64(random));
}

/** `startScram` with the server's part of the nonce given as text, as the RFCs' examples need. */
export function startScramWithNonce(
  first: ClientFirst,
  key: ScramKey,
  serverNonce: string,
): ScramStart {
  const nonce = first.nonce + serverNonce;
  return {
    gs2Header: first.gs2Header,
    clientFirstBare: first.bare,
    nonce,
    message: `r=${nonce},s=${encodeBase64(key.salt)},i=${key.iterations}`,
  };
}

/** A client-final message. */
export interface ClientFinal {
  readonly binding: string;
  readonly nonce: string;
  readonly proof: Uint8Array;
  readonly withoutProof: string;
}

/** Reads a client-final message, or null where it is malformed or demands an extension. */
export function parseClientFinal(text: string): ClientFinal | null {
  if (text.length > SCRAM_MESSAGE_LENGTH_MAX || !text.isWellFormed()) return null;
  const attributes = parseAttributes(text);
  const [binding, nonce] = attributes ?? [];
  const proof = attributes?.at(-1);
  if (attributes === null || attributes.length < 3) return null;
  if (binding?.name !== "c" || nonce?.name !== "r" || proof?.name !== "p") return null;
  if (attributes[2]!.name === "m") return null;
  const bytes = decodeBase64(proof.value);
  if (bytes === null) return null;
  return {
    binding: binding.value,
    nonce: nonce.value,
    proof: bytes,
    withoutProof: text.slice(0, text.lastIndexOf(",")),
  };
}

/** `malformed`: no proof was looked at. `wrong`: it does not fit the key. */
export type ScramEnd =
  | { readonly ok: true; readonly serverFinal: string }
  | { readonly ok: false; readonly kind: "malformed" | "wrong" };

/** Checks a client-final message against the key; the same work whether it fits or not. */
export function finishScram(
  mechanism: ScramMechanism,
  start: ScramStart,
  key: ScramKey,
  message: string,
): ScramEnd {
  const final = parseClientFinal(message);
  if (final === null || final.nonce !== start.nonce) return { ok: false, kind: "malformed" };
  if (final.binding !== encodeBase64(utf8.encode(start.gs2Header))) {
    return { ok: false, kind: "malformed" };
  }
  const hash = hashNameOf(mechanism);
  const auth = utf8.encode(`${start.clientFirstBare},${start.message},${final.withoutProof}`);
  const signature = hmacOf(hash, key.storedKey, auth);
  const serverSignature = hmacOf(hash, key.serverKey, auth);
  if (final.proof.length !== signature.length) return { ok: false, kind: "malformed" };
  const clientKey = final.proof.map((byte, i) => byte ^ signature[i]!);
  if (!equalBytes(hashOf(hash, clientKey), key.storedKey)) return { ok: false, kind: "wrong" };
  return { ok: true, serverFinal: `v=${encodeBase64(serverSignature)}` };
}

/** The keys of RFC 5802 section 3 from PBKDF2's output. */
export function keysOf(
  hash: HashName,
  saltedPassword: Uint8Array,
): { readonly storedKey: Uint8Array; readonly serverKey: Uint8Array } {
  return {
    storedKey: hashOf(hash, hmacOf(hash, saltedPassword, utf8.encode("Client Key"))),
    serverKey: hmacOf(hash, saltedPassword, utf8.encode("Server Key")),
  };
}
