/** Changes that a peer makes: what they do to the recipient's mailbox. */
import type { Account } from "../account/account.ts";
import type { AccountName } from "../name/ids.ts";
import { type Blocks, effectsOf } from "./changes.ts";
import type { Change } from "../message/note.ts";
import type { Entry } from "../account/records.ts";
import { FewMap } from "../account/few.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { Turn } from "./turn.ts";

/**
 * Changes of one peer since the owner last read or wrote in the conversation, at most: each is an event
 * of the mailbox that no quota of unread messages counts.
 */
const CHANGES_MAX = 250;
const NO_BLOCKS: Blocks = new Map();

/** The effects of what is no change. */
export const NO_EFFECTS: readonly Entry[] = [];

/** The blocks of the mailbox that were read for a packet, and the one that it needs next. */
export class MailNeeded {
  readonly blocks: Blocks;
  /** A block that it needs is damaged: what is named there counts as missing. */
  readonly damaged: boolean;
  /** First position of the block without which the packet was not taken; null: it was. */
  need: number | null = null;

  constructor(blocks = NO_BLOCKS, damaged = false) {
    this.blocks = blocks;
    this.damaged = damaged;
  }
}

/**
 * What a change does to the mailbox. A text is the reason for which it is refused; null: a block has to
 * be read first, see `mail.need`.
 */
export function peerEffects(
  turn: Turn,
  account: Account,
  { from, payload }: ShardPacket & { kind: "pair" },
  change: Change,
  mail: MailNeeded,
): readonly Entry[] | string | null {
  if (payload.kind !== "message") return NO_EFFECTS;
  const at = turn.eventTime(account);
  const of = { peer: from, out: false, change, body: payload.body, at };
  const effects = effectsOf(account, of, mail.blocks);
  if (effects === "large") return "too_large";
  if (typeof effects === "string") return "not_found";
  if (!("need" in effects)) return effects;
  if (mail.damaged) return "not_found";
  mail.need = effects.need;
  return null;
}

/** Counts a change of a peer; returns whether it may make one more. */
export function mayChange({ runtime }: Account, peer: AccountName): boolean {
  const counts = runtime.changesOf ??= new FewMap();
  const count = counts.get(peer) ?? 0;
  if (count >= CHANGES_MAX) return false;
  counts.set(peer, count + 1);
  return true;
}
