/**
 * The hashes of an account's dedupe window in memory. Entries are added in order of time and leave
 * by whole blocks from the oldest on. Bytes: 8 for a hash and 4 for its place, which are at most
 * 16 a message with the room that arrays keep to grow.
 */
import type { Hash64 } from "./dedupe_hash.ts";

/** Hashes of one run: places are numbers of 16 bits, of which 0 means free. */
const RUN_ENTRIES = 32_768;
const RUN_ENTRIES_MIN = 16;
/** By how much a full run grows: little, so that little of it is empty. */
const GROWTH = 1.25;
/** Dead blocks at the front of the directory before it is cut. */
const DEAD_BLOCKS_MAX = 1024;

/** Consecutive hashes with an open-addressing table of where each is. */
class Run {
  /** Two halves for each entry. */
  #hashes = new Uint32Array(RUN_ENTRIES_MIN * 2);
  /** Position in the run plus one; 0: free. */
  #slots = new Uint16Array(RUN_ENTRIES_MIN * 2);
  count = 0;

  get full(): boolean {
    return this.count >= RUN_ENTRIES;
  }

  get bytes(): number {
    return this.#hashes.byteLength + this.#slots.byteLength;
  }

  add(first: number, second: number): void {
    if (this.count * 2 === this.#hashes.length) this.#grow();
    this.#hashes[this.count * 2] = first;
    this.#hashes[this.count * 2 + 1] = second;
    this.count++;
    this.#place(this.count);
  }

  #place(position: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#hashes[position * 2 - 1]! & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = position;
  }

  #grow(): void {
    const capacity = Math.min(RUN_ENTRIES, Math.ceil(this.count * GROWTH));
    const grown = new Uint32Array(capacity * 2);
    grown.set(this.#hashes);
    this.#hashes = grown;
    // At most three quarters of the slots are taken.
    if (capacity * 4 <= this.#slots.length * 3) return;
    this.#slots = new Uint16Array(this.#slots.length * 2);
    for (let i = 1; i <= this.count; i++) this.#place(i);
  }

  /** Calls `found` with each position that has the hash. */
  find(first: number, second: number, found: (position: number) => void): void {
    const mask = this.#slots.length - 1;
    for (let slot = second & mask;; slot = (slot + 1) & mask) {
      const position = this.#slots[slot]! - 1;
      if (position < 0) return;
      const at = position * 2;
      if (this.#hashes[at] === first && this.#hashes[at + 1] === second) found(position);
    }
  }
}

/** See the top of this file. */
export class DedupeIndex {
  readonly #runs: Run[] = [];
  /** Position of the first entry of the first run, counted from the first that was ever added. */
  #base = 0;
  #end = 0;
  /** Of each block: its number, the position of its first entry, the time of its last one (ms). */
  #blocks: number[] = [];
  #starts: number[] = [];
  #ats: number[] = [];
  /** How many of them are dropped. */
  #dead = 0;
  readonly #firstMask: number;
  readonly #secondMask: number;

  /** `bits`: how many bits of a hash are compared, up to 64; with few, false matches are many. */
  constructor(bits: number) {
    this.#firstMask = bits >= 64 ? -1 : bits <= 32 ? 0 : (1 << (bits - 32)) - 1;
    this.#secondMask = bits >= 32 ? -1 : (1 << bits) - 1;
  }

  /** How many entries the window has. */
  get count(): number {
    return this.#end - (this.#starts[this.#dead] ?? this.#end);
  }

  /** Bytes of its arrays, without the block directory. */
  get bytes(): number {
    return this.#runs.reduce((sum, run) => sum + run.bytes, 0);
  }

  /** Adds an entry of `block`: the block of the entry before it, or a later one. */
  add(hash: Hash64, block: number, at: number): void {
    const last = this.#blocks.length - 1;
    if (this.#blocks[last] !== block) {
      this.#blocks.push(block);
      this.#starts.push(this.#end);
      this.#ats.push(at);
    } else this.#ats[last] = at;
    let run = this.#runs.at(-1);
    if (run === undefined || run.full) this.#runs.push(run = new Run());
    run.add((hash.first & this.#firstMask) >>> 0, (hash.second & this.#secondMask) >>> 0);
    this.#end++;
  }

  /** Numbers of the blocks that have an entry with this hash, newest first. */
  candidates(hash: Hash64): number[] {
    const first = (hash.first & this.#firstMask) >>> 0;
    const second = (hash.second & this.#secondMask) >>> 0;
    const from = this.#starts[this.#dead] ?? this.#end;
    const positions: number[] = [];
    let base = this.#base;
    for (const run of this.#runs) {
      const start = base;
      run.find(first, second, (position) => {
        if (start + position >= from) positions.push(start + position);
      });
      base += run.count;
    }
    if (positions.length === 0) return positions;
    const blocks = new Set(positions.map((position) => this.#blockAt(position)));
    return [...blocks].sort((a, b) => b - a);
  }

  #blockAt(position: number): number {
    let low = this.#dead;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return this.#blocks[low]!;
  }

  /** Time of the last entry of the oldest block (ms); null where there is none. */
  get oldestAt(): number | null {
    return this.#ats[this.#dead] ?? null;
  }

  /** Number of the oldest block whose last entry is not before `cutoff`; null where none is. */
  firstSince(cutoff: number): number | null {
    for (let i = this.#dead; i < this.#ats.length; i++) {
      if (this.#ats[i]! >= cutoff) return this.#blocks[i]!;
    }
    return null;
  }

  /** Drops the blocks with numbers before `block`. */
  dropBefore(block: number): void {
    while (this.#dead < this.#blocks.length && this.#blocks[this.#dead]! < block) this.#dead++;
    const from = this.#starts[this.#dead] ?? this.#end;
    while (this.#runs.length > 0 && this.#base + this.#runs[0]!.count <= from) {
      this.#base += this.#runs.shift()!.count;
    }
    if (this.#dead < DEAD_BLOCKS_MAX && this.#dead < this.#blocks.length) return;
    this.#blocks = this.#blocks.slice(this.#dead);
    this.#starts = this.#starts.slice(this.#dead);
    this.#ats = this.#ats.slice(this.#dead);
    this.#dead = 0;
  }
}
