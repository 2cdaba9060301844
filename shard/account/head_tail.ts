/** The last events of an account, which are part of its head: read without the rest of it. */
import type { AccountId, AccountName } from "../name/ids.ts";
import { AccountState } from "./account.ts";
import { ByteReader } from "../record/bytes.ts";
import { CHUNK_BYTES } from "./head_rows.ts";
import { decodeBlock } from "../mailbox/mailbox_event.ts";
import { decodeHead } from "./head.ts";
import { decodePagedStart } from "./head_paged.ts";
import { isPagedHead } from "./head_version.ts";
import { pointOf } from "../name/ids.ts";

/** The events behind an account's sealed blocks. */
export interface HeadTail {
  readonly id: AccountId;
  /** As in a mailbox block, oldest first. */
  readonly events: readonly Uint8Array[];
}

/**
 * Reads the first row of a head; null where the name has no account, or where the head of an earlier
 * version is in several rows without pages. Throws `CorruptBytes`.
 */
export function headTail(name: AccountName, first: Uint8Array): HeadTail | null {
  const account = new AccountState(name, pointOf(name));
  if (isPagedHead(first)) decodePagedStart(account, new ByteReader(first));
  else if (first.length >= CHUNK_BYTES) return null;
  else decodeHead(account, first);
  if (account.id === "") return null;
  return { id: account.id, events: decodeBlock(account.mailbox.encodeTail()) };
}
