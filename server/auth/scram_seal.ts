/**
 * A SCRAM exchange between its two requests, as a text that the client keeps: any node of the cell
 * can finish it. The text holds what both sides have said, which is no secret to the client, and an
 * HMAC over it with a key that follows from the cell's server secret.
 */
import { keyOfSeals, seal, unseal } from "./seal.ts";
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
const MECHANISMS: readonly ScramMechanism[] = ["SCRAM-SHA-256", "SCRAM-SHA-1"];

/** The key of a cell's seals: all of its nodes have the same secret. */
export function sealKey(serverSecret: Uint8Array): Uint8Array {
  return keyOfSeals(serverSecret, "roost scram exchange 1");
}

/** Seals a state until `untilMs` (wall clock, ms since 1970); base64url. */
export function sealScram(key: Uint8Array, state: ScramState, untilMs: number): string {
  const { mechanism, first, answer } = state;
  return seal(key, [VERSION, MECHANISMS.indexOf(mechanism), untilMs, first, answer]);
}

/** The state of a sealed text; null where it was not sealed with this key, or has expired. */
export function openScram(key: Uint8Array, text: string, nowMs: number): ScramState | null {
  const fields = unseal(key, text, SEALED_CHARS_MAX);
  if (fields === null) return null;
  // Only this server could have written it; a later version may have written more.
  const [version, mechanism, untilMs, first, answer] = fields as [
    number,
    number,
    number,
    string,
    string,
  ];
  if (version !== VERSION || untilMs <= nowMs) return null;
  return { mechanism: MECHANISMS[mechanism]!, first, answer };
}
