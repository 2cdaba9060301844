/** Appends what has come to a mailbox. */
import type { MailboxBody, MailboxEvent } from "../mailbox/mailbox_event.ts";
import type { AccountState } from "./account.ts";
import { isChanging } from "../message/note.ts";

/** The index of events that no conversation has. */
export const NO_CONVERSATION = -1;

/** Appends an event to the mailbox, and to its conversation where it is one of those that pages show. */
export function appendEvent(account: AccountState, at: number, body: MailboxBody): MailboxEvent {
  const converses = body.kind === "undelivered" ||
    body.kind === "message" && !isChanging(body.ext);
  const index = converses ? account.conversation(body.with).index : NO_CONVERSATION;
  return account.mailbox.append(at, body, index);
}
