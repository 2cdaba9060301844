/**
 * The identifiers that travel between shards, nodes and clients. Each is a branded string made only
 * by a `parse…` or `new…` function, so that a raw string from a client can never stand for one.
 */

/** A normalised account name (RFC 8265 UsernameCaseMapped, a JID localpart). Made by `parseName`. */
export type AccountName = string & { readonly __brand: "AccountName" };
/** 96 random bits, base64url, 16 characters; never reused, not even when a name is. */
export type AccountId = string & { readonly __brand: "AccountId" };
/** One of an account's clients (XMPP: resource); 1 to 64 printable characters. */
export type DeviceId = string & { readonly __brand: "DeviceId" };
/** A device's live attachment to an edge; 96 random bits, base64url. A secret of the client. */
export type SessionId = string & { readonly __brand: "SessionId" };
/** One incarnation of a mailbox; a cursor of another one is answered `reset`. */
export type MailboxId = string & { readonly __brand: "MailboxId" };
/** A node: its identity lives with its disk. */
export type NodeId = string & { readonly __brand: "NodeId" };
/** A cell among those that share one name space; 1 to 32 characters. Made by `parseCellName`. */
export type CellName = string & { readonly __brand: "CellName" };
/** One process of a node: every start has a higher incarnation. */
export interface NodeRef {
  readonly id: NodeId;
  readonly incarnation: number;
}

/** Exclusive upper end of the hash space that shards divide: points are `0 … 2³² − 1`. */
export const POINT_SPACE = 0x1_0000_0000;

/**
 * The point of a name in a cell's 32-bit hash space: FNV-1a over UTF-16 code units (low byte, then
 * high byte), then murmur3's finaliser so that short similar names spread. Stored keys begin with
 * it: it must never change.
 */
export function pointOf(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    h = Math.imul(h ^ (c & 0xff), 0x01000193);
    h = Math.imul(h ^ (c >>> 8), 0x01000193);
  }
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Base64url of `bytes` without padding; the byte length should be a multiple of three. */
function base64url(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i + 2 < bytes.length; i += 3) {
    const v = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    out += ALPHABET[v >>> 18]! + ALPHABET[(v >>> 12) & 63]! + ALPHABET[(v >>> 6) & 63]! +
      ALPHABET[v & 63]!;
  }
  return out;
}

/** Makes an id of any of the random kinds from 12 random bytes. */
export function newId<T extends AccountId | SessionId | MailboxId | DeviceId | NodeId>(
  random12: Uint8Array,
): T {
  if (random12.length !== 12) {
    throw new Error(`newId: needs 12 random bytes, got ${random12.length}`);
  }
  return base64url(random12) as T;
}

const DEVICE_RE = /^[\x21-\x7e]{1,64}$/;

/** A device id from a client, or null where it is not 1 to 64 printable ASCII characters. */
export function parseDeviceId(text: string): DeviceId | null {
  return DEVICE_RE.test(text) ? text as DeviceId : null;
}

const CELL_NAME_RE = /^[a-z0-9-]{1,32}$/;

/** A cell's name, or null where it is not 1 to 32 lower-case letters, digits and hyphens. */
export function parseCellName(text: string): CellName | null {
  return CELL_NAME_RE.test(text) ? text as CellName : null;
}

const RANDOM_ID_RE = /^[A-Za-z0-9_-]{16}$/;

/** A session id as a client repeats it, or null where it cannot be one. */
export function parseSessionId(text: string): SessionId | null {
  return RANDOM_ID_RE.test(text) ? text as SessionId : null;
}

/** Where a client stands in a mailbox: everything up to and including `seq` has been seen. */
export interface Cursor {
  readonly mailboxId: MailboxId;
  /** 0 before the first event. */
  readonly seq: number;
}

/** Parses `mailboxId:seq` as clients carry it, or null. */
export function parseCursor(text: string): Cursor | null {
  const m = /^([A-Za-z0-9_-]{16}):(0|[1-9][0-9]{0,14})$/.exec(text);
  return m === null ? null : { mailboxId: m[1] as MailboxId, seq: Number(m[2]) };
}

/** The inverse of `parseCursor`. */
export function formatCursor(cursor: Cursor): string {
  return `${cursor.mailboxId}:${cursor.seq}`;
}
