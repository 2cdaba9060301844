/** What of an account is over age or over count. */
import type { Account } from "../account/account.ts";
import type { Entry } from "../account/records.ts";
import type { ShardLimits } from "../limits.ts";
import { isKept } from "../account/kept_blocks.ts";
import { KEPT_BLOCKS_MAX } from "../mailbox/mailbox.ts";

/**
 * The entry that drops it, or null where there is nothing to drop. Events go by age and by count;
 * blocks with unread messages go by age alone, which is what the operator has said of how long texts
 * are stored. Quotas keep those blocks few: more than `KEPT_BLOCKS_MAX` are the account's own doing.
 */
export function trimEntry(account: Account, wallMs: number, limits: ShardLimits): Entry | null {
  const m = account.mailbox;
  const cutoff = wallMs - limits.retentionMs;
  const blocks = m.expired(limits.mailboxEventsMax, cutoff);
  let first = blocks === m.blocks.length ? m.tailFirst : m.blocks[blocks]!.first;
  if (blocks === m.blocks.length && m.tailExpired(cutoff)) first = m.last + 1;
  const dedupe = account.dedupe.expired(wallMs - limits.dedupeWindowMs);
  const old = m.blocks.slice(0, blocks);
  const kept = old.filter(isKept(account, 1)).filter((b) => b.lastAt >= cutoff)
    .slice(-KEPT_BLOCKS_MAX);
  const nothing = first <= m.first && kept.length === old.length && dedupe <= account.dedupe.first;
  return nothing ? null : { kind: "trimmed", first, dedupe, unreadFrom: kept[0]?.first ?? first };
}
