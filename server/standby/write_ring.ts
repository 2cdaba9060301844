/** The last writes of a store that has standbys, to be sent to them: bounded in bytes. */
import { keyBytes } from "../store/store_limits.ts";
import { type Position, samePosition } from "./write_number.ts";
import type { Mutation } from "../node/ports.ts";

/** A write with its number, as it is stored. */
export interface Entry {
  readonly at: Position;
  /** The write before it; null at the beginning of a run of which no other is known. */
  readonly after: Position | null;
  /** Its changes, with the bytes that are stored; that of the number is the last one. */
  readonly rows: readonly Mutation[];
}

/** About the bytes of an entry, in memory and on a link. */
export function entryBytes({ rows }: Pick<Entry, "rows">): number {
  return rows.reduce(
    (sum, row) => sum + 16 + keyBytes(row.key) + (row.kind === "set" ? row.value.length : 0),
    32,
  );
}

/** See the head of this file. */
export class WriteRing {
  readonly #bytesMax: number;
  #entries: Entry[] = [];
  /** Entries before this one were dropped. */
  #head = 0;
  #bytes = 0;

  /** Keeps entries of `bytesMax` bytes together, and the last one whatever its length. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the write that follows the last one. */
  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entryBytes(entry);
    while (this.#bytes > this.#bytesMax && this.#head < this.#entries.length - 1) {
      this.#bytes -= entryBytes(this.#entries[this.#head]!);
      this.#head++;
    }
    // Shifting one by one would copy the rest each time.
    if (this.#head * 2 < this.#entries.length) return;
    this.#entries.splice(0, this.#head);
    this.#head = 0;
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  /** The write that follows this position; null where the ring does not have it. */
  next(position: Position): Entry | null {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.at.w <= position.w) low = middle + 1;
      else high = middle;
    }
    const entry = this.#entries[low];
    return entry !== undefined && samePosition(entry.after, position) ? entry : null;
  }
}
