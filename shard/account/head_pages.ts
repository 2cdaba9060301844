/**
 * The pages of a large account's head: contacts, blocks, conversations and the index of mailbox blocks
 * are in rows of their own, and the head says where. A checkpoint writes the pages that have changed,
 * in several writes if they are many, and the head last: it refers to the new ones from then on.
 */
import type { AccountState, Block } from "./account.ts";
import type { BlockRef } from "../mailbox/mailbox.ts";
import { BlockPages } from "./block_pages.ts";
import type { ByteReader, ByteWriter } from "../record/bytes.ts";
import { blockCodec, contactCodec, conversationCodec, freeOf } from "./page_items.ts";
import type { Conversation } from "../mailbox/conversation.ts";
import type { ItemPages } from "./item_pages.ts";
import type { RosterItem } from "../roster/roster.ts";
import { type PageRow, type PageRowId, type PageSource, StoredPages } from "./stored_pages.ts";

/** When a head is divided into pages, and how. */
export interface HeadShape {
  /** Bytes of a head in one piece; a larger one is divided for good. */
  readonly wholeBytesMax: number;
  /** Items of one page. */
  readonly pageItems: number;
  /** Mailbox positions whose blocks are listed in one page. */
  readonly pagePositions: number;
  /** Bytes of one row. */
  readonly rowBytes: number;
  /** Bytes of pages in the first write of a checkpoint; each further one may have twice as many. */
  readonly writeBytes: number;
}

/** What nodes use; tests have smaller ones, so that short histories have pages too. */
export const HEAD_SHAPE: HeadShape = {
  wholeBytesMax: 32_000,
  pageItems: 64,
  pagePositions: 4096,
  rowBytes: 60_000,
  writeBytes: 64 * 1024,
};

/** Rows of pages in one write, and bytes of them that a write never exceeds by more than a row. */
const WRITE_ROWS_MAX = 256;
const WRITE_BYTES_MAX = 256 * 1024;
/** Bytes of a head and pages together from which on a write has as few pages as possible. */
const WITH_HEAD_BYTES_MAX = 384 * 1024;

/** Finds a row that the head refers to; null where it does not exist. */
export type FindPageRow = (id: PageRowId) => Uint8Array | null;

function textOf({ part, page, place, row }: PageRowId): string {
  return `${part} ${page} ${place} ${row}`;
}

/** The pages of one account. */
export class HeadPages {
  readonly #shape: HeadShape;
  readonly #blocks: BlockPages;
  readonly #parts: readonly { readonly source: PageSource; readonly stored: StoredPages }[];
  /** Rows of pages that were taken, and that the next writes have. */
  #queue: PageRow[] = [];
  /** Stored rows that nothing refers to, by their text. */
  readonly #unneeded = new Map<string, PageRowId>();
  /** Writes since the head was last written. */
  #writes = 0;

  private constructor(
    shape: HeadShape,
    contacts: ItemPages<RosterItem>,
    blocked: ItemPages<Block>,
    conversations: ItemPages<Conversation>,
  ) {
    this.#shape = shape;
    this.#blocks = new BlockPages(shape.pagePositions);
    const sources: readonly PageSource[] = [contacts, blocked, conversations, this.#blocks];
    this.#parts = sources.map((source, part) => ({ source, stored: new StoredPages(part) }));
  }

  /** Divides an account's head: all of its pages are to be written. */
  static divide(a: AccountState): HeadPages {
    const { pageItems } = a.headShape;
    return new HeadPages(
      a.headShape,
      a.lazyRoster.divide(contactCodec(a), pageItems),
      a.lazyBlocked.divide(blockCodec(), pageItems),
      a.lazyConversations.divide(conversationCodec(a, null), pageItems),
    );
  }

  /** Reads where the pages are, and fills the account from them. Throws `CorruptBytes`. */
  static decode(r: ByteReader, a: AccountState, find: FindPageRow): HeadPages {
    const { pageItems } = a.headShape;
    const indexes = new Set<number>();
    const contacts = a.lazyRoster.divide(contactCodec(a), pageItems);
    const blocked = a.lazyBlocked.divide(blockCodec(), pageItems);
    const codec = conversationCodec(a, indexes);
    const conversations = a.lazyConversations.divide(codec, pageItems);
    const pages = new HeadPages(a.headShape, contacts, blocked, conversations);
    const refs: BlockRef[] = [];
    const takes = [
      ...[contacts, blocked, conversations].map((p) => (n: number, b: Uint8Array) => p.hold(n, b)),
      (_: number, bytes: Uint8Array) => refs.push(...pages.#blocks.read(bytes)),
    ];
    pages.#parts.forEach(({ stored }, i) => stored.decode(r, find, takes[i]!));
    a.freeIndexes = freeOf(indexes, conversations.size);
    a.mailbox.blocks = refs;
    pages.#blocks.stored(refs);
    return pages;
  }

  /** Writes where the pages are. */
  encode(w: ByteWriter): void {
    for (const { stored } of this.#parts) stored.encode(w);
  }

  /** Bytes of all pages. */
  get bytes(): number {
    return this.#parts.reduce((sum, { stored }) => sum + stored.bytes, 0);
  }

  /** Notes a stored row that the stored head does not refer to. */
  noteUnneeded(id: PageRowId): void {
    this.#unneeded.set(textOf(id), id);
  }

  /** Whether rows are left to be deleted. */
  get hasUnneeded(): boolean {
    return this.#unneeded.size > 0;
  }

  /** Takes rows that are to be deleted. */
  takeUnneeded(max: number): PageRowId[] {
    const taken = [...this.#unneeded].slice(0, Math.max(0, max));
    for (const [text] of taken) this.#unneeded.delete(text);
    return taken.map(([, id]) => id);
  }

  /**
   * Takes rows of changed pages for one write, beside a head of `headBytes` and keys of `keyBytes`.
   * `complete`: these are the last ones, so that the head can be written with them.
   */
  takeRows(
    blocks: readonly BlockRef[],
    headBytes: number,
    keyBytes: number,
  ): { readonly rows: readonly PageRow[]; readonly complete: boolean } {
    this.#blocks.look(blocks);
    const { writeBytes } = this.#shape;
    // What changes between two writes has to be taken again: ever larger ones come to an end.
    const most = Math.min(writeBytes * 2 ** this.#writes, Math.max(writeBytes, WRITE_BYTES_MAX));
    const max = Math.max(Math.min(most, WITH_HEAD_BYTES_MAX - headBytes), writeBytes);
    const rows: PageRow[] = [];
    let bytes = 0;
    while (bytes < max && rows.length < WRITE_ROWS_MAX) {
      if (this.#queue.length === 0 && !this.#takePage()) break;
      const row = this.#queue.shift();
      if (row === undefined) continue;
      rows.push(row);
      bytes += row.value.length + 2 * keyBytes;
      this.#unneeded.delete(textOf(row));
    }
    const complete = this.#queue.length === 0 && this.#changed() === null;
    this.#writes = complete ? 0 : Math.min(this.#writes + 1, 10);
    if (complete) {
      for (const { stored } of this.#parts) {
        stored.settle().forEach((id) => this.noteUnneeded(id));
      }
    }
    return { rows, complete };
  }

  #changed(): { readonly part: number; readonly page: number } | null {
    for (let part = 0; part < this.#parts.length; part++) {
      for (const page of this.#parts[part]!.source.changed) return { part, page };
    }
    return null;
  }

  /** Takes the next changed page; false where none is left. */
  #takePage(): boolean {
    const next = this.#changed();
    if (next === null) return false;
    const { source, stored } = this.#parts[next.part]!;
    this.#queue.push(...stored.put(next.page, source.take(next.page), this.#shape.rowBytes));
    return true;
  }
}
