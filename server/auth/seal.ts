/**
 * Texts that the server gives a client to bring back: what they say, and an HMAC-SHA-256 (RFC 2104)
 * over it, so that any node of the cell can trust it. The client can read them.
 */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import { equalBytes, hmacOf } from "./hash.ts";

const MAC_BYTES = 32;
const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

function bytesOf(text: string): Uint8Array | null {
  try {
    return decodeBase64Url(text);
  } catch {
    // The client has sent something else.
    return null;
  }
}

/** The key for seals of one kind: all nodes of a cell have the same secret. */
export function keyOfSeals(serverSecret: Uint8Array, kind: string): Uint8Array {
  return hmacOf("SHA-256", serverSecret, utf8.encode(kind));
}

/** Seals what JSON can have; base64url. */
export function seal(key: Uint8Array, value: unknown): string {
  const text = utf8.encode(JSON.stringify(value));
  const sealed = new Uint8Array(MAC_BYTES + text.length);
  sealed.set(hmacOf("SHA-256", key, text));
  sealed.set(text, MAC_BYTES);
  return encodeBase64Url(sealed);
}

/** What `seal` was given with this key; null for any other text, and for one over `charsMax`. */
export function unseal(key: Uint8Array, text: string, charsMax: number): unknown {
  if (text.length > charsMax) return null;
  const sealed = bytesOf(text);
  if (sealed === null || sealed.length <= MAC_BYTES) return null;
  const body = sealed.subarray(MAC_BYTES);
  if (!equalBytes(sealed.subarray(0, MAC_BYTES), hmacOf("SHA-256", key, body))) return null;
  return JSON.parse(strictUtf8.decode(body));
}
