/**
 * Finds a message of a conversation by its sender's number. Numbers rise with the position, so that a
 * search halves the blocks that have messages of the conversation; it reads a bounded number of them.
 */
import type { AccountName } from "../name/ids.ts";
import type { NeedBlock, ReadonlyMailbox } from "./mailbox.ts";
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

interface Look {
  readonly found: Message | null;
  /** Lowest and highest number of the sender there; null: there is none. */
  readonly least: number | null;
  readonly most: number | null;
}

function lookAt(query: MessageQuery, { packed, spans }: PackedEvents, first: number): Look {
  const filter = new ConversationFilter(query.peer);
  let found: Message | null = null;
  let least: number | null = null;
  let most: number | null = null;
  for (let i = 0; i < spans.length; i += 2) {
    const [start, end] = [spans[i]!, spans[i + 1]!];
    if (!filter.matches(packed, start, end)) continue;
    const event = decodeEvent(packed.subarray(start, end), first + i / 2);
    if (event.kind !== "message" || event.out !== query.out) continue;
    least ??= event.num;
    most = event.num;
    // The last one: another account of the peer's name has numbers from 1 on, too.
    if (event.num === query.num) found = event;
  }
  return { found, least, most };
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
  const tail = lookAt(query, mailbox.tail(), mailbox.tailFirst);
  if (tail.found !== null) return tail.found;
  if (tail.least !== null && tail.least < query.num) return null;
  const blocks = mailbox.blocks.filter((b) => b.conversations.includes(query.conversation));
  let [lo, hi] = [0, blocks.length - 1];
  let reads = 0;
  while (lo <= hi) {
    // The last one first: most changes are of what was said lately.
    const mid = reads === 0 ? hi : (lo + hi) >> 1;
    let at = mid + 1;
    let look: Look | null = null;
    // Blocks may have messages of the other side only.
    while (look === null && --at >= lo) {
      if (reads++ >= READ_MAX) return null;
      const ref = blocks[at]!;
      const events = mailbox.block(ref, loaded);
      if (events === null) return { need: ref.first };
      const { least, most, found } = lookAt(query, events, ref.first);
      if (found !== null) return found;
      if (least !== null) look = { least, most, found };
    }
    if (look === null || look.most! < query.num) lo = mid + 1;
    else if (look.least! > query.num) hi = at - 1;
    else return null;
  }
  return null;
}
