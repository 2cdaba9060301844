/** The records of an import: what they are, how they are stored, and what they change. */
import type { AccountId, AccountName, MailboxId } from "../name/ids.ts";
import type { Account } from "./account.ts";
import type { ByteReader, ByteWriter } from "../record/bytes.ts";
import type { Credentials } from "../ops.ts";
import type { ExportedConversation, ImportedHead } from "./transfer.ts";
import { Mailbox } from "../mailbox/mailbox.ts";

/** Contacts, blocks and events of an import are records like those of everybody else. */
export type ImportEntry =
  | ImportBegun
  | ({ readonly kind: "import_conversation" } & ExportedConversation)
  | { readonly kind: "import_done"; readonly disabled: boolean };

interface ImportBegun extends ImportedHead {
  readonly kind: "import_begun";
  readonly id: AccountId;
  readonly mailboxId: MailboxId;
}

/** Writes all fields but the credentials, which come last. */
export function writeImport(w: ByteWriter, e: ImportEntry): ByteWriter {
  switch (e.kind) {
    case "import_begun":
      w.str(e.id).str(e.mailboxId).uint(e.createdAt).uint(e.lastSeen);
      return w.bool(e.messagesFrom === "anyone").uint(e.first);
    case "import_conversation":
      w.str(e.with).uint(e.sent).uint(e.lastSeq).uint(e.lastAt).uint(e.lastInSeq);
      w.uint(e.unread.length);
      for (const seq of e.unread) w.uint(seq);
      return w.uint(e.unreadMore).uint(e.readUpTo).uint(e.delivered).uint(e.read);
    case "import_done":
      return w.bool(e.disabled);
  }
}

/** Reads what `writeImport` wrote, and the credentials after it. */
export function readImport(
  r: ByteReader,
  kind: ImportEntry["kind"],
  readCredentials: (r: ByteReader) => Credentials | null,
): ImportEntry {
  switch (kind) {
    case "import_begun":
      return {
        kind,
        id: r.str() as AccountId,
        mailboxId: r.str() as MailboxId,
        createdAt: r.uint(),
        lastSeen: r.uint(),
        messagesFrom: r.bool() ? "anyone" : "contacts",
        first: r.uint(),
        credentials: readCredentials(r),
      };
    case "import_conversation":
      return {
        kind,
        with: r.str() as AccountName,
        sent: r.uint(),
        lastSeq: r.uint(),
        lastAt: r.uint(),
        lastInSeq: r.uint(),
        unread: r.list(() => r.uint()),
        unreadMore: r.uint(),
        readUpTo: r.uint(),
        delivered: r.uint(),
        read: r.uint(),
      };
    case "import_done":
      return { kind, disabled: r.bool() };
  }
}

/** Changes `account` as the record says. */
export function applyImport(account: Account, e: ImportEntry): void {
  switch (e.kind) {
    case "import_begun":
      account.state = "importing";
      account.id = e.id;
      account.createdAt = e.createdAt;
      account.lastSeen = e.lastSeen;
      account.messagesFrom = e.messagesFrom;
      account.credentials = e.credentials;
      account.mailbox = new Mailbox(e.mailboxId);
      account.mailbox.tailFirst = Math.max(1, e.first);
      return;
    case "import_conversation":
      return applyConversation(account, e);
    case "import_done":
      account.state = e.disabled ? "disabled" : "active";
      return;
  }
}

function applyConversation(account: Account, e: ExportedConversation): void {
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
  c.deliveredOut = e.delivered;
  c.readOut = e.read;
}
