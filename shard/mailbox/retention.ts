/** What of an account is over age or over count. */
import type { Account } from "../account/account.ts";
import type { Entry } from "../record/records.ts";
import type { ShardLimits } from "../limits.ts";

/** The entry that drops it, or null where there is nothing to drop. */
export function trimEntry(account: Account, wallMs: number, limits: ShardLimits): Entry | null {
  const m = account.mailbox;
  const cutoff = wallMs - limits.retentionMs;
  const blocks = m.expired(limits.mailboxEventsMax, cutoff);
  let first = blocks === m.blocks.length ? m.tailFirst : m.blocks[blocks]!.first;
  if (blocks === m.blocks.length && m.tailExpired(cutoff)) first = m.last + 1;
  const dedupeCutoff = wallMs - limits.dedupeWindowMs;
  const kept = account.dedupeBlocks.find((b) => b.lastAt >= dedupeCutoff);
  const dedupe = kept?.number ?? (account.dedupeBlocks.at(-1)?.number ?? 0) + 1;
  const nothing = first <= m.first &&
    (account.dedupeBlocks.length === 0 || dedupe <= account.dedupeBlocks[0]!.number);
  return nothing ? null : { kind: "trimmed", first, dedupe };
}
