/**
 * What a client keeps between the two factors of a sign-in, and between the two requests that set an
 * authenticator app up, so that any node of the cell can go on. In front stands the account's name,
 * by which also another cell finds where the account is at home.
 */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import { encodeHex } from "byte-encodings/hex";
import { hmacOf } from "./hash.ts";
import { keyOfSeals, seal, unseal } from "./seal.ts";
import { parseName } from "../../shard/name/name.ts";
import type { PasswordProof } from "../../shard/ops.ts";

/** How long a sign-in waits for its second factor (ms). */
export const SECOND_MS = 5 * 60_000;
/** How long a secret can be confirmed (ms). */
export const SETUP_MS = 15 * 60_000;
/** Longest text of either kind, in characters. */
export const SECOND_CHARS_MAX = 2048;

const VERSION = 1;
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A sign-in whose first factor was right. */
export interface FirstProved {
  readonly id: AccountId;
  /** What `SecondSeal.proofMark` made of the password's proof. */
  readonly proof: string;
}

/** A secret that is to be confirmed. */
export interface SealedSetup {
  /** In base32. */
  readonly secret: string;
  /** What was proved for it, as `proofText` writes it. */
  readonly proof: string;
}

/** See the head of this file. */
export class SecondSeal {
  readonly #signIns: Uint8Array;
  readonly #setups: Uint8Array;
  readonly #proofs: Uint8Array;

  constructor(serverSecret: Uint8Array) {
    this.#signIns = keyOfSeals(serverSecret, "roost second factor 1");
    this.#setups = keyOfSeals(serverSecret, "roost totp setup 1");
    this.#proofs = keyOfSeals(serverSecret, "roost password mark 1");
  }

  /** Stands for a proof without disclosing it; "" for none. */
  proofMark(proof: PasswordProof): string {
    return proof === null ? "" : encodeHex(hmacOf("SHA-256", this.#proofs, proof));
  }

  /** Seals a sign-in until `untilMs` (wall clock, ms since 1970). */
  signIn(user: AccountName, { id, proof }: FirstProved, untilMs: number): string {
    const sealed = seal(this.#signIns, [VERSION, untilMs, user, id, proof]);
    return `${encodeBase64Url(utf8.encode(user))}.${sealed}`;
  }

  /** Reads it; null where this cell has not sealed it, or it has expired. */
  openSignIn(text: string, nowMs: number): FirstProved | null {
    const [, sealed = ""] = text.split(".");
    const fields = unseal(this.#signIns, sealed, SECOND_CHARS_MAX);
    if (fields === null) return null;
    const [version, untilMs, user, id, proof] = fields as [number, number, string, string, string];
    if (version !== VERSION || untilMs <= nowMs || user !== secondUser(text)) return null;
    return { id: id as AccountId, proof };
  }

  /** Seals a secret that the account is about to confirm. */
  setup(id: AccountId, { proof, secret }: SealedSetup, untilMs: number): string {
    return seal(this.#setups, [VERSION, untilMs, id, secret, proof]);
  }

  /** The secret again; null where it is of another account or cell, or has expired. */
  openSetup(text: string, id: AccountId, nowMs: number): SealedSetup | null {
    const fields = unseal(this.#setups, text, SECOND_CHARS_MAX);
    if (fields === null) return null;
    // A node of a version before seals no proof.
    const [version, untilMs, whose, secret, proof = ""] = fields as readonly [
      number,
      number,
      string,
      string,
      string?,
    ];
    return version === VERSION && untilMs > nowMs && whose === id ? { secret, proof } : null;
  }
}

/** The account that a sealed sign-in says it is of; null where it is none. */
export function secondUser(text: string): AccountName | null {
  if (text.length > SECOND_CHARS_MAX) return null;
  try {
    const name = fromUtf8.decode(decodeBase64Url(text.split(".", 1)[0]!));
    const parsed = parseName(name);
    return parsed === name ? parsed : null;
  } catch {
    // The client has sent something else.
    return null;
  }
}
