/** What the records of an import change. */
import type { AccountState } from "./account.ts";
import type { Entry } from "./records.ts";
import type { ExportedConversation } from "./transfer.ts";
import { DedupeWindow } from "../message/dedupe.ts";
import { Mailbox } from "../mailbox/mailbox.ts";
import { unreadOf } from "./kept_blocks.ts";

/** Contacts, blocks and events of an import are records like those of everybody else. */
type ImportEntry = Entry & {
  readonly kind: "import_begun" | "import_conversation" | "import_done";
};

/** Throws where the event at `seq` is not the next one; an import may have a gap before it. */
export function assertSeq(account: AccountState, seq: number): void {
  if (account.state === "importing") skipGap(account, seq);
  const next = account.mailbox.last + 1;
  if (seq !== next) throw new Error(`mailbox of ${account.id}: event ${seq} after ${next - 1}`);
}

/** Changes `account` as the record says. */
export function applyImport(account: AccountState, e: ImportEntry): void {
  switch (e.kind) {
    case "import_begun":
      account.state = "importing";
      account.id = e.id;
      account.createdAt = e.createdAt;
      account.lastSeen = e.lastSeen;
      account.messagesFrom = e.messagesFrom;
      account.credentials = e.credentials;
      account.mailbox = new Mailbox(e.mailboxId);
      account.dedupe = new DedupeWindow(e.id, account.dedupe.shape);
      account.mailbox.tailFirst = Math.max(1, e.first);
      if (e.keptFrom > 0 && e.keptFrom < e.first) {
        account.mailbox.tailFirst = e.keptFrom;
        account.mailbox.gapsBefore = e.first;
      }
      return;
    case "import_conversation":
      return applyConversation(account, e);
    case "import_done":
      skipGap(account, account.mailbox.gapsBefore);
      account.state = e.disabled ? "disabled" : "active";
      return;
  }
}

/** The next event of an import is at `seq`: those before `gapsBefore` have gaps between them. */
function skipGap({ mailbox }: AccountState, seq: number): void {
  const gap = mailbox.last + 1 < seq && seq <= mailbox.gapsBefore;
  // A block is on one side of `gapsBefore`.
  const border = mailbox.last + 1 === seq && seq === mailbox.gapsBefore;
  if (gap || border) mailbox.skipTo(seq);
}

function applyConversation(account: AccountState, e: ExportedConversation): void {
  const c = account.conversation(e.with);
  c.outNum = e.sent;
  c.lastSeq = e.lastSeq;
  c.lastAt = e.lastAt;
  c.lastInSeq = e.lastInSeq;
  // The numbers were another account's: nobody waits for receipts of them.
  c.lastInNum = 0;
  c.unread = e.unread.map((seq) => ({ seq, num: 0 }));
  c.unreadMore = e.unreadMore;
  c.readUpTo = e.readUpTo;
  const unread = unreadOf(c, account.mailbox.keptFirst);
  if (unread !== null) account.unread.restore(unread);
  c.deliveredOut = e.delivered;
  c.readOut = e.read;
}
