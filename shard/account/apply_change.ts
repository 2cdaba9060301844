/** Replaces what is stored of messages that others have changed. */
import type { AccountState } from "./account.ts";
import type { Entry } from "./records.ts";
import { countBlock } from "../mailbox/mailbox_event.ts";

/**
 * A program of an earlier version, which skips these entries, may have sealed other blocks meanwhile:
 * then the message is not where the entry has it, and stays as that program left it.
 */
export function applyChange(
  { mailbox }: AccountState,
  e: Entry & { kind: "message_changed" | "block_changed" },
): void {
  if (e.kind === "message_changed") {
    if (mailbox.isMessage(e.seq)) mailbox.rewrite(e.seq, e.body, e.ext);
    return;
  }
  const ref = mailbox.blocks.find(({ first }) => first === e.first);
  if (ref !== undefined && countBlock(e.bytes) === ref.count) {
    mailbox.replaceBlock(e.first, e.bytes);
  }
}
