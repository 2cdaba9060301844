/**
 * Reads one page of a search out of a mailbox, newest messages first. There is no index: what is
 * found is what is stored, so that nothing that was removed or replaced is found, and accounts that
 * nobody searches cost nothing. A page keeps its position while a block is read from the store, and
 * ends after a bounded number of bytes; the next one continues there.
 */
import type { AccountName } from "../name/ids.ts";
import { BLOCK_BYTES, type BlockRef, type NeedBlock } from "../mailbox/mailbox.ts";
import type { ReadonlyMailbox } from "../mailbox/mailbox.ts";
import { decodeEvent, messageSpans, type PackedEvents } from "../mailbox/mailbox_event.ts";
import { excerptOf } from "./excerpt.ts";
import { isChanging } from "../message/note.ts";
import type { Query } from "./query.ts";

/** Bytes of blocks after which a page ends. */
export const SEARCHED_BYTES_MAX = 1024 * 1024;
/** Blocks in memory that are searched in one step of the shard. */
const STEP_BLOCKS_MAX = 4;

/** What is searched for, and where. */
export interface Search {
  readonly query: Query;
  /** One conversation, and the index number under which blocks have it; null: all of them. */
  readonly within: { readonly peer: AccountName; readonly conversation: number } | null;
  /** Only messages before this position; null: from the end of the mailbox. */
  readonly before: number | null;
  readonly limit: number;
}

/** A message that was found. */
export interface FoundMessage {
  readonly seq: number;
  readonly at: number;
  readonly with: AccountName;
  readonly out: boolean;
  readonly num: number;
  /** The sender's client message id. */
  readonly id: string;
  readonly excerpt: string;
  /** Begin and end of what was found in the excerpt, in UTF-16 code units, ascending. */
  readonly marks: readonly (readonly [number, number])[];
}

/** What of a mailbox a page has searched. */
export interface SearchedPage {
  /** Descending by `seq`; may be empty although there is a `next`. */
  readonly found: readonly FoundMessage[];
  /** Continue with messages before this position; null: there are none. */
  readonly next: number | null;
  /** Bytes of the blocks that were searched. */
  readonly bytes: number;
}

/** A block, or the tail, with the positions of its events. */
interface Part {
  /** null for the tail. */
  readonly ref: BlockRef | null;
  readonly first: number;
  readonly last: number;
}

/** One page while it is read: `read` again with the block that it has asked for. */
export class SearchPage {
  readonly #search: Search;
  readonly #peer: Uint8Array | null;
  readonly #found: FoundMessage[] = [];
  #bytes = 0;
  /** From here on everything was searched. */
  #at: number;

  constructor(search: Search) {
    this.#search = search;
    const { within, before } = search;
    this.#peer = within === null ? null : new TextEncoder().encode(within.peer);
    this.#at = before ?? Infinity;
  }

  /**
   * Returns the page, or which block of the mailbox it needs next; `loaded` has that block then.
   * Throws `CorruptBytes`.
   */
  read(
    mailbox: ReadonlyMailbox,
    loaded: ReadonlyMap<number, Uint8Array>,
  ): SearchedPage | NeedBlock {
    for (let blocks = 0;; blocks++) {
      const part = this.#before(mailbox);
      if (part === null) return this.#end(null);
      // What lies between has no messages: it is not looked at again after a load.
      this.#at = Math.min(this.#at, part.last + 1);
      if (this.#isOver(blocks)) return this.#end(this.#at);
      const events = part.ref === null ? mailbox.tail() : mailbox.block(part.ref, loaded);
      if (events === null) return { need: part.first };
      this.#bytes += Math.max(events.packed.length, part.ref === null ? 0 : BLOCK_BYTES);
      this.#searchIn(events, part.first);
    }
  }

  #isOver(blocks: number): boolean {
    return this.#found.length >= this.#search.limit || this.#bytes >= SEARCHED_BYTES_MAX ||
      blocks >= STEP_BLOCKS_MAX;
  }

  #isIn(conversations: { has(index: number): boolean } | readonly number[]): boolean {
    const { within } = this.#search;
    if (within === null) return !Array.isArray(conversations) || conversations.length > 0;
    const { conversation } = within;
    return "has" in conversations
      ? conversations.has(conversation)
      : conversations.includes(conversation);
  }

  /** The last part before the position that has messages to search. */
  #before(mailbox: ReadonlyMailbox): Part | null {
    const { blocks, tailFirst, last, tailConversations } = mailbox;
    const seq = Math.min(this.#at - 1, last);
    if (seq >= tailFirst && this.#isIn(tailConversations)) {
      return { ref: null, first: tailFirst, last };
    }
    for (let i = mailbox.blockIndex(seq); i >= 0; i--) {
      const { first, count, conversations } = blocks[i]!;
      if (!this.#isIn(conversations)) continue;
      return { ref: blocks[i]!, first, last: first + count - 1 };
    }
    return null;
  }

  /** Searches one part from the position back, up to its begin or until the page is full. */
  #searchIn({ packed, spans }: PackedEvents, first: number): void {
    const { query, limit } = this.#search;
    for (let i = Math.min(spans.length / 2, this.#at - first) - 1; i >= 0; i--) {
      if (this.#found.length >= limit) return;
      this.#at = first + i;
      const [start, end] = [spans[2 * i]!, spans[2 * i + 1]!];
      const message = messageSpans(packed, start, end);
      if (message === null || !this.#isOfPeer(packed, message.peer)) continue;
      const event = () => decodeEvent(packed.subarray(start, end), first + i);
      const [from, to] = message.body;
      if (query.matches(packed, from, to, () => textOf(event()))) this.#take(event());
    }
    this.#at = first;
  }

  #isOfPeer(packed: Uint8Array, [start, end]: readonly [number, number]): boolean {
    const peer = this.#peer;
    if (peer === null) return true;
    if (end - start !== peer.length) return false;
    for (let i = 0; i < peer.length; i++) if (packed[start + i] !== peer[i]) return false;
    return true;
  }

  #take(event: ReturnType<typeof decodeEvent>): void {
    // What changes a message is no message of its own: what it makes of that one is found there.
    if (event.kind !== "message" || isChanging(event.ext)) return;
    const { seq, at, with: peer, out, num, id, body } = event;
    const { text: excerpt, marks } = excerptOf(body, this.#search.query);
    this.#found.push({ seq, at, with: peer, out, num, id, excerpt, marks });
  }

  #end(next: number | null): SearchedPage {
    return { found: this.#found, next, bytes: this.#bytes };
  }
}

function textOf(event: ReturnType<typeof decodeEvent>): string {
  return event.kind === "message" ? event.body : "";
}
