/** What a service is: another system that acts here by a token, and as an account of its own. */
import type { AccountName } from "../../shard/name/ids.ts";
import { encodeBase64Url } from "byte-encodings/base64url";
import type { Random } from "../node/ports.ts";
import { sha256 } from "../auth/hash.ts";

/** What a token may be used for, with what it means. */
export const SCOPES = {
  "send": "send messages as the service",
  "presence.set": "set presence for users who have the service as a contact",
  "presence.read": "ask for the presence of users who let the service see it",
  "watch": "be notified of changes of presence, by events or webhook",
  "outcomes": "read what became of messages, by events, page or webhook",
  "users.manage": "make and delete any account, sign it in and out, set its contacts, send as it",
} as const;

/** One of the scopes. */
export type Scope = keyof typeof SCOPES;

/** All of them, in the order of the documentation. */
export const SCOPE_NAMES = Object.keys(SCOPES) as readonly Scope[];

/** A service as it is kept. `tokenHash` null: revoked; its account and name stay its own. */
export interface ServiceRecord {
  readonly name: string;
  /** SHA-256 of the token, base64url. */
  readonly tokenHash: string | null;
  readonly scopes: readonly Scope[];
  /** Milliseconds since 1970; null where the token does not end by itself. */
  readonly expiresAt: number | null;
  readonly createdAt: number;
}

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

/** Whether the text can name a service: 1 to 32 of a-z, 0-9 and inner hyphens. */
export function isServiceName(text: string): boolean {
  return NAME.test(text);
}

/** The account that a service sends as. */
export function accountOf(service: string): AccountName {
  return `service.${service}` as AccountName;
}

const TOKEN = /^rs1_([a-z0-9-]{1,32})_[A-Za-z0-9_-]{43}$/;
const TOKEN_RANDOM_BYTES = 32;
const utf8 = new TextEncoder();

/** Makes a service's token with 256 random bits. */
export function mintServiceToken(service: string, random: Random): string {
  return `rs1_${service}_${encodeBase64Url(random.bytes(TOKEN_RANDOM_BYTES))}`;
}

/** The service that a token claims to be of, or null where it cannot be one. */
export function serviceOfToken(token: string): string | null {
  return TOKEN.exec(token)?.[1] ?? null;
}

/** What is kept of a token. */
export function hashServiceToken(token: string): string {
  return encodeBase64Url(sha256(utf8.encode(token)));
}

/** Reads `send,watch`; a message says what is wrong with it. */
export function parseScopes(
  words: readonly string[],
): { readonly scopes: readonly Scope[] } | string {
  const unknown = words.filter((word) => !(SCOPE_NAMES as readonly string[]).includes(word));
  if (unknown.length > 0) {
    return `there is no scope ${unknown.join(", ")}: take some of ${SCOPE_NAMES.join(", ")}`;
  }
  if (words.length === 0) return `no scope is given: take some of ${SCOPE_NAMES.join(", ")}`;
  return { scopes: SCOPE_NAMES.filter((scope) => words.includes(scope)) };
}
