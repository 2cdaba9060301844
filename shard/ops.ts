/**
 * The operations of a shard on one of its users, with what they take and return. All of it is plain
 * data, so that the same values travel inside one node or between nodes.
 */
import type { FactorChange, FactorProof, Factors } from "./account/factors.ts";
import type { SignInOps } from "./sign_in_ops.ts";
import type { AccountId, AccountName, Cursor, DeviceId, MailboxId, SessionId } from "./name/ids.ts";
import type {
  ExportedAccount,
  ImportedContact,
  ImportedHead,
  ImportItem,
  ImportKey,
  ImportLink,
  ImportState,
} from "./account/transfer.ts";
import type { CellOps } from "./federation/cell_ops.ts";
import type { Credentials, MessagesFrom, ScramKey } from "./record/fields.ts";
import type { HistoryPage } from "./mailbox/conversation_page.ts";
import type { MailboxBody, MailboxEvent } from "./mailbox/mailbox_event.ts";
import type { PushOps } from "./account/push_ops.ts";
import type { RosterItemView } from "./roster/roster.ts";
import type { SearchOps } from "./search/search_ops.ts";
import type { SubscriptionState } from "./roster/subscription.ts";

export type {
  Credentials,
  FactorChange,
  FactorProof,
  Factors,
  MailboxBody,
  MailboxEvent,
  MessagesFrom,
  RosterItemView,
  ScramKey,
};

/** The mechanisms a password is kept for. */
export type ScramMechanism = "SCRAM-SHA-256" | "SCRAM-SHA-1";

/** Availability as RFC 6121 section 4.7.2.1 names it; `online` is the absence of `<show/>`. */
export type Show = "online" | "chat" | "away" | "xa" | "dnd";

/** The presence of one device. */
export interface DevicePresence {
  readonly show: Show;
  /** Free text, at most `statusBytesMax`. */
  readonly status: string;
  /** −128 … 127 (RFC 6121 section 4.7.2.3). */
  readonly priority: number;
  /** Opaque text of the client, carried untouched; "" for none. */
  readonly ext: string;
}

/** A device of an account with its presence, as watchers see it. */
export interface PresenceOfDevice {
  readonly device: DeviceId;
  readonly presence: DevicePresence;
}

/** A conversation in a snapshot. */
export interface ConversationView {
  readonly with: AccountName;
  /** Mailbox position and time of its last message; 0 where none is retained. */
  readonly lastSeq: number;
  readonly lastAt: number;
  /** Incoming messages after `readUpTo`. */
  readonly unread: number;
  readonly readUpTo: number;
  /** How far the peer has got this account's messages, by message number. */
  readonly delivered: number;
  readonly read: number;
  /** Numbers of the own messages that wait for a subscription, ascending; absent for none. */
  readonly waiting?: readonly number[];
}

/** State to start a device from, as of mailbox position `seq`. */
export interface Snapshot {
  readonly seq: number;
  readonly roster: readonly RosterItemView[];
  readonly requests: readonly AccountName[];
  readonly blocked: readonly AccountName[];
  readonly conversations: readonly ConversationView[];
  readonly messagesFrom: MessagesFrom;
}

/** A contact whose presence a session may ask to watch. */
export interface WatchTarget {
  readonly name: AccountName;
  readonly id: AccountId;
}

/** How a session proves whose it is when it attaches. */
export type AttachAuth =
  | { readonly kind: "token"; readonly tokenHash: Uint8Array }
  /** The edge has verified a token of an outside issuer; it ends at `expiresAt` (ms). */
  | { readonly kind: "issuer"; readonly expiresAt: number };

/** A device in a list. */
export interface DeviceView {
  readonly device: DeviceId;
  readonly label: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly online: boolean;
}

/** What an administrator sees of an account. */
export interface AccountView {
  readonly name: AccountName;
  readonly id: AccountId;
  /** importing: not all of it exists yet. */
  readonly state: "active" | "disabled" | "deleted" | "importing";
  readonly createdAt: number;
  readonly devices: number;
  readonly sessions: number;
  readonly contacts: number;
  readonly events: number;
}

/** What an administrator sees of an invite. */
export interface InviteView {
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** Who registered with it. */
  readonly usedBy: AccountName | null;
  readonly revoked: boolean;
}

/**
 * The StoredKey (RFC 5802) that a password was checked against, so that a password changed since
 * then ends what the old one began: `unauthorized`. null where no password was asked for.
 */
export type PasswordProof = Uint8Array | null;

/** Requests about one account: name of the operation → `{in, out}`. */
export interface Ops extends CellOps, PushOps, SearchOps, SignInOps {
  /** Creates the account. `conflict` where the name is taken, deleted or closed. */
  "account.create": {
    in: {
      readonly credentials: Credentials | null;
      /** The outside identity that it is made for. */
      readonly identity?: string;
    };
    out: { readonly id: AccountId };
  };
  /**
   * Keys to check a sign-in with; null where there is no active account with a password. `known`:
   * the account has signed in from `place` before, see `KnownPlace`.
   */
  "account.credentials": {
    in: { readonly place?: number };
    out: {
      readonly id: AccountId;
      readonly credentials: Credentials;
      readonly known?: true;
    } | null;
  };
  /** Sets the password and ends every other device: tokens revoked, sessions closed. */
  "account.setCredentials": {
    in: {
      readonly credentials: Credentials;
      readonly keepDevice: DeviceId | null;
      readonly proof: PasswordProof;
    };
    out: null;
  };
  "account.setDisabled": { in: { readonly disabled: boolean }; out: null };
  /** Ends every device and session; how many there were of both, each device once. */
  "account.signOut": { in: Record<never, never>; out: { readonly devices: number } };
  "account.remove": { in: Record<never, never>; out: null };
  /** Frees the name of a removed account. `busy` while its last packets are still owed. */
  "account.release": { in: Record<never, never>; out: null };
  "account.info": { in: Record<never, never>; out: AccountView };
  /** Internal: who has this name now; null where nobody. Never shown to clients. */
  "account.resolve": { in: Record<never, never>; out: { readonly id: AccountId } | null };
  /**
   * Adds (or replaces) a device with a token. `expiresAt` in ms. `place`: from where a password was
   * proved for it, which is known from then on, see `KnownPlace`. `second_factor_required`: the
   * account has second factors, and none was proved.
   */
  "device.add": {
    in: {
      readonly device: DeviceId;
      readonly label: string;
      readonly tokenHash: Uint8Array;
      readonly expiresAt: number;
      readonly proof: PasswordProof;
      readonly place?: number;
      /** The second factor that was proved; needed where the account has any, unless `exempt`. */
      readonly factor?: FactorProof;
      /** An issuer, or who runs the server or a backend, vouches for the user. */
      readonly exempt?: true;
    };
    out: { readonly id: AccountId };
  };
  "device.list": { in: Record<never, never>; out: readonly DeviceView[] };
  /** Revokes the token and closes the session of a device. */
  "device.revoke": { in: { readonly device: DeviceId }; out: null };
  /** Whose token is this? `unauthorized` where nobody's (any more). */
  "auth.token": {
    in: { readonly tokenHash: Uint8Array };
    out: { readonly id: AccountId; readonly device: DeviceId; readonly expiresAt: number };
  };
  /** Attaches a session to its user; replaces the session that the same device had. */
  "session.attach": {
    in: {
      readonly session: SessionId;
      readonly device: DeviceId;
      readonly auth: AttachAuth;
      readonly cursor: Cursor | null;
      /** null: invisible sign-in. */
      readonly presence: DevicePresence | null;
      /** Another device of the account, whose session ends as `replaced` for this one. */
      readonly ends?: DeviceId;
      /**
       * The session is attached again, because its shard was taken over: refused as `conflict`
       * where another session has replaced it meanwhile, as `unauthorized` where its right has
       * ended.
       */
      readonly announced?: boolean;
    };
    out: {
      readonly id: AccountId;
      readonly mailboxId: MailboxId;
      /** Position of the mailbox now: every later event is pushed to the session. */
      readonly seq: number;
      /**
       * `resume`: read on from the cursor. `snapshot`: none was given. `reset`: it was not valid.
       */
      readonly mode: "resume" | "snapshot" | "reset";
      /** Present unless `resume`. */
      readonly snapshot: Snapshot | null;
      /** Whom to watch: itself, and contacts with subscription `to` or `both`. */
      readonly watch: readonly WatchTarget[];
      /** When the token ends (ms): the edge closes the session then. */
      readonly expiresAt: number;
    };
  };
  /**
   * Ends a session. Idempotent. Its presence ends at once: grace is the edge's work. `leaving`: its
   * node stops, and other nodes let the session count until its client returns. Then it does not
   * end: what is durable of its end is noted, for nobody may be there to note it later.
   */
  "session.detach": {
    in: { readonly session: SessionId; readonly leaving?: true };
    out: null;
  };
  /** null: becomes invisible (RFC 6121: unavailable while staying attached). */
  "presence.set": {
    in: { readonly session: SessionId; readonly presence: DevicePresence | null };
    out: null;
  };
  /** Accepts a message; a retry with the same id gets the first result. */
  "message.send": {
    in: {
      readonly device: DeviceId;
      readonly to: AccountName;
      readonly id: string;
      readonly body: string;
      readonly ext: string;
    };
    out: {
      readonly seq: number;
      readonly at: number;
      readonly num: number;
      /** It waits until the two accounts have a subscription. */
      readonly waits?: true;
    };
  };
  /** Events after `after`, at most `limit` and about `bytesMax`; `reset` as for cursors. */
  "mailbox.read": {
    in: {
      readonly cursor: Cursor | null;
      readonly limit: number;
      readonly bytesMax: number;
    };
    out: {
      readonly mailboxId: MailboxId;
      readonly events: readonly MailboxEvent[];
      /** The mailbox's last position; the reader is up to date when it has this one. */
      readonly seq: number;
    };
  };
  "mailbox.snapshot": {
    in: Record<never, never>;
    out: { readonly mailboxId: MailboxId; readonly snapshot: Snapshot };
  };
  /** A device has everything up to `seq`: moves `delivered` of its conversations. */
  "mailbox.ack": { in: { readonly seq: number }; out: null };
  /** Messages of one conversation, newest first with `before`, oldest first with `after`. */
  "conversation.history": {
    in: {
      readonly with: AccountName;
      /** Mailbox positions, exclusive; give one of them, or neither for the newest page. */
      readonly before: number | null;
      readonly after: number | null;
      readonly limit: number;
      /** Bytes of stored events after which the page ends. */
      readonly bytesMax: number;
    };
    /**
     * Ascending by `seq`. A page may have fewer than `limit` events, though none only without
     * `more`: another page follows in the direction of the query.
     */
    out: HistoryPage;
  };
  /** Marks everything up to mailbox position `upTo` of the conversation as read. */
  "conversation.read": {
    in: { readonly with: AccountName; readonly upTo: number };
    out: { readonly unread: number };
  };
  /** Adds or changes a contact's label and groups. */
  "roster.set": {
    in: {
      readonly contact: AccountName;
      readonly label: string;
      readonly groups: readonly string[];
    };
    out: RosterItemView;
  };
  /** Removes a contact and both subscriptions (RFC 6121 section 2.5). */
  "roster.remove": { in: { readonly contact: AccountName }; out: null };
  /**
   * One of the four subscription stanzas of RFC 6121 section 3, sent by this account. `managed`: who
   * manages the accounts asks for it, not the user: no rate holds, and a request for what the account
   * has already sends nothing.
   */
  "roster.subscription": {
    in: {
      readonly contact: AccountName;
      readonly type: "subscribe" | "subscribed" | "unsubscribe" | "unsubscribed";
      readonly managed?: true;
    };
    out: null;
  };
  "roster.block": { in: { readonly contact: AccountName; readonly blocked: boolean }; out: null };
  "settings.set": { in: { readonly messagesFrom: MessagesFrom }; out: null };
  /** Sends a signal (typing and the like) to a user's devices; never says whether it arrived. */
  "signal.send": {
    in: {
      readonly device: DeviceId;
      readonly to: AccountName;
      readonly toDevice: DeviceId | null;
      readonly type: string;
      readonly body: string;
      /** Set to tie a response to its request. */
      readonly id: string;
    };
    out: null;
  };
  /** Makes a single-use invite under the reserved name `/invite/<hash of the code>`. */
  "invite.create": { in: { readonly expiresAt: number }; out: null };
  "invite.info": { in: Record<never, never>; out: InviteView };
  /** Nobody can use it any more; `conflict` where somebody has. */
  "invite.revoke": { in: Record<never, never>; out: null };
  /** Uses the invite up for `name`; again for the same name is not an error. */
  "invite.redeem": { in: { readonly name: AccountName }; out: null };
  /** Everything of an account but its events; its credentials where they are asked for. */
  "export.account": { in: { readonly credentials: boolean }; out: ExportedAccount };
  /** Events after `after` up to `upTo`, at most `limit` and about `bytesMax`. */
  "export.events": {
    in: {
      readonly after: number;
      readonly upTo: number;
      readonly limit: number;
      readonly bytesMax: number;
    };
    out: readonly MailboxEvent[];
  };
  /** What the name holds: nothing, this import (not all of it, or all), or something else. */
  "import.look": { in: ImportKey; out: ImportState };
  /** Makes the account, which is nobody's until `import.done`. `conflict` where it is `taken`. */
  "import.begin": {
    in: ImportKey & { readonly id: AccountId; readonly account: ImportedHead };
    /** Position of its last event so far; null where all of the import exists. */
    out: { readonly last: number | null };
  };
  /** Adds to what is being imported; what exists already is no error, a gap of events is. */
  "import.append": {
    in: ImportKey & { readonly items: readonly ImportItem[] };
    out: { readonly last: number };
  };
  /** Contacts of an import whose accounts are not known: to be linked before it is done. */
  "import.roster": { in: ImportKey; out: readonly ImportedContact[] };
  /** Which account the same import made of this name, and where it stands with `asker`. */
  "import.peer": {
    in: ImportKey & { readonly asker: AccountName };
    out: { readonly id: AccountId; readonly state: SubscriptionState } | null;
  };
  /** Ties contacts to accounts; subscriptions with those that have none (`peerId` "") end. */
  "import.link": { in: ImportKey & { readonly links: readonly ImportLink[] }; out: null };
  /** From here on the account is like any other. */
  "import.done": { in: ImportKey & { readonly disabled: boolean }; out: null };
}

/** Names of the operations. */
export type OpName = keyof Ops;
