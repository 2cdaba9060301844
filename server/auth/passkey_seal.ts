/**
 * What a client keeps while an authenticator signs, so that any node of the cell can go on. The
 * challenge is its hash: a signature is over all that is in it, and of no use for anything else.
 */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import type { AccountId } from "../../shard/name/ids.ts";
import type { FactorProof } from "../../shard/ops.ts";
import { keyOfSeals, seal, unseal } from "./seal.ts";
import { sha256 } from "./hash.ts";

/** How long an authenticator may take (ms). */
export const PASSKEY_MS = 5 * 60_000;
/** Longest sealed text, in characters. */
export const PASSKEY_CHARS_MAX = 4096;

/** What a signature is for: one for a sign-in ends no other, and changes nothing. */
export type PasskeyPurpose = "sign_in" | "second" | "add" | "change";

/** What is sealed. */
export interface SealedPasskey {
  readonly purpose: PasskeyPurpose;
  /** Of the page that asked. */
  readonly origin: string;
  readonly rpId: string;
  /** Milliseconds since 1970. */
  readonly until: number;
  /** "" where it is not known whose signature it will be. */
  readonly account: AccountId | "";
  /** What it is bound to besides, or carries. */
  readonly extra: string;
}

const VERSION = 1;
const utf8 = new TextEncoder();

/** The hash of a text, in base64url. */
export function markOf(text: string): string {
  return encodeBase64Url(sha256(utf8.encode(text)));
}

/** See the head of this file. */
export class PasskeySeal {
  readonly #key: Uint8Array;

  constructor(serverSecret: Uint8Array) {
    this.#key = keyOfSeals(serverSecret, "roost passkey 1");
  }

  /** `nonce`: random bytes, so that no two texts are the same. */
  seal(sealed: SealedPasskey, nonce: Uint8Array): string {
    const { account, extra, origin, purpose, rpId, until } = sealed;
    const fields = [VERSION, purpose, until, encodeBase64Url(nonce), origin, rpId, account, extra];
    return seal(this.#key, fields);
  }

  /** Reads it; null where this cell has not sealed it for that purpose, or it has expired. */
  open(text: string, purpose: PasskeyPurpose, nowMs: number): SealedPasskey | null {
    const fields = unseal(this.#key, text, PASSKEY_CHARS_MAX);
    if (fields === null) return null;
    const [version, what, until, , origin, rpId, account, extra] = fields as readonly [
      number,
      string,
      number,
      ...string[],
    ];
    if (version !== VERSION || what !== purpose || until <= nowMs) return null;
    return {
      purpose,
      origin: origin!,
      rpId: rpId!,
      until,
      account: account as AccountId | "",
      extra: extra!,
    };
  }
}

/** A proof that is used up later, as a text to seal; "" for none. */
export function proofText(proof: FactorProof | null): string {
  const plain = (_name: string, value: unknown) =>
    value instanceof Uint8Array ? { bytes: encodeBase64Url(value) } : value;
  return proof === null ? "" : JSON.stringify(proof, plain);
}

/** The proof again. */
export function proofOfText(text: string): FactorProof | null {
  return text === "" ? null : JSON.parse(
    text,
    (_name, value) => typeof value?.bytes === "string" ? decodeBase64Url(value.bytes) : value,
  );
}
