/** What of an account is over age or over count. */
import type { Account } from "../account/account.ts";
import type { Entry } from "../account/records.ts";
import type { ShardLimits } from "../limits.ts";

/** The entry that drops it, or null where there is nothing to drop. */
export function trimEntry(account: Account, wallMs: number, limits: ShardLimits): Entry | null {
  const m = account.mailbox;
  const cutoff = wallMs - limits.retentionMs;
  const blocks = m.expired(limits.mailboxEventsMax, cutoff);
  let first = blocks === m.blocks.length ? m.tailFirst : m.blocks[blocks]!.first;
  if (blocks === m.blocks.length && m.tailExpired(cutoff)) first = m.last + 1;
  const dedupe = account.dedupe.expired(wallMs - limits.dedupeWindowMs);
  const nothing = first <= m.first && dedupe <= account.dedupe.first;
  return nothing ? null : { kind: "trimmed", first, dedupe };
}
