/** Entries of the audit log, and the rows of the store that hold them. */
import { encodeHex } from "byte-encodings/hex";
import { sha256 } from "../auth/hash.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { Row, StoreKey } from "../node/ports.ts";

/**
 * The logs: what administrators do, what services do as users, and sign-ins. Each has its own chains
 * and retention, so that none of them takes the room of another.
 */
export const AUDIT_STREAMS = ["admin", "services", "signIns"] as const;
/** One of `AUDIT_STREAMS`. */
export type AuditStream = (typeof AUDIT_STREAMS)[number];

/** What is recorded of one thing that happened. There are no secrets and no texts of messages in it. */
export interface AuditInput {
  /** Who did it: `token`, `operator:NAME`, `os:NAME`, `service:NAME`, `user:NAME`, `server`. */
  readonly actor: string;
  /** What was done: an operation of the admin API, or `signIn`, `signOut` and the like. */
  readonly action: string;
  /** `ok`, or the code of the error. */
  readonly outcome: string;
  /** The address of the client, or the name of the socket. */
  readonly address?: string | undefined;
  /** What it was done to. */
  readonly target?: string | undefined;
  /** The account that it is about. */
  readonly user?: string | undefined;
  readonly device?: string | undefined;
  /** Of sign-ins: how it was proved who signs in. */
  readonly method?: string | undefined;
  /** How often it happened, where several are one entry. */
  readonly count?: number | undefined;
  /** More about it. */
  readonly detail?: string | undefined;
  /** When it happened, where that is not now: ms since 1970. */
  readonly at?: number | undefined;
}

/** An entry as it is stored. */
export interface StoredEntry extends Omit<AuditInput, "at"> {
  /** Milliseconds since 1970, by the clock of its node. */
  readonly at: number;
}

/** An entry with where it is. */
export interface AuditEntry extends StoredEntry {
  readonly stream: AuditStream;
  readonly node: NodeId;
  /** Number of its row in the chain of its node, from 1. */
  readonly n: number;
  /** Its place in the row, from 0. */
  readonly i: number;
}

/** A row that was read. */
export interface AuditRow {
  readonly stream: AuditStream;
  /** When it was written: ms since 1970, never less than in the row before of its node. */
  readonly at: number;
  readonly node: NodeId;
  readonly n: number;
  /** Hash of the row before it in its chain; "" for the first one. */
  readonly prev: string;
  readonly entries: readonly StoredEntry[];
  /** Its own hash. */
  readonly hash: string;
  /** Bytes that it takes. */
  readonly bytes: number;
}

/** Longest text of a field (characters): what clients choose is not kept beyond it. */
const FIELD_CHARS_MAX = 300;
const TABLE = "audit";
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/** The prefix of all rows of a log. */
export function streamKey(stream: AuditStream): StoreKey {
  return [TABLE, stream];
}

/** The key of a row: rows are in the order of time, then of nodes. */
export function rowKey({ stream, at, node, n }: Pick<AuditRow, "stream" | "at" | "node" | "n">) {
  return [TABLE, stream, at, node, n] as const;
}

/** An entry with its fields in order and bounded. */
export function storedEntry(input: AuditInput, nowMs: number): StoredEntry {
  const { actor, action, address, target, user, device, method, outcome, count, detail } = input;
  const fields = { actor, address, action, target, user, device, method, outcome, count, detail };
  const kept = Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [[name, typeof value === "string" ? value.slice(0, FIELD_CHARS_MAX) : value]];
  });
  return { at: input.at ?? nowMs, ...Object.fromEntries(kept) } as StoredEntry;
}

/** What a row is, before it is stored. */
export type NewRow = Pick<AuditRow, "stream" | "at" | "node" | "n" | "prev" | "entries">;

/** Its value. */
export function encodeRow({ prev, entries }: NewRow): Uint8Array {
  return utf8.encode(JSON.stringify({ v: 1, prev, entries }));
}

/** The hash of a row: of its key and of its value, which contains the hash of the row before it. */
export function hashRow(key: Pick<AuditRow, "stream" | "at" | "node" | "n">, value: Uint8Array) {
  const name = utf8.encode(`${rowKey(key).join("\n")}\n`);
  const all = new Uint8Array(name.length + value.length);
  all.set(name);
  all.set(value, name.length);
  return encodeHex(sha256(all));
}

/** Reads a row; null where it is none that this version knows. */
export function decodeRow({ key, value }: Row): AuditRow | null {
  const [, stream, at, node, n] = key;
  if (typeof at !== "number" || typeof node !== "string" || typeof n !== "number") return null;
  let content: Partial<NewRow>;
  try {
    content = JSON.parse(fromUtf8.decode(value)) as Partial<NewRow>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
  const { prev, entries } = content;
  if (typeof prev !== "string" || !Array.isArray(entries)) return null;
  const place = { stream: stream as AuditStream, at, node: node as NodeId, n };
  return { ...place, prev, entries, hash: hashRow(place, value), bytes: value.length };
}
