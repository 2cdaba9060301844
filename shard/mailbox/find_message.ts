/**
 * Finds a message of a conversation by its sender's number. The owner's own numbers rise with the
 * position, so that a search halves the blocks that have messages of the conversation. The peer's begin
 * again where another account has got the name: they are followed back from the last one, and the
 * former account's messages are not found. A search reads a bounded number of blocks.
 */
import type { AccountName } from "../name/ids.ts";
import type { BlockRef, NeedBlock, ReadonlyMailbox } from "./mailbox.ts";
import type { MailboxEvent, PackedEvents } from "./mailbox_event.ts";
import { ConversationFilter, decodeEvent } from "./mailbox_event.ts";

/** Blocks that one search reads at most: what is behind more of them counts as missing. */
const READ_MAX = 64;

/** A message of a mailbox. */
export type Message = MailboxEvent & { readonly kind: "message" };

/** Which message is wanted. */
export interface MessageQuery {
  readonly peer: AccountName;
  /** The index number of the conversation, which the blocks name. */
  readonly conversation: number;
  readonly out: boolean;
  /** Its number among those of its sender. */
  readonly num: number;
}

/** The messages of the wanted side in a block, in order. */
function messagesIn(
  query: MessageQuery,
  { packed, spans }: PackedEvents,
  first: number,
): Message[] {
  const filter = new ConversationFilter(query.peer);
  const messages: Message[] = [];
  for (let i = 0; i < spans.length; i += 2) {
    const [start, end] = [spans[i]!, spans[i + 1]!];
    if (!filter.matches(packed, start, end)) continue;
    const event = decodeEvent(packed.subarray(start, end), first + i / 2);
    if (event.kind === "message" && event.out === query.out) messages.push(event);
  }
  return messages;
}

/**
 * Returns the message, null where the mailbox does not have it, or which block it needs next: `loaded`
 * has that block then. Throws `CorruptBytes`.
 */
export function findMessage(
  mailbox: ReadonlyMailbox,
  query: MessageQuery,
  loaded: ReadonlyMap<number, Uint8Array>,
): Message | NeedBlock | null {
  const blocks = mailbox.blocks.filter((b) => b.conversations.includes(query.conversation));
  const tail = messagesIn(query, mailbox.tail(), mailbox.tailFirst);
  const read = (ref: BlockRef) => {
    const events = mailbox.block(ref, loaded);
    return events === null ? null : messagesIn(query, events, ref.first);
  };
  return query.out ? halving(query, tail, blocks, read) : back(query, tail, blocks, read);
}

/** The messages of a block; null: it has to be loaded. */
type Read = (ref: BlockRef) => readonly Message[] | null;

/** Finds one of the peer's, of the account that has the name now. */
function back(
  { num }: MessageQuery,
  tail: readonly Message[],
  blocks: readonly BlockRef[],
  read: Read,
): Message | NeedBlock | null {
  let after = Infinity;
  for (let i = blocks.length; i >= Math.max(0, blocks.length - READ_MAX); i--) {
    const messages = i === blocks.length ? tail : read(blocks[i]!);
    if (messages === null) return { need: blocks[i]!.first };
    for (const message of messages.toReversed()) {
      // One of the account that had the name before, or a number that was never taken.
      if (message.num >= after || message.num < num) return null;
      if (message.num === num) return message;
      after = message.num;
    }
  }
  return null;
}

/** Finds one of the owner's. */
function halving(
  { num }: MessageQuery,
  tail: readonly Message[],
  blocks: readonly BlockRef[],
  read: Read,
): Message | NeedBlock | null {
  const inTail = tail.find((message) => message.num === num);
  if (inTail !== undefined) return inTail;
  if (tail.length > 0 && tail[0]!.num < num) return null;
  let [lo, hi] = [0, blocks.length - 1];
  let reads = 0;
  while (lo <= hi) {
    // The last one first: most changes are of what was said lately.
    const mid = reads === 0 ? hi : (lo + hi) >> 1;
    let at = mid + 1;
    let look: readonly Message[] = [];
    // Blocks may have messages of the other side only.
    while (look.length === 0 && --at >= lo) {
      if (reads++ >= READ_MAX) return null;
      const messages = read(blocks[at]!);
      if (messages === null) return { need: blocks[at]!.first };
      const found = messages.find((message) => message.num === num);
      if (found !== undefined) return found;
      look = messages;
    }
    if (look.length === 0 || look.at(-1)!.num < num) lo = mid + 1;
    else if (look[0]!.num > num) hi = at - 1;
    else return null;
  }
  return null;
}
