/**
 * Reads one page of a conversation out of a mailbox. Blocks that hold none of its messages are
 * skipped by their index. A page keeps its position while a block is read from the store, so that
 * each block is read and searched once, and it ends after a bounded number of blocks and bytes.
 */
import type { BlockRef, NeedBlock, ReadonlyMailbox } from "./mailbox.ts";
import type { AccountName } from "../name/ids.ts";
import { ConversationFilter, decodeEvent, type MailboxEvent } from "./mailbox_event.ts";
import { isChanging } from "../message/note.ts";
import type { PackedEvents } from "./mailbox_event.ts";

/** Blocks that a page searches at most; the page then ends early with `more`. */
export const PAGE_BLOCKS_MAX = 32;

/** Which page is wanted. */
export interface ConversationQuery {
  readonly peer: AccountName;
  /** The index number of the conversation, which the blocks name. */
  readonly conversation: number;
  /** Positions, exclusive. `after` null: backward from `before`, or from the end. */
  readonly before: number | null;
  readonly after: number | null;
  readonly limit: number;
  /** Bytes of stored events after which the page ends; the first event may exceed it. */
  readonly bytesMax: number;
}

/** A page of one conversation's messages. */
export interface HistoryPage {
  /** Ascending. Empty only where `more` is false: clients continue from the first or the last. */
  readonly events: readonly MailboxEvent[];
  /** Whether more messages of the conversation follow in the direction of the query. */
  readonly more: boolean;
  /** How many blocks were searched, the tail included. */
  readonly blocks: number;
}

/** A block, or the tail, with the positions of its events. */
interface Part {
  /** null for the tail. */
  readonly ref: BlockRef | null;
  readonly first: number;
  readonly last: number;
}

/** Whether an ascending list has the number. */
function holds(numbers: readonly number[], wanted: number): boolean {
  let lo = 0;
  let hi = numbers.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (numbers[mid]! < wanted) lo = mid + 1;
    else hi = mid;
  }
  return numbers[lo] === wanted;
}

function blockPart(ref: BlockRef): Part {
  return { ref, first: ref.first, last: ref.first + ref.count - 1 };
}

/** One page while it is read: `read` again with the block that it has asked for. */
export class ConversationPage {
  readonly #query: ConversationQuery;
  readonly #filter: ConversationFilter;
  readonly #backward: boolean;
  /** In the direction of the query. */
  readonly #found: MailboxEvent[] = [];
  #bytes = 0;
  #blocks = 0;
  /** Backward: from here on everything was searched. Forward: up to here. */
  #at: number;

  constructor(query: ConversationQuery) {
    this.#query = query;
    this.#filter = new ConversationFilter(query.peer);
    this.#backward = query.after === null;
    this.#at = query.after ?? query.before ?? Infinity;
  }

  /**
   * Returns the page, or which block of the mailbox it needs next; `loaded` has that block then.
   * Throws `CorruptBytes`.
   */
  read(mailbox: ReadonlyMailbox, loaded: ReadonlyMap<number, Uint8Array>): HistoryPage | NeedBlock {
    for (;;) {
      const part = this.#backward ? this.#before(mailbox) : this.#after(mailbox);
      if (part === null) return this.#end(false);
      // By the index it has a message: it need not be read to know that another page follows.
      if (this.#isFull) return this.#end(true);
      // What lies between has no messages: it is not looked at again after a load.
      this.#at = this.#backward
        ? Math.min(this.#at, part.last + 1)
        : Math.max(this.#at, part.first - 1);
      const events = part.ref === null ? mailbox.tail() : mailbox.block(part.ref, loaded);
      if (events === null) return { need: part.first };
      this.#blocks++;
      if (!this.#search(events, part.first)) return this.#end(true);
      this.#at = this.#backward ? part.first : part.last;
    }
  }

  /** An empty page is never full: a client could not continue from it. */
  get #isFull(): boolean {
    const { length } = this.#found;
    return length >= this.#query.limit || (length > 0 && this.#blocks >= PAGE_BLOCKS_MAX);
  }

  #isIn({ conversations }: BlockRef): boolean {
    return holds(conversations, this.#query.conversation);
  }

  /** The last part before the position that has messages of the conversation. */
  #before(mailbox: ReadonlyMailbox): Part | null {
    const { conversation } = this.#query;
    const { blocks, tailFirst, last } = mailbox;
    const seq = Math.min(this.#at - 1, last);
    if (seq >= tailFirst && mailbox.tailConversations.has(conversation)) {
      return { ref: null, first: tailFirst, last };
    }
    for (let i = mailbox.blockIndex(seq); i >= 0; i--) {
      if (this.#isIn(blocks[i]!)) return blockPart(blocks[i]!);
    }
    return null;
  }

  /** The first part after the position that has messages of the conversation. */
  #after(mailbox: ReadonlyMailbox): Part | null {
    const { conversation } = this.#query;
    const { blocks, tailFirst, last } = mailbox;
    const seq = Math.max(this.#at + 1, blocks[0]?.first ?? tailFirst);
    const from = seq < tailFirst ? mailbox.blockIndex(seq) : blocks.length;
    for (let i = from; i < blocks.length; i++) {
      const part = blockPart(blocks[i]!);
      // The position may be in the gap behind a block.
      if (part.last >= seq && this.#isIn(blocks[i]!)) return part;
    }
    const inTail = seq <= last && mailbox.tailConversations.has(conversation);
    return inTail ? { ref: null, first: tailFirst, last } : null;
  }

  /** Adds the messages of one part; false where the page is full before its end. */
  #search({ packed, spans }: PackedEvents, first: number): boolean {
    const { limit, bytesMax } = this.#query;
    const count = spans.length / 2;
    const step = this.#backward ? -1 : 1;
    let i = this.#backward
      ? Math.min(count, this.#at - first) - 1
      : Math.max(0, this.#at + 1 - first);
    for (; i >= 0 && i < count; i += step) {
      const [start, end] = [spans[2 * i]!, spans[2 * i + 1]!];
      if (!this.#filter.matches(packed, start, end)) continue;
      const event = decodeEvent(packed.subarray(start, end), first + i);
      // The messages are as changes have left them.
      if (event.kind === "message" && isChanging(event.ext)) continue;
      this.#bytes += end - start;
      const full = this.#found.length >= limit || this.#bytes > bytesMax;
      if (full && this.#found.length > 0) return false;
      this.#found.push(event);
    }
    return true;
  }

  #end(more: boolean): HistoryPage {
    const events = this.#backward ? this.#found.toReversed() : this.#found;
    return { events, more, blocks: this.#blocks };
  }
}
