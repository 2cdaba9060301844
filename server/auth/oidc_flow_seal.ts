/**
 * What a browser's way to an issuer and back has to keep, as a text in a cookie of that browser:
 * any node of the cell can go on with it. Encrypted with AES-256-GCM by a key that follows from the
 * cell's server secret, for nobody else is to know the verifier of PKCE.
 */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import type { OidcFlow } from "./oidc_issuer.ts";
import { hmacOf } from "./hash.ts";

/** A flow of one issuer that is under way. */
export interface SealedFlow extends OidcFlow {
  /** The issuer's id. */
  readonly issuer: string;
  /** The path of the page that goes on; "" for the chat. */
  readonly page: string;
}

const VERSION = 1;
const NONCE_BYTES = 12;
const SEALED_CHARS_MAX = 4000;
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/** See the head of this file. `random` makes bytes. */
export class FlowSeal {
  readonly #key: Promise<CryptoKey>;
  readonly #random: (count: number) => Uint8Array;

  constructor(serverSecret: Uint8Array, random: (count: number) => Uint8Array) {
    const raw = hmacOf("SHA-256", serverSecret, utf8.encode("roost oidc flow 1"));
    this.#key = crypto.subtle.importKey("raw", new Uint8Array(raw), "AES-GCM", false, [
      "encrypt",
      "decrypt",
    ]);
    this.#random = random;
  }

  /** Seals a flow until `untilMs` (wall clock, ms since 1970); base64url. */
  async seal(flow: SealedFlow, untilMs: number): Promise<string> {
    const { issuer, state, nonce, verifier, redirectUri, page } = flow;
    const fields = [VERSION, untilMs, issuer, state, nonce, verifier, redirectUri, page];
    const iv = new Uint8Array(this.#random(NONCE_BYTES));
    const sealed = await crypto.subtle.encrypt(
      { name: "AES-GCM", iv },
      await this.#key,
      utf8.encode(JSON.stringify(fields)),
    );
    const bytes = new Uint8Array(NONCE_BYTES + sealed.byteLength);
    bytes.set(iv);
    bytes.set(new Uint8Array(sealed), NONCE_BYTES);
    return encodeBase64Url(bytes);
  }

  /** The flow of a sealed text; null where this cell has not sealed it, or it has expired. */
  async open(text: string, nowMs: number): Promise<SealedFlow | null> {
    if (text.length > SEALED_CHARS_MAX) return null;
    let opened: ArrayBuffer;
    try {
      const bytes = new Uint8Array(decodeBase64Url(text));
      const iv = bytes.subarray(0, NONCE_BYTES);
      const key = await this.#key;
      opened = await crypto.subtle.decrypt(
        { name: "AES-GCM", iv },
        key,
        bytes.subarray(NONCE_BYTES),
      );
    } catch {
      // The browser has sent something else.
      return null;
    }
    // Only this cell could have written it; a later version may have written more.
    const fields = JSON.parse(fromUtf8.decode(opened)) as [number, number, ...string[]];
    const [version, untilMs, issuer = "", state = "", nonce = "", verifier = "", ...rest] = fields;
    if (version !== VERSION || untilMs <= nowMs) return null;
    const [redirectUri = "", page = ""] = rest;
    return { issuer, state, nonce, verifier, redirectUri, page };
  }
}
