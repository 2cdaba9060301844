/**
 * A SCRAM exchange between its two requests, as a text that the client keeps: any node of the cell
 * can finish it. The text holds what both sides have said, which is no secret to the client, and an
 * HMAC-SHA-256 (RFC 2104) over it with a key that follows from the cell's server secret.
 */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import { equalBytes, hmacOf } from "./hash.ts";
import type { ScramMechanism } from "../../shard/ops.ts";

/** What both sides have said. */
export interface ScramState {
  readonly mechanism: ScramMechanism;
  /** The client-first message, which names the account. */
  readonly first: string;
  /**
   * The server-first message without `r=` and the client's nonce: it begins with the server's
   * nonce, which is of this exchange only.
   */
  readonly answer: string;
}

/** Longest sealed text, in characters: a client-first message of the greatest length in ASCII fits. */
export const SEALED_CHARS_MAX = 8192;

const VERSION = 1;
const MAC_BYTES = 32;
const MECHANISMS: readonly ScramMechanism[] = ["SCRAM-SHA-256", "SCRAM-SHA-1"];
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

/** The key of a cell's seals: all of its nodes have the same secret. */
export function sealKey(serverSecret: Uint8Array): Uint8Array {
  return hmacOf("SHA-256", serverSecret, utf8.encode("roost scram exchange 1"));
}

/** Seals a state until `untilMs` (wall clock, ms since 1970); base64url. */
export function sealScram(key: Uint8Array, state: ScramState, untilMs: number): string {
  const { mechanism, first, answer } = state;
  const fields = [VERSION, MECHANISMS.indexOf(mechanism), untilMs, first, answer];
  const text = utf8.encode(JSON.stringify(fields));
  const sealed = new Uint8Array(MAC_BYTES + text.length);
  sealed.set(hmacOf("SHA-256", key, text));
  sealed.set(text, MAC_BYTES);
  return encodeBase64Url(sealed);
}

/** The state of a sealed text; null where it was not sealed with this key, or has expired. */
export function openScram(key: Uint8Array, text: string, nowMs: number): ScramState | null {
  if (text.length > SEALED_CHARS_MAX) return null;
  const sealed = bytesOf(text);
  if (sealed === null || sealed.length <= MAC_BYTES) return null;
  const body = sealed.subarray(MAC_BYTES);
  if (!equalBytes(sealed.subarray(0, MAC_BYTES), hmacOf("SHA-256", key, body))) return null;
  // Only this server could have written it; a later version may have written more.
  const [version, mechanism, untilMs, first, answer] = JSON.parse(
    strictUtf8.decode(body),
  ) as [number, number, number, string, string];
  if (version !== VERSION || untilMs <= nowMs) return null;
  return { mechanism: MECHANISMS[mechanism]!, first, answer };
}
