/** The secrets this server hands out: tokens of devices, codes of invites. Kept only as hashes. */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import type { AccountName } from "../../shard/name/ids.ts";
import { parseName } from "../../shard/name/name.ts";
import type { Random } from "../node/ports.ts";
import { sha256 } from "./hash.ts";

const TOKEN = /^rt1_([A-Za-z0-9_-]{1,342})_[A-Za-z0-9_-]{43}$/;
const INVITE = /^ri1_[A-Za-z0-9_-]{22}$/;
const TOKEN_RANDOM_BYTES = 32;
const INVITE_RANDOM_BYTES = 16;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Makes a token with 256 random bits. The name in it only tells where to ask about it. */
export function mintToken(name: AccountName, random: Random): string {
  const secret = encodeBase64Url(random.bytes(TOKEN_RANDOM_BYTES));
  return `rt1_${encodeBase64Url(utf8.encode(name))}_${secret}`;
}

/** Whether a bearer credential claims to be a token of this server (else: of an outside issuer). */
export function looksLikeToken(text: string): boolean {
  return text.startsWith("rt1_");
}

/** The account that a token claims to belong to, or null where `mintToken` cannot have made it. */
export function parseToken(text: string): AccountName | null {
  const encoded = TOKEN.exec(text)?.[1];
  if (encoded === undefined) return null;
  let name: string;
  try {
    name = fromUtf8.decode(decodeBase64Url(encoded));
  } catch {
    return null;
  }
  const parsed = parseName(name);
  return parsed === name && encodeBase64Url(utf8.encode(name)) === encoded ? parsed : null;
}

/** What is stored of a token: SHA-256 of the whole text, 32 bytes. */
export function hashToken(token: string): Uint8Array {
  return sha256(utf8.encode(token));
}

/** Makes an invite code with 128 random bits; it is single-use and its guesses are rate-limited. */
export function mintInvite(random: Random): string {
  return `ri1_${encodeBase64Url(random.bytes(INVITE_RANDOM_BYTES))}`;
}

/**
 * The reserved account name that an invite's state is kept under, or null where the text cannot be
 * a code. No user can have it: names contain no `/`.
 */
export function inviteName(code: string): AccountName | null {
  if (!INVITE.test(code)) return null;
  return `/invite/${encodeBase64Url(sha256(utf8.encode(code)))}` as AccountName;
}
