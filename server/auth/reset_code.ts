/**
 * Codes of links by which a user sets a new password, once. A code names the account that it is
 * for; what is kept of it is a record under its hash, as of an invite, so that it is valid once
 * and for a time on all nodes.
 */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import { parseName } from "../../shard/name/name.ts";
import type { Random } from "../node/ports.ts";
import { sha256 } from "./hash.ts";

const CODE = /^rp1_([A-Za-z0-9_-]{1,400})_[A-Za-z0-9_-]{22}$/;
const RANDOM_BYTES = 16;
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a code says. */
export interface ResetCode {
  readonly user: AccountName;
  /** Not of a later account of the name. */
  readonly id: AccountId;
  /** The reserved name of its record. */
  readonly record: AccountName;
}

function hashed(prefix: string, text: string): AccountName {
  return `/${prefix}/${encodeBase64Url(sha256(utf8.encode(text)))}` as AccountName;
}

/** Makes a code with 128 random bits. */
export function mintReset(user: AccountName, id: AccountId, random: Random): string {
  const whose = encodeBase64Url(utf8.encode(`${user}\0${id}`));
  return `rp1_${whose}_${encodeBase64Url(random.bytes(RANDOM_BYTES))}`;
}

/** What it says, whether it is valid or not; null where it is no code. */
export function parseReset(code: string): ResetCode | null {
  const encoded = CODE.exec(code)?.[1];
  if (encoded === undefined) return null;
  let parts: readonly string[];
  try {
    parts = fromUtf8.decode(decodeBase64Url(encoded)).split("\0");
  } catch {
    return null;
  }
  const [name = "", id = ""] = parts;
  const user = parseName(name);
  if (user !== name || user === null || id === "" || parts.length !== 2) return null;
  return { user, id: id as AccountId, record: hashed("reset", code) };
}

/** Who uses a code up: the same for a repetition with the same password, and no account's name. */
export function resetBy(code: string, password: string): AccountName {
  return hashed("reset-by", `${code}\0${password}`);
}
