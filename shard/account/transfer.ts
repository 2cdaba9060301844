/** What an account is made of when it leaves a server as a file, or comes from one. */
import type { AccountId, AccountName, DeviceId, MailboxId } from "../name/ids.ts";
import type { Credentials, MessagesFrom } from "../record/fields.ts";
import type { MailboxEvent } from "../mailbox/mailbox_event.ts";
import type { SubscriptionState } from "../roster/subscription.ts";

/** A contact, or a mere request of somebody who is none (`listed` false). */
export interface ExportedContact {
  readonly contact: AccountName;
  readonly label: string;
  readonly groups: readonly string[];
  readonly state: SubscriptionState;
  readonly listed: boolean;
}

/** A conversation's marks. Numbers of pairs, which belong to account ids, are left out. */
export interface ExportedConversation {
  readonly with: AccountName;
  /** Messages sent in it, whose numbers go on from here. */
  readonly sent: number;
  /** Mailbox position and time of its last message; 0 where there is none. */
  readonly lastSeq: number;
  readonly lastAt: number;
  /** Mailbox position of its last incoming message. */
  readonly lastInSeq: number;
  /** Positions of unread messages, and how many unread ones there are before them. */
  readonly unread: readonly number[];
  readonly unreadMore: number;
  readonly readUpTo: number;
  /** How far the peer has got this account's messages, by message number. */
  readonly delivered: number;
  readonly read: number;
  /** Messages that waited for an answer to the account's request: no receipt may cover them. */
  readonly waiting?: readonly { readonly num: number; readonly id: string }[];
}

/** What an account is before it has anything. */
export interface ImportedHead {
  /** When it was created (ms since 1970). */
  readonly createdAt: number;
  readonly lastSeen: number;
  readonly messagesFrom: MessagesFrom;
  readonly credentials: Credentials | null;
  /** Position of the first event from which on none is missing. */
  readonly first: number;
  /** Position of the first event before `first`: these are kept for unread messages, with gaps. */
  readonly keptFrom?: number;
}

/** A device, without what it signs in with; times in ms since 1970. */
export interface ExportedDevice {
  readonly device: DeviceId;
  readonly label: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** When a session of it last ended; 0: never. */
  readonly usedAt: number;
}

/** An account without its events: all from `first` to `last`, and some from `keptFrom` on. */
export interface ExportedAccount extends ImportedHead {
  readonly state: "active" | "disabled";
  readonly last: number;
  /** For the person to see: an import has no devices, for nobody has its tokens. */
  readonly devices: readonly ExportedDevice[];
  readonly contacts: readonly ExportedContact[];
  readonly blocked: readonly AccountName[];
  readonly conversations: readonly ExportedConversation[];
}

/** Tells an import from all others: which file, which account in it, under which name. */
export interface ImportKey {
  /** The mailbox's id, which follows from those. */
  readonly key: MailboxId;
}

/** See `import.look`. */
export type ImportState = "free" | "importing" | "done" | "taken";

/** One thing to add to an account. */
export type ImportItem =
  | { readonly kind: "contact"; readonly contact: ExportedContact }
  | { readonly kind: "blocked"; readonly contact: AccountName }
  | { readonly kind: "conversation"; readonly conversation: ExportedConversation }
  | { readonly kind: "event"; readonly event: MailboxEvent };

/** A contact that has to be linked. */
export interface ImportedContact {
  readonly contact: AccountName;
  readonly state: SubscriptionState;
}

/** Whose account a contact is, and what the subscriptions with it are. */
export interface ImportLink extends ImportedContact {
  readonly peerId: AccountId | "";
}
