/**
 * Edits, removals and reactions: what a message that names another one does to it in a mailbox. The
 * changed message replaces the one that was there, so that a text that is edited or removed is in no
 * block any more once the account's next checkpoint is written.
 */
import type { Account } from "../account/account.ts";
import type { AccountName } from "../name/ids.ts";
import { type Change, namedBy, type Note, noteOf, withNote } from "../message/note.ts";
import { encodeBlock, type PackedEvents, rewritten } from "../mailbox/mailbox_event.ts";
import type { Entry } from "../account/records.ts";
import { findMessage, type Message } from "../mailbox/find_message.ts";
import { isChanging } from "../message/note.ts";
import type { NeedBlock } from "../mailbox/mailbox.ts";

/** Bytes of a block, or of the tail, that edits and reactions can fill; removals always find room. */
const BLOCK_MAX = 48 * 1024;

/** Blocks that were read, by first position. */
export type Blocks = ReadonlyMap<number, Uint8Array>;

/** A change of a conversation as the owner of the mailbox sees it. */
export interface ChangeIn {
  readonly peer: AccountName;
  /** Whether the owner has made it, not the peer. */
  readonly out: boolean;
  readonly change: Change;
  /** The new text of an edit. */
  readonly body: string;
  /** When it was made (ms). */
  readonly at: number;
}

/**
 * Why a change has no effect: the mailbox has no such message, or none that its sender may change, or
 * no room in the block of that message.
 */
export type Ineffective = "missing" | "removed" | "large";

/** The message that a change names; `missing` where there is none that it can change. */
function targetOf(
  account: Account,
  { peer, out, change }: ChangeIn,
  blocks: Blocks,
): Message | NeedBlock | "missing" {
  const c = account.conversations.get(peer);
  const named = namedBy(change, out);
  if (c === undefined || named === null) return "missing";
  // Only who has written a message edits or removes it.
  if (change.kind !== "react" && named.out !== out) return "missing";
  const found = findMessage(account.mailbox, { peer, conversation: c.index, ...named }, blocks);
  if (found === null) return "missing";
  if ("need" in found) return found;
  return isChanging(found.ext) ? "missing" : found;
}

/** What the change makes of the message's note. */
function changed(before: Note, { change, out, at }: ChangeIn, seq: number): Note {
  if (change.kind === "remove") return { removed: true };
  if (change.kind === "edit") return { ...before, edited: at, edit: seq };
  const { own, peer, ...rest } = before;
  const emoji = change.emoji!.length === 0 ? undefined : change.emoji;
  const both = out ? { own: emoji, peer } : { own, peer: emoji };
  return {
    ...rest,
    ...(both.own === undefined ? {} : { own: both.own }),
    ...(both.peer === undefined ? {} : { peer: both.peer }),
  };
}

interface Rewrite {
  readonly seq: number;
  readonly body: string;
  readonly ext: string;
}

/** What is to be written in place of messages, for a change that gets the next position. */
function rewritesOf(account: Account, of: ChangeIn, target: Message): readonly Rewrite[] {
  const before = noteOf(target.ext) ?? (target.ext === "" ? {} : { ext: target.ext });
  const { kind } = of.change;
  const ext = withNote(changed(before, of, account.mailbox.last + 1));
  const body = kind === "edit" ? of.body : kind === "remove" ? "" : target.body;
  const rewrites: Rewrite[] = [{ seq: target.seq, body, ext }];
  // The text of the edit before is in its own message, too.
  if (kind !== "react" && before.edit !== undefined) {
    rewrites.push({ seq: before.edit, body: "", ext: withNote({ kind: "past" }) });
  }
  return rewrites;
}

/** A block with some of its messages rewritten. */
function rewriteBlock(
  { packed, spans }: PackedEvents,
  first: number,
  rewrites: readonly Rewrite[],
): Uint8Array {
  const events: Uint8Array[] = [];
  for (let i = 0; i < spans.length; i += 2) {
    const bytes = packed.subarray(spans[i]!, spans[i + 1]!);
    const rewrite = rewrites.find(({ seq }) => seq === first + i / 2);
    events.push(
      rewrite === undefined ? bytes : rewritten(bytes, rewrite.seq, rewrite.body, rewrite.ext),
    );
  }
  return encodeBlock(events);
}

/**
 * The entries that give the change its effect, where it gets the next position of the mailbox; or which
 * block has to be read first, or why it has none. Throws `CorruptBytes`.
 */
export function effectsOf(
  account: Account,
  of: ChangeIn,
  blocks: Blocks,
): readonly Entry[] | NeedBlock | Ineffective {
  const target = targetOf(account, of, blocks);
  if (target === "missing" || "need" in target) return target;
  if (noteOf(target.ext)?.removed === true) return "removed";
  const { mailbox } = account;
  const rewrites = rewritesOf(account, of, target);
  const entries: Entry[] = [];
  const sealed = rewrites.filter(({ seq }) => seq < mailbox.tailFirst);
  const inTail = rewrites.filter(({ seq }) => seq >= mailbox.tailFirst);
  const sizes: number[] = [];
  for (const first of new Set(sealed.map(({ seq }) => mailbox.blockOf(seq)!.first))) {
    const ref = mailbox.blockOf(first)!;
    const last = ref.first + ref.count - 1;
    const here = sealed.filter(({ seq }) => seq >= first && seq <= last);
    // Behind the message may be a gap, where the edit was.
    if (here.length === 0) continue;
    const events = mailbox.block(ref, blocks);
    if (events === null) return { need: first };
    const bytes = rewriteBlock(events, first, here);
    sizes.push(bytes.length);
    entries.push({ kind: "block_changed", first, bytes });
  }
  if (inTail.length > 0) {
    sizes.push(rewriteBlock(mailbox.tail(), mailbox.tailFirst, inTail).length);
    for (const rewrite of inTail) entries.push({ kind: "message_changed", ...rewrite });
  }
  if (of.change.kind !== "remove" && sizes.some((size) => size > BLOCK_MAX)) return "large";
  return entries;
}
