/**
 * All that a store holds, in parts, to be copied into another kind of store. The owners of shards and
 * what only lives while nodes run are not part of it.
 */
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { encodeKey } from "./key_bytes.ts";
import type { LogRecord, Opening, Row, StoreKey } from "../node/ports.ts";

/** A shard that has not ended: its log begins at the LSN `start`. */
export interface ImageShard extends Omit<Opening, "owner"> {
  /** LSN of the last record of its log, or the one before `start`. */
  readonly head: number;
}

/** Something of a store; a part holds at most `PART_BYTES` and one row more. */
export type StorePart =
  | { readonly kind: "shards"; readonly shards: readonly ImageShard[] }
  | { readonly kind: "log"; readonly shard: number; readonly records: readonly LogRecord[] }
  | { readonly kind: "rows"; readonly rows: readonly Row[] };

/** Bytes of values of one part. */
export const PART_BYTES = 256 * 1024;
/** Rows of one part. */
export const PART_ROWS = 400;

/** Reads all parts: rows in the order of their keys, logs by shard and LSN, the shards once. */
export interface ImageSource {
  parts(): AsyncIterable<StorePart>;
  close(): Promise<void>;
}

/** Takes parts in any order into an empty store. */
export interface ImageTarget {
  write(part: StorePart): Promise<void>;
  /** What was written, read back. */
  parts(): AsyncIterable<StorePart>;
  close(): Promise<void>;
}

const STAYING: ReadonlySet<string | number> = new Set([
  "secret",
  "checksums",
  "unfinished copy",
  "write number",
]);

/** What belongs to a place and not to the data: nodes, their secret, the number of a write. */
export function staysBehind(key: StoreKey): boolean {
  return key[0] === "node" || (key[0] === "meta" && STAYING.has(key[1]!));
}

/** How much of a store was read, and a digest of it that does not depend on its kind. */
export class ImageDigest {
  #rows = 0;
  #records = 0;
  #bytes = 0;
  readonly #hashes: Readonly<Record<StorePart["kind"], Hash>> = {
    shards: createHash("sha256"),
    log: createHash("sha256"),
    rows: createHash("sha256"),
  };

  add(part: StorePart): void {
    const hash = this.#hashes[part.kind];
    if (part.kind === "shards") {
      const shards = [...part.shards].sort((a, b) => a.shard - b.shard);
      for (const { shard, epoch, start, head } of shards) {
        hash.update(numbers(shard, epoch, start, head));
      }
    } else if (part.kind === "log") {
      for (const { lsn, bytes } of part.records) {
        hash.update(numbers(part.shard, lsn, bytes.length)).update(bytes);
        this.#bytes += bytes.length;
      }
      this.#records += part.records.length;
    } else {
      for (const { key, value } of part.rows) {
        const bytes = encodeKey(key);
        hash.update(numbers(bytes.length, value.length)).update(bytes).update(value);
        this.#bytes += value.length;
      }
      this.#rows += part.rows.length;
    }
  }

  get size(): { readonly rows: number; readonly records: number; readonly bytes: number } {
    return { rows: this.#rows, records: this.#records, bytes: this.#bytes };
  }

  /** Ends it: hexadecimal. */
  take(): string {
    const { shards, log, rows } = this.#hashes;
    return [shards, log, rows].map((hash) => hash.digest("hex")).join(":");
  }
}

function numbers(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, i) => bytes.writeDoubleBE(value, i * 8));
  return bytes;
}
