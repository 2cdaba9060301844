/** Forgetting an account. */
import type { AccountState } from "./account.ts";
import { DedupeWindow } from "../message/dedupe.ts";
import { Mailbox } from "../mailbox/mailbox.ts";
import type { MailboxId } from "../name/ids.ts";
import { NO_PUSH_MARKS, NO_PUSH_TARGETS } from "./push_targets.ts";

/** Forgets what belongs to the account id; the name, its state and the outbox stay. */
export function clearAccount(account: AccountState): void {
  const { id, dedupe } = account;
  if (id !== "") {
    account.purge.push({
      id,
      blocks: [...account.mailbox.blocks.map((b) => b.first), ...account.mailbox.dropped],
      dedupe: [],
    });
    const ranges = [...dedupe.takeDropped(), ...dedupe.stored];
    account.purgedRanges.push(...ranges.map((range) => ({ id, ...range })));
  }
  account.credentials = null;
  account.leaving = null;
  account.devices = [];
  account.mailbox = new Mailbox(account.mailbox.id);
  account.knownPlaces = [];
  account.identities = [];
  account.factors = null;
  account.pushTargets = NO_PUSH_TARGETS;
  account.pushMarks = NO_PUSH_MARKS;
  account.roster.clear();
  account.withheldRequests = 0;
  account.blocked.clear();
  for (const peer of account.undelivered) account.lazyConversations.touch(peer);
  account.undelivered.clear();
  account.unread.clear();
  account.waiting.clear();
  account.dedupe = new DedupeWindow("", dedupe.shape);
  account.messagesFrom = "contacts";
  account.lastSeen = 0;
  account.ackedSeq = 0;
}

/** As if there never had been an account, but for what is known of its name. */
export function emptyAccount(account: AccountState): void {
  clearAccount(account);
  account.createdAt = 0;
  account.invite = null;
  account.mailbox = new Mailbox("" as MailboxId);
  account.clearConversations();
  account.outbox.clear();
  account.outboxBytes = 0;
  account.state = "absent";
  account.id = "";
}
