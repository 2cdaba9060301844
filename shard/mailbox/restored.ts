/** What a store that was restored from a backup shows in place of its mailboxes' ids. */
import type { MailboxId } from "../name/ids.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/**
 * The id under which clients know a mailbox: its own, or in a restored store another one for each
 * restore. Devices have seen events that the backup does not hold; the same positions will be other
 * events from now on, so that no cursor from before may be continued (it is answered `reset`).
 * `tag`: 16 characters of base64url; "" where the store was never restored.
 */
export function shownMailboxId(id: MailboxId, tag: string): MailboxId {
  if (tag === "") return id;
  let shown = "";
  for (let i = 0; i < id.length; i++) {
    shown += ALPHABET[ALPHABET.indexOf(id[i]!) ^ ALPHABET.indexOf(tag[i]!)]!;
  }
  return shown as MailboxId;
}
