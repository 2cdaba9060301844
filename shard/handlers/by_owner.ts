/** Operations of users on their own accounts. */
import type { OpName } from "../ops.ts";

/** What the owner of an account does with it, who is to know of requests then. */
export const BY_OWNER: ReadonlySet<OpName> = new Set<OpName>([
  "message.send",
  "mailbox.read",
  "mailbox.snapshot",
  "mailbox.ack",
  "conversation.history",
  "mailbox.search",
  "conversation.read",
  "roster.set",
  "roster.remove",
  "roster.subscription",
  "roster.block",
  "settings.set",
  "signal.send",
]);
