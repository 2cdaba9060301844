/**
 * A user's durable, totally ordered sequence of events: a tail of recent ones in memory, and sealed
 * blocks of which only an index is kept. Positions are gap-free and times never decrease.
 */
import type { MailboxBody, MailboxEvent } from "./mailbox_event.ts";
import type { MailboxId } from "../name/ids.ts";
import { ByteWriter, CorruptBytes } from "../record/bytes.ts";
import {
  countBlock,
  decodeEvent,
  encodeBlock,
  packBlock,
  type PackedEvents,
  rewritten,
  unpackBlock,
  writeEvent,
} from "./mailbox_event.ts";

/** What is known of a sealed block without reading it. */
export interface BlockRef {
  /** Position of its first event; its key in the store. */
  readonly first: number;
  readonly count: number;
  /** Time of its last event (ms). */
  readonly lastAt: number;
  /** Index numbers of the conversations that have messages in it, ascending. */
  readonly conversations: readonly number[];
}

/** Bytes of events after which the tail is sealed into a block; well under a store value's limit. */
export const BLOCK_BYTES = 8 * 1024;

/** Blocks of one mailbox: their index is part of the account's head. */
export const BLOCKS_MAX = 8000;

/** Blocks that are kept for unread messages besides; their index is part of the head as well. */
export const KEPT_BLOCKS_MAX = 2000;

/** The parts of a mailbox that could be changed in place, as readonly ones. */
interface MailboxParts {
  readonly blocks: readonly BlockRef[];
  readonly unsaved: ReadonlyMap<number, Uint8Array>;
  readonly saving: ReadonlyMap<number, Uint8Array>;
  readonly dropped: readonly number[];
  readonly tailConversations: ReadonlySet<number>;
}

type Mutator = "append" | "push" | "trim" | "skipTo" | "decodeTail" | "rewrite" | "replaceBlock";

/** A mailbox for everybody but `apply`, which alone changes it. */
export interface ReadonlyMailbox
  extends MailboxParts, Readonly<Omit<Mailbox, keyof MailboxParts | Mutator>> {}

/** The mailbox of one account. */
export class Mailbox {
  /** Another one where the account has moved to a cell that shows ids in another way. */
  id: MailboxId;
  /** Sealed blocks, ascending: without gaps from `gapsBefore` on. */
  blocks: BlockRef[] = [];
  /** Blocks before this position are those that `trim` kept, with gaps between them. */
  gapsBefore = 1;
  /** Sealed blocks that no checkpoint has written yet, by first position. */
  readonly unsaved = new Map<number, Uint8Array>();
  /** Blocks on their way to the store, which may still hold what they were before. */
  readonly saving = new Map<number, Uint8Array>();
  /** How often a sealed block was replaced: what was read from the store before is not as it is. */
  replaced = 0;
  /** First positions of dropped blocks that the store may still hold. */
  dropped: number[] = [];
  /** Encoded events after the last sealed block, each behind its length. */
  readonly #tail = new ByteWriter(0);
  /** Where each of them begins, behind its length, and ends; see `unpackBlock`. */
  #spans: number[] = [];
  /** The tail as it was stored, as long as nothing has been added. */
  #stored: Uint8Array | null = null;
  #storedCount = 0;
  tailFirst = 1;
  /** Conversations with messages in the tail. */
  readonly tailConversations = new Set<number>();
  lastAt = 0;

  constructor(id: MailboxId) {
    this.id = id;
  }

  /** Position of the last event; 0 when there never was one. */
  get last(): number {
    return this.tailFirst + this.#count - 1;
  }

  /** Position of the first event from which on none is missing; `last + 1` when none is retained. */
  get first(): number {
    return Math.max(this.gapsBefore, this.blocks[0]?.first ?? this.tailFirst);
  }

  /** Position of the first event that is retained, whatever is missing behind it. */
  get keptFirst(): number {
    return this.blocks[0]?.first ?? this.tailFirst;
  }

  /** Whether a reader who has everything up to `seq` can go on without a gap. */
  canContinueFrom(seq: number): boolean {
    return seq >= this.first - 1 && seq <= this.last;
  }

  /** Appends an event at the next position; `conversation` is its index number or −1. */
  append(at: number, body: MailboxBody, conversation: number): MailboxEvent {
    return this.push({ seq: this.last + 1, at: Math.max(this.lastAt, at), ...body }, conversation);
  }

  /** The same for an event that is complete: its position is the next, its time not before the last. */
  push<T extends MailboxEvent>(event: T, conversation: number): T {
    this.#unpack();
    this.lastAt = event.at;
    const bytes = writeEvent(event.at, event);
    const start = this.#tail.uint(bytes.length).length;
    this.#spans.push(start, this.#tail.copy(bytes).length);
    if (conversation >= 0) this.tailConversations.add(conversation);
    if (this.#tail.length >= BLOCK_BYTES) this.#seal();
    return event;
  }

  /** Whether a message is at this position in the tail. */
  isMessage(seq: number): boolean {
    const at = 2 * (seq - this.tailFirst);
    if (at < 0 || at >= 2 * this.#count) return false;
    const { packed, spans } = this.tail();
    return decodeEvent(packed.subarray(spans[at]!, spans[at + 1]!), seq).kind === "message";
  }

  /** Changes text and `ext` of the message at a position in the tail; see `isMessage`. */
  rewrite(seq: number, body: string, ext: string): void {
    const { packed, spans } = this.tail();
    const events = [];
    for (let i = 0; i < spans.length; i += 2) {
      events.push(packed.slice(spans[i]!, spans[i + 1]!));
    }
    const at = seq - this.tailFirst;
    events[at] = rewritten(events[at], seq, body, ext);
    const again = unpackBlock(encodeBlock(events));
    this.#tail.clear();
    this.#tail.raw(again.packed);
    this.#spans = again.spans;
  }

  /** Puts these bytes in place of a sealed block, which has as many events. */
  replaceBlock(first: number, bytes: Uint8Array): void {
    this.replaced++;
    this.saving.delete(first);
    this.unsaved.set(first, bytes);
  }

  /** Bytes of the tail. */
  get tailBytes(): number {
    return this.#stored?.length ?? this.#tail.length;
  }

  /** The tail as one block, for the account's head. */
  encodeTail(): Uint8Array {
    if (this.#stored !== null) return this.#stored;
    return packBlock(this.#spans.length / 2, this.#tail.view());
  }

  /** Fills an empty tail from what `encodeTail` gave. Throws `CorruptBytes`. */
  decodeTail(block: Uint8Array): void {
    this.#storedCount = countBlock(block);
    this.#stored = block;
  }

  /** Takes the stored tail apart: most accounts leave memory without anybody asking for it. */
  #unpack(): void {
    if (this.#stored === null) return;
    const { packed, spans } = unpackBlock(this.#stored);
    this.#stored = null;
    this.#tail.clear();
    this.#tail.raw(packed);
    this.#spans = spans;
  }

  get #count(): number {
    return this.#stored === null ? this.#spans.length / 2 : this.#storedCount;
  }

  #seal(): void {
    this.#unpack();
    this.blocks.push({
      first: this.tailFirst,
      count: this.#spans.length / 2,
      lastAt: this.lastAt,
      conversations: [...this.tailConversations].sort((a, b) => a - b),
    });
    this.unsaved.set(this.tailFirst, this.encodeTail());
    this.tailFirst += this.#spans.length / 2;
    this.#tail.clear();
    this.#spans = [];
    this.tailConversations.clear();
  }

  /**
   * How many whole blocks to drop so that at most `countMax` events and none before `cutoffMs`. Those
   * that were kept before count.
   */
  expired(countMax: number, cutoffMs: number): number {
    let drop = 0;
    for (const b of this.blocks) {
      if (b.first < this.gapsBefore) {
        drop++;
        continue;
      }
      const after = this.last - (b.first + b.count - 1);
      const few = this.blocks.length - drop <= BLOCKS_MAX;
      if (few && after < countMax && b.lastAt >= cutoffMs) break;
      drop++;
    }
    return drop;
  }

  /** Whether the whole tail is older than `cutoffMs`, so that it should be sealed and dropped. */
  tailExpired(cutoffMs: number): boolean {
    return this.#count > 0 && this.lastAt < cutoffMs;
  }

  /**
   * Drops everything before position `first`, which must be the start of a block or the tail, but for
   * the blocks that `isKept` picks: `blockOf` and `readForward` do not reach them any more.
   */
  trim(first: number, isKept: (block: BlockRef) => boolean = () => false): void {
    if (first > this.tailFirst) this.#seal();
    const before = this.blocks.findIndex((b) => b.first >= first);
    const old = this.blocks.splice(0, before < 0 ? this.blocks.length : before);
    const kept = old.filter(isKept);
    this.blocks.unshift(...kept);
    if (kept.length > 0) this.gapsBefore = first;
    for (const gone of old) {
      if (kept.includes(gone)) continue;
      this.unsaved.delete(gone.first);
      this.saving.delete(gone.first);
      this.dropped.push(gone.first);
    }
  }

  /** Goes on at position `seq`, which is behind the last one: what is between is missing. */
  skipTo(seq: number): void {
    if (this.#count > 0) this.#seal();
    this.tailFirst = seq;
  }

  /** Index in `blocks` of the last block that begins at or before `seq`; −1 where none does. */
  blockIndex(seq: number): number {
    let lo = -1;
    let hi = this.blocks.length - 1;
    while (lo < hi) {
      const mid = (lo + hi + 1) >> 1;
      if (this.blocks[mid]!.first <= seq) lo = mid;
      else hi = mid - 1;
    }
    return lo;
  }

  /** The block that holds `seq`, or null where it is in the tail. */
  blockOf(seq: number): BlockRef | null {
    if (seq >= this.tailFirst) return null;
    return this.blocks[Math.max(0, this.blockIndex(seq))] ?? null;
  }

  /**
   * Events of a block from memory or from `loaded`; null where it must be read first. Throws
   * `CorruptBytes`.
   */
  block(ref: BlockRef, loaded: ReadonlyMap<number, Uint8Array>): PackedEvents | null {
    const bytes = this.unsaved.get(ref.first) ?? this.saving.get(ref.first) ??
      loaded.get(ref.first);
    if (bytes === undefined) return null;
    const events = unpackBlock(bytes);
    const count = events.spans.length / 2;
    if (count !== ref.count) {
      throw new CorruptBytes(
        `mailbox block at ${ref.first}: has ${count} events, want ${ref.count}`,
      );
    }
    return events;
  }

  /** Events of the tail; valid until the next change. */
  tail(): PackedEvents {
    this.#unpack();
    return { packed: this.#tail.view(), spans: this.#spans };
  }
}

/** The block that a reader needs next, by its first position: it must be read from the store. */
export interface NeedBlock {
  readonly need: number;
}

/** Events after `after`, oldest first, at most `limit` and about `bytesMax` (one at least). */
export function readForward(
  mailbox: ReadonlyMailbox,
  after: number,
  limit: number,
  bytesMax: number,
  loaded: ReadonlyMap<number, Uint8Array>,
): MailboxEvent[] | NeedBlock {
  const out: MailboxEvent[] = [];
  let bytes = 0;
  let seq = after + 1;
  while (seq <= mailbox.last && out.length < limit) {
    const ref = mailbox.blockOf(seq);
    const events = ref === null ? mailbox.tail() : mailbox.block(ref, loaded);
    // A page ends where the next block would have to be read, unless it is still empty.
    if (events === null) return out.length > 0 ? out : { need: ref!.first };
    const { packed, spans } = events;
    const first = ref === null ? mailbox.tailFirst : ref.first;
    for (let i = 2 * (seq - first); i < spans.length && out.length < limit; i += 2) {
      const event = packed.subarray(spans[i]!, spans[i + 1]!);
      bytes += event.length;
      if (out.length > 0 && bytes > bytesMax) return out;
      out.push(decodeEvent(event, seq++));
    }
  }
  return out;
}

/**
 * Events after `after`, as `readForward`, with those of blocks that `trim` has kept: there a page is
 * of one block.
 */
export function readRetained(
  mailbox: ReadonlyMailbox,
  after: number,
  limit: number,
  bytesMax: number,
  loaded: ReadonlyMap<number, Uint8Array>,
): MailboxEvent[] | NeedBlock {
  const kept = mailbox.blocks.find((b) => b.first + b.count - 1 > after);
  if (kept === undefined || kept.first >= mailbox.gapsBefore) {
    return readForward(mailbox, Math.max(after, mailbox.first - 1), limit, bytesMax, loaded);
  }
  const from = Math.max(after, kept.first - 1);
  const most = Math.min(limit, kept.first + kept.count - 1 - from);
  return readForward(mailbox, from, most, bytesMax, loaded);
}
