/** The index of a mailbox's blocks in pages: each lists the blocks that begin in a range of positions. */
import type { BlockRef } from "../mailbox/mailbox.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../record/bytes.ts";
import type { PageSource } from "./stored_pages.ts";
import { list, uint } from "../record/schema.ts";
import { readVersion, struct } from "../record/struct.ts";

const PAGE_VERSION = 1;

/** What a head, or a page, says of a block. */
export const BLOCK_REF = struct({
  first: uint,
  count: uint,
  lastAt: uint,
  conversations: list(uint),
});

const BLOCK_REFS = list(BLOCK_REF);

/**
 * A block never changes, and later ones only come behind it: pages with as many blocks and the same last
 * one are equal. A later account of the name has other blocks at the same positions.
 */
interface Summary {
  readonly count: number;
  readonly last: BlockRef;
}

function summaryOf(blocks: readonly BlockRef[]): Summary {
  return { count: blocks.length, last: blocks.at(-1)! };
}

/** See the head of this file. */
export class BlockPages implements PageSource {
  readonly #positions: number;
  #now: ReadonlyMap<number, readonly BlockRef[]> = new Map();
  readonly #taken = new Map<number, Summary>();
  readonly changed = new Set<number>();

  /** `positions`: of one page. */
  constructor(positions: number) {
    this.#positions = positions;
  }

  #divide(blocks: readonly BlockRef[]): Map<number, BlockRef[]> {
    const pages = new Map<number, BlockRef[]>();
    for (const block of blocks) {
      const number = Math.floor(block.first / this.#positions);
      const page = pages.get(number);
      if (page === undefined) pages.set(number, [block]);
      else page.push(block);
    }
    return pages;
  }

  /** Notes which pages the blocks of the mailbox have changed. */
  look(blocks: readonly BlockRef[]): void {
    this.#now = this.#divide(blocks);
    this.changed.clear();
    for (const [number, page] of this.#now) {
      const is = summaryOf(page);
      const was = this.#taken.get(number);
      if (was?.count !== is.count || was.last !== is.last) this.changed.add(number);
    }
    for (const number of this.#taken.keys()) if (!this.#now.has(number)) this.changed.add(number);
  }

  /** These are the blocks as they are stored. */
  stored(blocks: readonly BlockRef[]): void {
    for (const [number, page] of this.#divide(blocks)) this.#taken.set(number, summaryOf(page));
  }

  take(number: number): Uint8Array {
    this.changed.delete(number);
    const page = this.#now.get(number);
    if (page === undefined) {
      this.#taken.delete(number);
      return new Uint8Array();
    }
    this.#taken.set(number, summaryOf(page));
    const w = new ByteWriter(32 * page.length).u8(PAGE_VERSION);
    BLOCK_REFS.write(w, page);
    return w.take();
  }

  /** Reads the blocks of a page. Throws `CorruptBytes`. */
  read(bytes: Uint8Array): readonly BlockRef[] {
    const r = new ByteReader(bytes);
    readVersion(r, "page of mailbox blocks", PAGE_VERSION);
    const blocks = BLOCK_REFS.read(r);
    if (!r.done) throw new CorruptBytes("a page of mailbox blocks is too long");
    return blocks;
  }
}
