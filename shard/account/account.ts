/**
 * One user as a shard holds it while in use. `AccountState` is its durable state, which follows
 * from the log: only `apply.ts` changes it, and `checkpoint.ts` reads it back. Everything else gets
 * it as an `Account`, which is readonly. `AccountRuntime` is what is noted of it besides.
 */
import type { AccountId, AccountName, DeviceId, MailboxId } from "../name/ids.ts";
import type { Credentials, MessagesFrom } from "../record/fields.ts";
import type { Factors } from "./factors.ts";
import type { Payload } from "../message/packets.ts";
import type { RosterItem } from "../roster/roster.ts";
import type { DroppedRows } from "../message/dedupe_rows.ts";
import type { KnownPlace } from "./known_places.ts";
import type { Arrival } from "./arrival.ts";
import type { Leaving, MovedRowId } from "../federation/move_message.ts";
import type { NameRegister } from "../federation/name_register.ts";
import { FewMap, FewSet, type ReadonlyFewMap, type ReadonlyFewSet } from "./few.ts";
import { DEDUPE_SHAPE, DedupeWindow, type ReadonlyDedupeWindow } from "../message/dedupe.ts";
import { AccountRuntime } from "./account_runtime.ts";
import { Conversation, type ReadonlyConversation } from "../mailbox/conversation.ts";
import { HEAD_SHAPE, type HeadShape } from "./head_pages.ts";
import { type Items, LazyMap, type ReadonlyItems, type ReadonlyLazyMap } from "./lazy_map.ts";
import {
  forgetPushMark,
  NO_PUSH_MARKS,
  NO_PUSH_TARGETS,
  type PushMark,
  type PushTarget,
} from "./push_targets.ts";
import { Mailbox, type ReadonlyMailbox } from "../mailbox/mailbox.ts";
import { type ReadonlyUnreadMail, UnreadMail } from "./unread_mail.ts";

/** A signed-in client of the account. */
export interface Device {
  readonly device: DeviceId;
  readonly label: string;
  /** SHA-256 of the token. */
  readonly tokenHash: Uint8Array;
  readonly createdAt: number;
  readonly expiresAt: number;
  /**
   * When a session of it last ended (ms); 0 where none has, or a former version did not note it.
   */
  readonly usedAt: number;
}

/** Somebody the account has blocked. */
export interface Block {
  /** The account that could see this one's presence until then; "" where none could. */
  readonly peerId: AccountId | "";
  /** What that account goes on being shown as the time this one was last seen (ms). */
  readonly lastSeen: number;
}

/** A packet that the recipient's shard has not acked yet. */
export interface OutboxEntry {
  readonly n: number;
  readonly payload: Payload;
}

/** A row of an account that moves here. */
export interface ArrivingRow {
  readonly table: MovedRowId["table"] | "u";
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** Packets owed to one account. */
export interface OutboxQueue {
  readonly to: AccountName;
  readonly toId: AccountId;
  /** Ascending by `n`, without gaps. */
  entries: OutboxEntry[];
}

/** A message that waits until the recipient accepts the sender's request. */
export interface WaitingMessage {
  /** The account that may get it; "" where none had the name. */
  readonly toId: AccountId | "";
  /** When it was sent (ms). */
  readonly at: number;
  /** The sender's number of it. */
  readonly num: number;
  readonly id: string;
  readonly body: string;
  readonly ext: string;
}

/**
 * absent: no such account and never was. closed: removed, the name is not free. importing: not all
 * of it exists, and to everybody else there is nobody.
 */
export type AccountStatus = "absent" | "active" | "disabled" | "closed" | "invite" | "importing";

/** One array for all accounts without a known place. */
const NO_PLACES: readonly KnownPlace[] = [];

/** The same for accounts that no outside identity signs in to. */
const NO_IDENTITIES: readonly string[] = [];

/** The durable state of one account. */
export class AccountState {
  readonly name: AccountName;
  readonly point: number;
  state: AccountStatus = "absent";
  id: AccountId | "" = "";
  createdAt = 0;
  credentials: Credentials | null = null;
  devices: Device[] = [];
  /** Where it has signed in from with its password; the last used one is the last. */
  knownPlaces: readonly KnownPlace[] = NO_PLACES;
  /** Who signs in to it by an outside issuer or directory, see `identity_ops.ts`. */
  identities: readonly string[] = NO_IDENTITIES;
  /** What a sign-in by password has to prove besides; null: nothing. */
  factors: Factors | null = null;
  /** Where its push messages go; the one that was set last is the last. */
  pushTargets: readonly PushTarget[] = NO_PUSH_TARGETS;
  /** Conversations with unread messages of which a push message is owed or was sent. */
  pushMarks: ReadonlyMap<AccountName, PushMark> = NO_PUSH_MARKS;
  mailbox = new Mailbox("" as MailboxId);
  readonly lazyRoster = new LazyMap<RosterItem>();
  readonly lazyBlocked = new LazyMap<Block>();
  readonly lazyConversations = new LazyMap<Conversation>();
  /** How many pairs were forgotten: a packet for a pair without a record has to name this number. */
  pairGeneration = 0;
  /** Pair numbers of outgoing packets start above this: no forgotten pair has used a higher one. */
  pairOutFloor = 0;
  /** Index numbers of forgotten conversations, descending: new conversations take the lowest. */
  freeIndexes: number[] = [];
  outbox = new FewMap<AccountName, OutboxQueue>();
  messagesFrom: MessagesFrom = "contacts";
  lastSeen = 0;
  /** Highest mailbox position a device has confirmed. */
  ackedSeq = 0;
  /** Conversations with messages that no device has confirmed. */
  undelivered = new FewSet<AccountName>();
  /** Contacts whose request is withheld: see `RosterItem.withheld`. */
  withheldRequests = 0;
  /** Unread messages that retention keeps. */
  readonly unread = new UnreadMail();
  /** An invite's expiry (ms) and, once used, by whom. */
  invite: { expiresAt: number; usedBy: string } | null = null;
  /** Which cell is the home of the name: it stays when the account ends. Null in a lone cell. */
  register: NameRegister | null = null;
  /** Its home is about to be another cell; null: it stays. */
  leaving: Leaving | null = null;
  /** What an account of this name has brought that moves here; null: none does. */
  arrival: Arrival | null = null;
  /** Rows of that which no checkpoint has written yet; `u`: parts of the head. */
  readonly arriving = new Map<string, ArrivingRow>();

  /** What it has sent within the dedupe window. */
  dedupe: DedupeWindow;
  /** Rows of a former account of this name that the next checkpoint deletes. */
  purge: PurgedRows[] = [];
  /** Rows of dedupe windows, this account's and former ones', that the next checkpoint deletes. */
  purgedRanges: PurgedRange[] = [];

  /** About how many bytes `outbox` takes. */
  outboxBytes = 0;
  /** Messages that wait with a request, by recipient; ascending by number. */
  waiting = new Map<AccountName, readonly WaitingMessage[]>();
  /** How its head is divided into pages. */
  readonly headShape: HeadShape;
  /** Not part of the durable state. */
  readonly runtime = new AccountRuntime();

  constructor(
    name: AccountName,
    point: number,
    dedupeShape = DEDUPE_SHAPE,
    headShape = HEAD_SHAPE,
  ) {
    this.name = name;
    this.point = point;
    this.headShape = headShape;
    this.dedupe = new DedupeWindow("", dedupeShape);
  }

  /** Whether it is somebody's: a disabled account still takes what is for it. */
  get alive(): boolean {
    return this.state === "active" || this.state === "disabled";
  }

  /** Whether it can sign in and send. */
  get active(): boolean {
    return this.state === "active";
  }

  /** Its contacts by name, and those who ask to be. */
  get roster(): Items<RosterItem> {
    return this.lazyRoster.map;
  }

  /** Whom it has blocked. */
  get blocked(): Items<Block> {
    return this.lazyBlocked.map;
  }

  /** Its conversations by the peer's name. */
  get conversations(): Items<Conversation> {
    return this.lazyConversations.map;
  }

  /** The conversation with a peer, to be changed; made when none exists. */
  conversation(peer: AccountName): Conversation {
    const { conversations } = this;
    let c = conversations.get(peer);
    if (c === undefined) {
      c = new Conversation(peer, this.freeIndexes.pop() ?? conversations.size);
      c.pairOut = this.pairOutFloor;
      conversations.set(peer, c);
    } else this.lazyConversations.touch(peer);
    return c;
  }

  /** Deletes the records of all peers, and what stays of them: as if the account had had none. */
  clearConversations(): void {
    this.conversations.clear();
    this.pairGeneration = 0;
    this.pairOutFloor = 0;
    this.freeIndexes = [];
  }

  /** Deletes the record of a peer; no mailbox event of it is retained, so its index is free. */
  forgetConversation(peer: AccountName): void {
    const c = this.conversations.get(peer);
    if (c === undefined) return;
    this.conversations.delete(peer);
    this.undelivered.delete(peer);
    forgetPushMark(this, peer);
    this.unread.settle(c.index, Infinity);
    this.pairGeneration++;
    this.pairOutFloor = Math.max(this.pairOutFloor, c.pairOut);
    this.freeIndexes.push(c.index);
    this.freeIndexes.sort((a, b) => b - a);
  }
}

/** The parts of an account that could be changed in place, as readonly ones. */
interface AccountParts {
  readonly devices: readonly Device[];
  readonly mailbox: ReadonlyMailbox;
  readonly lazyRoster: ReadonlyLazyMap<RosterItem>;
  readonly roster: ReadonlyItems<RosterItem>;
  readonly lazyBlocked: ReadonlyLazyMap<Block>;
  readonly blocked: ReadonlyItems<Block>;
  readonly lazyConversations: ReadonlyLazyMap<ReadonlyConversation>;
  readonly conversations: ReadonlyItems<ReadonlyConversation>;
  readonly freeIndexes: readonly number[];
  readonly outbox: ReadonlyFewMap<AccountName, ReadonlyQueue>;
  readonly waiting: ReadonlyMap<AccountName, readonly WaitingMessage[]>;
  readonly undelivered: ReadonlyFewSet<AccountName>;
  readonly unread: ReadonlyUnreadMail;
  readonly dedupe: ReadonlyDedupeWindow;
  readonly purge: readonly PurgedRows[];
  readonly purgedRanges: readonly PurgedRange[];
  readonly arriving: ReadonlyMap<string, ArrivingRow>;
}

/** Packets owed to one account, for everybody but `apply`. */
export type ReadonlyQueue = Readonly<Omit<OutboxQueue, "entries">> & {
  readonly entries: readonly OutboxEntry[];
};

/**
 * An account for everybody but `apply`: its durable state cannot be changed, its runtime state can.
 */
export interface Account extends
  AccountParts,
  Readonly<
    Omit<
      AccountState,
      keyof AccountParts | "conversation" | "clearConversations" | "forgetConversation"
    >
  > {}

/** Rows under an account id that no account refers to any more. */
export interface PurgedRows {
  readonly id: AccountId;
  readonly blocks: readonly number[];
  /** Numbers of dedupe blocks, as former versions noted them. */
  readonly dedupe: readonly number[];
}

/** Rows of the dedupe window of such an id. */
export interface PurgedRange extends DroppedRows {
  readonly id: AccountId;
}
