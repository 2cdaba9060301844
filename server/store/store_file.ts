/**
 * The file of a store on Deno KV, read without Deno KV: what a start and `roost check` look at before
 * anything is served from it. Rows are in the table `kv` of an SQLite file, by the bytes of their
 * keys, with an index by their times of expiry, which no row of this store has.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Buffer } from "node:buffer";
import { CHECKSUMS_KEY } from "./checked_rows.ts";
import { checkRow } from "./row_checksum.ts";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import { decodeKey, encodeKey } from "./key_bytes.ts";
import type { StoreKey } from "../node/ports.ts";

/** How long to wait while another process opens or closes the file (ms). */
const BUSY_MS = 10_000;
/** Rows of one page: at 64 KiB each they are 8 MB. */
const PAGE = 128;
/** Rows that are read at once from a damaged structure. */
const SALVAGE_ROWS = 1000;
/** Faults of the file's structure that are listed. */
const FAULTS_MAX = 20;
/** The beginning of a file, with the formats that it was written in and may be read in (1 and 2). */
const HEADER_BYTES = 20;
const FORMATS_AT = 18;
const FORMAT_MAX = 2;
/** In how many bytes an entry of the index may differ from the key that it was. */
const WRONG_BYTES_MAX = 12;
/** How Deno KV marks a value of bytes. */
const BYTES_ENCODING = 3;
/** The time of expiry of a row that has none. */
const NEVER = -1;

/** A row as the file has it. */
export interface FileRow {
  readonly key: StoreKey;
  readonly kind: "whole" | "plain" | "damaged";
  /** Its value; of a damaged row, what is stored. */
  readonly value: Uint8Array;
  /** Why it is damaged, otherwise "". */
  readonly reason: string;
  /** The key that it was written with, where that is known to be another. */
  readonly trueKey: StoreKey | null;
}

/** What is called with each row, in the order of the file. */
export type TakeRow = (row: FileRow) => void;

/** What can be had of a damaged structure: values by the hexadecimal of their keys; keys that cannot. */
interface Salvaged {
  readonly found: ReadonlyMap<string, Uint8Array>;
  readonly lost: readonly StoreKey[];
}

/** All rows of a store that no process uses, for checks and repairs. */
export interface RowFile {
  /** Whether a row exists, of those that `salvage` has found where that was needed. */
  has(key: StoreKey): boolean;
  /** What is wrong with the structure of the rows; empty where nothing is. */
  faults(): string[];
  /** Calls `take` with every row; returns why not all could be read, null where they were. */
  rows(take: TakeRow): string | null;
  /** Calls `take` with every row that can be had, by key; returns the keys of those that cannot. */
  salvage(take: TakeRow): readonly StoreKey[];
}

/** A store's file, open for reading. */
export class StoreFile implements RowFile {
  readonly #db: DatabaseSync;
  readonly #first: StatementSync;
  readonly #next: StatementSync;
  /** Whether rows may be without a checksum. */
  readonly hasPlainRows: boolean;
  /** Whether nothing is wrong with the structure; null: not looked at yet. */
  #whole: boolean | null = null;
  /** Whether a row has another key than the index lists: others may then not be found by theirs. */
  #keyDamaged = false;
  #salvaged: Salvaged | null = null;
  readonly #headerFault: string | null;

  /** Opens it, and sees all commits up to now. Throws what SQLite throws where it cannot be read. */
  constructor(path: string) {
    this.#db = new DatabaseSync(path, { readOnly: true });
    this.#headerFault = headerFaultOf(path);
    try {
      this.#db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
      // The transaction sees the store as of its first read.
      this.#db.exec("BEGIN");
      const select = (where: string) =>
        this.#db.prepare(
          `SELECT k, v, v_encoding, expiration_ms FROM kv ${where} ORDER BY k LIMIT ${PAGE}`,
        );
      this.#first = select("");
      this.#next = select("WHERE k > ?");
      const key = encodeKey(CHECKSUMS_KEY);
      this.hasPlainRows = this.#db.prepare("SELECT 1 FROM kv WHERE k = ?").get(key) === undefined;
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  close(): void {
    this.#db.close();
  }

  /** The number of the last write: it rises with every one. */
  lastWrite(): number {
    const row = this.#db.prepare("SELECT version FROM data_version WHERE k = 0").get();
    return Number(row?.["version"] ?? 0);
  }

  /** The value of a row; null where none exists or it is damaged. */
  value(key: StoreKey): Uint8Array | null {
    const keyBytes = encodeKey(key);
    const found = this.#db.prepare("SELECT v FROM kv WHERE k = ?").get(keyBytes);
    if (found === undefined) return null;
    const row = checkRow(key, found["v"] as Uint8Array, this.hasPlainRows);
    return row.kind === "damaged" ? null : row.value;
  }

  /** Whether a row exists, of those that `salvage` has found where that was needed. */
  has(key: StoreKey): boolean {
    const salvaged = this.#salvaged?.found;
    if (salvaged !== undefined) return salvaged.has(Buffer.from(encodeKey(key)).toString("hex"));
    return this.#db.prepare("SELECT 1 FROM kv WHERE k = ?").get(encodeKey(key)) !== undefined;
  }

  /** What is wrong with the file as SQLite sees it; empty where nothing is. */
  faults(): string[] {
    try {
      // Not `quick_check`: a row that the index does not list cannot be replaced by Deno KV.
      const checked = this.#db.prepare(`PRAGMA integrity_check(${FAULTS_MAX})`).all();
      const faults = checked.flatMap((row) => String(Object.values(row)[0]).split("\n"))
        .filter((line) => line !== "ok" && !line.startsWith("***"));
      if (this.#headerFault !== null) faults.push(this.#headerFault);
      const expiring = this.#db.prepare(
        "SELECT count(*) AS n FROM kv INDEXED BY kv_expiration_ms_idx " +
          `WHERE +expiration_ms <> ${NEVER}`,
      ).get();
      if (Number(expiring?.["n"]) > 0) faults.push("rows are about to expire");
      const count = (by: string) =>
        Number(this.#db.prepare(`SELECT count(k) AS n FROM kv ${by}`).get()?.["n"]);
      const listed = count("INDEXED BY kv_expiration_ms_idx");
      const stored = count("NOT INDEXED");
      if (listed !== stored) faults.push(`${stored} rows, of which an index lists ${listed}`);
      return faults;
    } catch (error) {
      return [messageOf(error)];
    }
  }

  /**
   * Calls `take` with every row. Returns what is wrong with the file where it cannot be read on; null
   * where all of it was read.
   */
  rows(take: TakeRow): string | null {
    let last: Uint8Array | null = null;
    for (;;) {
      const page = this.#page(last);
      if (typeof page === "string") return page;
      for (const row of page) {
        const key = row["k"] as Uint8Array;
        if (last !== null && Buffer.compare(last, key) >= 0) return "keys are not in their order";
        last = key;
        if (Number(row["v_encoding"]) !== BYTES_ENCODING) return "a row is not of bytes";
        if (Number(row["expiration_ms"]) !== NEVER) return "a row is about to expire";
        take(this.#fileRow(key, row["v"] as Uint8Array));
      }
      if (page.length < PAGE) return null;
    }
  }

  /**
   * Calls `take` with every row that can be had from a file whose structure may be damaged, in the
   * order of their keys; returns the keys of those that are listed and cannot. Rows of a damaged
   * structure are all in memory meanwhile.
   */
  salvage(take: TakeRow): readonly StoreKey[] {
    this.#whole ??= this.faults().length === 0 && this.rows(() => {}) === null &&
      !this.#keyDamaged;
    if (this.#whole) {
      this.rows(take);
      return [];
    }
    const { found, lost } = this.#salvaged ??= this.#salvage();
    const left = [...lost];
    for (const hex of [...found.keys()].sort()) {
      const stored = found.get(hex)!;
      const row = this.#fileRow(new Uint8Array(Buffer.from(hex, "hex")), stored);
      if (row.kind !== "damaged" || (row.trueKey === null && row.key.length > 0)) {
        take(row);
        continue;
      }
      // The key that it was written with is not lost, though the index lists it and no row has it.
      const own = left.findIndex((key) => checkRow(key, stored, false).kind === "whole");
      take(own < 0 ? row : { ...row, trueKey: left.splice(own, 1)[0]! });
    }
    return left;
  }

  /** A row, of which a damaged key is not shown: the index has the one that it was written with. */
  #fileRow(keyBytes: Uint8Array, stored: Uint8Array): FileRow {
    const row = fileRow(keyBytes, stored, this.hasPlainRows);
    if (row.kind !== "damaged" || row.key.length === 0 || this.#lists(keyBytes)) return row;
    this.#keyDamaged = true;
    return { ...row, key: [], reason: "its key is not the one that it was written with" };
  }

  #lists(keyBytes: Uint8Array): boolean {
    const query = "SELECT 1 FROM kv INDEXED BY kv_expiration_ms_idx " +
      "WHERE expiration_ms = ? AND k = ?";
    return this.#db.prepare(query).get(NEVER, keyBytes) !== undefined;
  }

  #salvage(): Salvaged {
    const found = new Map<string, Uint8Array>();
    const add = (rows: readonly Record<string, unknown>[]) => {
      for (const { k, v } of rows) {
        if (!(k instanceof Uint8Array)) continue;
        const value = v instanceof Uint8Array ? v : new Uint8Array();
        found.set(Buffer.from(k).toString("hex"), value);
      }
    };
    for (const order of ["ORDER BY k", "ORDER BY k DESC", ""]) {
      this.#readAll(`SELECT k, v FROM kv NOT INDEXED ${order}`, add);
    }
    const listed: Uint8Array[] = [];
    this.#readAll("SELECT k FROM kv INDEXED BY kv_expiration_ms_idx", (rows) => {
      for (const { k } of rows) if (k instanceof Uint8Array) listed.push(k);
    });
    const lost: StoreKey[] = [];
    for (const bytes of listed) {
      if (found.has(Buffer.from(bytes).toString("hex"))) continue;
      const rows = this.#tried(() =>
        this.#db.prepare("SELECT k, v FROM kv WHERE k = ?").all(bytes)
      );
      const key = keyOf(bytes);
      if (rows.length > 0) add(rows);
      else if (key !== null) lost.push(key);
    }
    return { found, lost: withoutWrongEntries(found, listed, lost) };
  }

  /** Reads as many rows of a query as can be had. */
  #readAll(query: string, take: (rows: readonly Record<string, unknown>[]) => void): void {
    for (let from = 0, most = SALVAGE_ROWS; most > 0;) {
      const rows = this.#tried(() =>
        this.#db.prepare(`${query} LIMIT ${most} OFFSET ${from}`).all()
      );
      take(rows);
      from += rows.length;
      if (rows.length < most) most = most === 1 ? 0 : Math.floor(most / 10);
    }
  }

  #tried(read: () => Record<string, unknown>[]): Record<string, unknown>[] {
    try {
      return read();
    } catch {
      // What cannot be read is found missing by the index.
      return [];
    }
  }

  #page(after: Uint8Array | null): Record<string, unknown>[] | string {
    try {
      return after === null ? this.#first.all() : this.#next.all(after);
    } catch (error) {
      return messageOf(error);
    }
  }
}

/** SQLite does not write to a file whose header says that a later program made it. */
function headerFaultOf(path: string): string | null {
  const file = Deno.openSync(path);
  const header = new Uint8Array(HEADER_BYTES);
  file.readSync(header);
  file.close();
  const [write, read] = header.subarray(FORMATS_AT);
  if (Math.max(write!, read!) <= FORMAT_MAX) return null;
  return `its header has the format ${write} and ${read}, of no known version of SQLite`;
}

/**
 * Keys that the index lists and that no row has, but for those that are damaged in the index alone:
 * there a row is whole, and its key is not listed.
 */
function withoutWrongEntries(
  found: Salvaged["found"],
  listed: readonly Uint8Array[],
  lost: readonly StoreKey[],
): StoreKey[] {
  const left = lost.map((key) => ({ key, bytes: encodeKey(key) }));
  if (left.length === 0) return [];
  const known = new Set(listed.map((bytes) => Buffer.from(bytes).toString("hex")));
  for (const [hex, stored] of found) {
    if (known.has(hex)) continue;
    const bytes = new Uint8Array(Buffer.from(hex, "hex"));
    if (fileRow(bytes, stored, false).kind !== "whole") continue;
    const wrong = left.findIndex((other) => differing(other.bytes, bytes) <= WRONG_BYTES_MAX);
    if (wrong >= 0) left.splice(wrong, 1);
  }
  return left.map(({ key }) => key);
}

/** How many bytes of two keys differ; of different lengths all do. */
function differing(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Infinity;
  return a.reduce((sum, byte, i) => byte === b[i] ? sum : sum + 1, 0);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function fileRow(keyBytes: Uint8Array, stored: Uint8Array, plainRows: boolean): FileRow {
  const key = keyOf(keyBytes);
  if (key !== null) {
    const row = checkRow(key, stored, plainRows);
    if (row.kind !== "damaged") return { ...row, key, reason: "", trueKey: null };
    const trueKey = findKey(keyBytes, stored);
    return { key, kind: "damaged", value: stored, reason: row.reason, trueKey };
  }
  const trueKey = findKey(keyBytes, stored);
  return { key: [], kind: "damaged", value: stored, reason: "it has no key", trueKey };
}

function keyOf(bytes: Uint8Array): StoreKey | null {
  try {
    const key = decodeKey(bytes);
    return key.length === 0 || Buffer.compare(encodeKey(key), bytes) !== 0 ? null : key;
  } catch (error) {
    if (error instanceof CorruptBytes) return null;
    throw error;
  }
}

/** The key, one flipped bit away, that a row's checksum fits. */
function findKey(bytes: Uint8Array, stored: Uint8Array): StoreKey | null {
  const tried = bytes.slice();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    tried[bit >> 3]! ^= 1 << (bit & 7);
    const key = keyOf(tried);
    if (key !== null && checkRow(key, stored, false).kind === "whole") return key;
    tried[bit >> 3]! ^= 1 << (bit & 7);
  }
  return null;
}
