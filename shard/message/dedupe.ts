/**
 * The dedupe window of an account: what it has sent, so that a repetition is known again.
 *
 * Entries are gathered in an open block, which is part of the account's head. Full blocks are
 * stored apart and never change; of them only hashes of the keys stay in memory. The hashes of full
 * blocks are part of the head until their group of block numbers is full, and then a row apart. The
 * index in memory is made of those rows before the first send after the account was read: a miss
 * there needs no read. A hit reads the one block it points to and compares the whole key, so a
 * false match (one in 2⁶⁴ for each message of the window and each new one) costs a read, and
 * nothing else.
 *
 * Everything but the index follows from the log: `remember` and `trim` are called by `apply` alone.
 */
import type { HashKey } from "./dedupe_hash.ts";
import { digestTexts, hashKeyOf, hashText } from "./dedupe_hash.ts";
import { DedupeIndex } from "./dedupe_index.ts";
import {
  decodeDedupeBlock,
  decodeDedupeRow,
  type DedupeEntry,
  type DedupeRow,
  type DedupeTable,
  type DroppedRows,
  encodeDedupeBlock,
  encodeDedupeRow,
  type FormerBlock,
  hashBytes,
  hashFormer,
  readHash,
  type SentBefore,
  writeDedupeEntry,
  writeHash,
} from "./dedupe_rows.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../record/bytes.ts";

/** Sizes of a window. The first two are part of the stored format. */
export interface DedupeShape {
  /** Entries of a block. */
  readonly blockEntries: number;
  /** Blocks whose hashes are one row. */
  readonly rowBlocks: number;
  /** Bits of a hash that are compared; below 64 only to provoke false matches. */
  readonly hashBits: number;
}

/** What is stored and read unless a test wants small ones. Never change the first two. */
export const DEDUPE_SHAPE: DedupeShape = { blockEntries: 32, rowBlocks: 16, hashBits: 64 };

/** A message as a client sends it. */
export interface SentMessage {
  /** The idempotency key. */
  readonly id: string;
  readonly to: string;
  readonly body: string;
  readonly ext: string;
}

/** What the window says about a message. `read`: the stored block of this number must be read. */
export type Found =
  | { readonly kind: "new" }
  | { readonly kind: "read"; readonly block: number }
  /** `same`: recipient, body and `ext` are those of the first time. */
  | { readonly kind: "sent"; readonly before: SentBefore; readonly same: boolean };

type Mutator = "remember" | "trim" | "load" | "decode" | "hold" | "takeUnsaved" | "takeDropped";

/** A window for everybody but `apply` and those who store it. */
export type ReadonlyDedupeWindow = Readonly<Omit<DedupeWindow, Mutator>>;

const NEW: Found = { kind: "new" };
/** Blocks of a window, so that corrupt numbers do not cost the memory of them. */
const STORED_BLOCKS_MAX = 2 ** 24;

/** See the top of this file. */
export class DedupeWindow {
  readonly shape: DedupeShape;
  readonly #key: HashKey;
  /** Oldest block; `next` where all of the window is in the open block. */
  first = 1;
  /** First block of those whose hashes are in no row yet. */
  #tailFirst = 1;
  /** The open block. */
  next = 1;
  /** Time of the last entry that is in a row of hashes or in a former block (ms). */
  #storedAt = 0;
  /** Times of the last entries of the full blocks from `tailFirst` on (ms). */
  #tailAts: number[] = [];
  /** Hashes of the blocks from `tailFirst` on, the open one included. */
  #tailHashes = new ByteWriter(0);
  #open = new ByteWriter(0);
  #openCount = 0;
  #openAt = 0;
  #former: readonly FormerBlock[] = [];
  /** Blocks and rows that no checkpoint has written yet, and those on their way to the store. */
  #unsaved: DedupeRow[] = [];
  #saving: DedupeRow[] = [];
  #dropped: DroppedRows[] = [];
  /** Not stored: null until somebody sends. */
  #index: DedupeIndex | null = null;

  constructor(accountId: string, shape: DedupeShape) {
    this.#key = hashKeyOf(accountId);
    this.shape = shape;
  }

  /** Number of the row that has the hashes of a block. */
  #row(block: number): number {
    return Math.floor((block - 1) / this.shape.rowBlocks) + 1;
  }

  // ---- changes, which follow from the log

  /** Adds a message that was sent just now. */
  remember(message: SentMessage, sent: SentBefore): void {
    const { id: key, to, body, ext } = message;
    const hash = hashText(this.#key, key);
    const digest = digestTexts(this.#key, [to, body, ext]);
    writeDedupeEntry(this.#open, { key, ...sent, digest });
    writeHash(this.#tailHashes, hash);
    this.#openCount++;
    this.#openAt = sent.at;
    this.#index?.add(hash, this.next, sent.at);
    if (this.#openCount >= this.shape.blockEntries) this.#seal();
  }

  #seal(): void {
    const value = encodeDedupeBlock(this.#openCount, this.#open.view());
    this.#unsaved.push({ table: "d", number: this.next, value });
    this.#tailAts.push(this.#openAt);
    this.#clearOpen();
    this.next++;
    if (this.#row(this.next) === this.#row(this.next - 1)) return;
    const [first, count] = [this.#tailFirst, this.shape.blockEntries];
    const blocks = this.#tailAts.map((lastAt, i) => ({ number: first + i, lastAt, count }));
    const row = encodeDedupeRow(blocks, this.#tailHashes.view());
    this.#unsaved.push({ table: "h", number: this.#row(this.next - 1), value: row });
    this.#storedAt = this.#tailAts.at(-1)!;
    this.#tailAts = [];
    this.#tailHashes = new ByteWriter(0);
    this.#tailFirst = this.next;
  }

  #clearOpen(): void {
    this.#open = new ByteWriter(0);
    this.#openCount = 0;
  }

  /** Drops the blocks before number `before`; `next` + 1 drops the open one too. */
  trim(before: number): void {
    if (before <= this.first) return;
    const to = Math.min(before, this.next);
    this.#drop("d", this.first, to);
    if (this.first < this.#tailFirst) {
      const rows = this.#row(Math.min(to, this.#tailFirst - 1));
      this.#drop("h", this.#row(this.first), to >= this.#tailFirst ? rows + 1 : rows);
    }
    this.#former = this.#former.filter((b) => b.number >= before);
    this.first = Math.max(this.first, to);
    if (to > this.#tailFirst) {
      const count = to - this.#tailFirst;
      this.#tailAts = this.#tailAts.slice(count);
      const kept = this.#tailHashes.view().slice(hashBytes(count * this.shape.blockEntries));
      this.#tailHashes = new ByteWriter(kept.length).raw(kept);
      this.#tailFirst = to;
    }
    if (before > this.next) {
      this.#clearOpen();
      this.#tailHashes = new ByteWriter(0);
    }
    this.#index?.dropBefore(before);
    if (before > this.next) this.#index &&= new DedupeIndex(this.shape.hashBits);
  }

  #drop(table: "d" | "h", from: number, to: number): void {
    if (from >= to) return;
    const kept = (r: DedupeRow) => r.table !== table || r.number < from || r.number >= to;
    this.#unsaved = this.#unsaved.filter(kept);
    this.#dropped.push({ table, from, to });
  }

  /** What the store has of the window when everything of it is written. */
  get stored(): DroppedRows[] {
    const blocks: DroppedRows = { table: "d", from: this.first, to: this.next };
    const rows: DroppedRows = { table: "h", ...this.#rows };
    return [blocks, rows].filter(({ from, to }) => from < to);
  }

  /** Numbers of the rows of hashes. */
  get #rows(): { readonly from: number; readonly to: number } {
    if (this.first >= this.#tailFirst) return { from: 0, to: 0 };
    return { from: this.#row(this.first), to: this.#row(this.#tailFirst - 1) + 1 };
  }

  // ---- the index

  /** Whether messages can be looked up; false: first give `load` what `toLoad` names. */
  open(): boolean {
    if (this.#index !== null) return true;
    if (this.#former.length > 0 || this.first < this.#tailFirst) return false;
    this.#index = new DedupeIndex(this.shape.hashBits);
    this.#indexTail();
    return true;
  }

  /** Numbers of the rows of hashes and of the former versions' blocks that must be read. */
  toLoad(): { readonly rows: readonly number[]; readonly blocks: readonly number[] } {
    const rows: number[] = [];
    const { from, to } = this.#rows;
    const former = this.#former.at(-1);
    const known = former === undefined ? 0 : this.#row(former.number);
    for (let row = Math.max(from, known + 1); row < to; row++) {
      if (this.unsavedRow("h", row) === undefined) rows.push(row);
    }
    return { rows, blocks: this.#former.map((b) => b.number) };
  }

  /** Takes a block or row of hashes of the window that is not stored yet. */
  hold(row: DedupeRow): void {
    this.#unsaved.push(row);
  }

  /** A block or row of hashes that may not be stored yet; undefined where it is. */
  unsavedRow(table: DedupeTable, number: number): Uint8Array | undefined {
    const is = (r: DedupeRow) => r.table === table && r.number === number;
    return (this.#unsaved.find(is) ?? this.#saving.find(is))?.value;
  }

  /**
   * Makes the index of stored rows and of former versions' blocks, whose hashes then become rows;
   * true where there were such. What was dropped meanwhile is passed over. Throws `CorruptBytes`,
   * also where one is missing.
   */
  load(
    rows: ReadonlyMap<number, Uint8Array>,
    blocks: ReadonlyMap<number, Uint8Array>,
  ): boolean {
    if (this.#index !== null) return false;
    const index = new DedupeIndex(this.shape.hashBits);
    const made = this.#formerRows(blocks);
    const { from, to } = this.#rows;
    for (let row = from; row < to; row++) {
      const bytes = made.get(row) ?? this.unsavedRow("h", row) ?? rows.get(row);
      if (bytes === undefined) throw new CorruptBytes(`row ${row} of dedupe hashes is missing`);
      for (const block of decodeDedupeRow(bytes)) {
        if (block.number < this.first) continue;
        for (const hash of block.hashes) index.add(hash, block.number, block.lastAt);
      }
    }
    this.#index = index;
    this.#indexTail();
    for (const [number, value] of made) this.#unsaved.push({ table: "h", number, value });
    this.#former = [];
    return made.size > 0;
  }

  /** Rows of hashes of the blocks of former versions, by number. */
  #formerRows(stored: ReadonlyMap<number, Uint8Array>): Map<number, Uint8Array> {
    const groups = Map.groupBy(this.#former, (b) => this.#row(b.number));
    const hash = (key: string) => hashText(this.#key, key);
    return new Map([...groups].map(([row, group]) => [row, hashFormer(group, stored, hash)]));
  }

  #indexTail(): void {
    const hashes = new ByteReader(this.#tailHashes.view());
    this.#tailAts.forEach((lastAt, i) => {
      for (let n = this.shape.blockEntries; n > 0; n--) {
        this.#index!.add(readHash(hashes), this.#tailFirst + i, lastAt);
      }
    });
    while (!hashes.done) this.#index!.add(readHash(hashes), this.next, this.#openAt);
  }

  /** How many messages the window has; 0 before it is open. */
  get count(): number {
    return this.#index?.count ?? 0;
  }

  /** Bytes of the index in memory. */
  get indexBytes(): number {
    return this.#index?.bytes ?? 0;
  }

  /** Time of the last entry of the oldest block (ms); null before it is open, and when empty. */
  get oldestAt(): number | null {
    return this.#index?.oldestAt ?? null;
  }

  /** Number before which all blocks end before `cutoff` (ms), as far as that is known. */
  expired(cutoff: number): number {
    if (this.#index !== null) {
      return this.#index.firstSince(cutoff) ?? (this.#openCount > 0 ? this.next + 1 : this.next);
    }
    for (const b of this.#former) if (b.lastAt >= cutoff) return b.number;
    if (this.first < this.#tailFirst && this.#storedAt >= cutoff) return this.first;
    const full = this.#tailAts.findIndex((lastAt) => lastAt >= cutoff);
    if (full >= 0) return this.#tailFirst + full;
    return this.#openCount > 0 && this.#openAt < cutoff ? this.next + 1 : this.next;
  }

  /** Looks a message up in the open window; `loaded`: stored blocks that were read for it. */
  find(message: SentMessage, loaded: ReadonlyMap<number, Uint8Array>): Found {
    const hash = hashText(this.#key, message.id);
    for (const block of this.#index!.candidates(hash)) {
      const bytes = this.#block(block, loaded);
      if (bytes === undefined) return { kind: "read", block };
      const entry = decodeDedupeBlock(bytes).findLast((e) => e.key === message.id);
      // Where there is none, another key has the same hash: a false match.
      if (entry !== undefined) return this.#sent(entry, message);
    }
    return NEW;
  }

  #block(block: number, loaded: ReadonlyMap<number, Uint8Array>): Uint8Array | undefined {
    if (block === this.next) return encodeDedupeBlock(this.#openCount, this.#open.view());
    return this.unsavedRow("d", block) ?? loaded.get(block);
  }

  #sent({ digest, seq, at, num }: DedupeEntry, { to, body, ext }: SentMessage): Found {
    const now = digestTexts(this.#key, [to, body, ext]);
    const same = digest === null || (digest.first === now.first && digest.second === now.second);
    return { kind: "sent", before: { seq, at, num }, same };
  }

  // ---- checkpoints

  /** Whether blocks or rows wait to be written. */
  get unsaved(): boolean {
    return this.#unsaved.length > 0;
  }

  /** Takes blocks and rows to write, at least one and at most about `bytesMax`. */
  takeUnsaved(bytesMax: number): DedupeRow[] {
    let count = 0;
    for (let bytes = 0; count < this.#unsaved.length && bytes < bytesMax; count++) {
      bytes += this.#unsaved[count]!.value.length;
    }
    const taken = this.#unsaved.splice(0, count);
    this.#saving.push(...taken);
    return taken;
  }

  /** What was taken is in the store. */
  saved(): void {
    this.#saving = [];
  }

  /** Takes the ranges of rows to delete. */
  takeDropped(): DroppedRows[] {
    const dropped = this.#dropped;
    this.#dropped = [];
    return dropped;
  }

  /** Blocks of former versions, for their place in the head. */
  get former(): readonly FormerBlock[] {
    return this.#former;
  }

  /** The part of an account's head. */
  encode(w: ByteWriter): void {
    w.uint(this.first).uint(this.#tailFirst).uint(this.next).uint(this.#storedAt);
    w.uint(this.#tailAts.length);
    for (const at of this.#tailAts) w.uint(at);
    w.bytes(this.#tailHashes.view());
    w.uint(this.#openCount).uint(this.#openAt).bytes(this.#open.view());
  }

  /** Fills an empty window with what `encode` wrote. Throws `CorruptBytes`. */
  decode(r: ByteReader, former: readonly FormerBlock[]): void {
    this.#former = former;
    this.first = r.uint();
    this.#tailFirst = r.uint();
    this.next = r.uint();
    this.#storedAt = r.uint();
    this.#tailAts = r.list(() => r.uint());
    const hashes = r.view();
    this.#tailHashes = new ByteWriter(hashes.length).raw(hashes);
    this.#openCount = r.uint();
    this.#openAt = r.uint();
    const open = r.view();
    this.#open = new ByteWriter(open.length).raw(open);
    const full = this.next - this.#tailFirst;
    const entries = full * this.shape.blockEntries + this.#openCount;
    const stored = this.#tailFirst - this.first;
    const joins = 1 <= this.first && 0 <= stored && stored <= STORED_BLOCKS_MAX;
    if (!joins || full !== this.#tailAts.length || hashes.length !== hashBytes(entries)) {
      throw new CorruptBytes("dedupe window: its blocks do not join");
    }
  }

  /** Fills an empty window with what heads of former versions have: blocks up to `last`. */
  decodeFormer(former: readonly FormerBlock[], last: number): void {
    this.#former = former;
    this.#storedAt = former.at(-1)?.lastAt ?? 0;
    // Rows of hashes are of whole groups: new blocks begin with one.
    this.next = last === 0 ? 1 : this.#row(last) * this.shape.rowBlocks + 1;
    this.#tailFirst = this.next;
    this.first = former[0]?.number ?? this.next;
  }
}
