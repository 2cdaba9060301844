/**
 * One user as a shard holds it: everything durable, in memory while in use. Mutated only by
 * applying records (`apply.ts`), so that replaying a log gives the same state.
 */
import type { AccountId, AccountName, DeviceId, MailboxId } from "../name/ids.ts";
import type { Credentials, MessagesFrom } from "../ops.ts";
import type { Payload } from "../message/packets.ts";
import type { RosterItem } from "../roster/roster.ts";
import type { Rights } from "../roster/rights.ts";
import { Conversation } from "../mailbox/conversation.ts";
import { LazyMap } from "./lazy_map.ts";
import { Mailbox } from "../mailbox/mailbox.ts";

/** A signed-in client of the account. */
export interface Device {
  readonly device: DeviceId;
  readonly label: string;
  /** SHA-256 of the token. */
  readonly tokenHash: Uint8Array;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** When a session of it last ended (ms); 0 where none has, or a former version did not note it. */
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

/** Packets owed to one account. */
export interface OutboxQueue {
  readonly to: AccountName;
  readonly toId: AccountId;
  /** Ascending by `n`, without gaps. */
  entries: OutboxEntry[];
  /** Not stored: highest `n` sent since the last (re)start, attempts without an ack. */
  sentTo: number;
  attempts: number;
}

/** The result that a repetition of a message id gets. */
export interface SentBefore {
  readonly seq: number;
  readonly at: number;
  readonly num: number;
}

/** Message ids of the dedupe window, in blocks that the store keeps apart from the account. */
export interface DedupeBlock {
  readonly number: number;
  /** Time of its first and last entry (ms). */
  readonly firstAt: number;
  readonly lastAt: number;
  readonly count: number;
}

/**
 * absent: no such account and never was. closed: removed, the name is not free. importing: not all
 * of it is there, and to everybody else there is nobody.
 */
export type AccountState = "absent" | "active" | "disabled" | "closed" | "invite" | "importing";

/** One account. */
export class Account {
  readonly name: AccountName;
  readonly point: number;
  state: AccountState = "absent";
  id: AccountId | "" = "";
  createdAt = 0;
  credentials: Credentials | null = null;
  devices: Device[] = [];
  mailbox = new Mailbox("" as MailboxId);
  readonly lazyRoster = new LazyMap<RosterItem>();
  blocked = new Map<AccountName, Block>();
  readonly lazyConversations = new LazyMap<Conversation>();
  /** Not stored: who may see it by contacts that nobody has looked at singly; null: not asked yet. */
  watcherIds: Rights | null = null;
  outbox = new Map<AccountName, OutboxQueue>();
  messagesFrom: MessagesFrom = "contacts";
  lastSeen = 0;
  /** Highest mailbox position a device has confirmed. */
  ackedSeq = 0;
  /** Conversations with messages that no device has confirmed. */
  undelivered = new Set<AccountName>();
  /** An invite's expiry (ms) and, once used, by whom. */
  invite: { expiresAt: number; usedBy: string } | null = null;

  dedupe = new Map<string, SentBefore>();
  dedupeBlocks: DedupeBlock[] = [];
  /** Whether `dedupe` holds the entries of the stored blocks too. */
  dedupeComplete = true;
  /** Dedupe entries of the last block, which a checkpoint writes again. */
  dedupeOpen: [string, SentBefore][] = [];
  /** Dedupe blocks that no checkpoint has written yet. */
  readonly dedupeUnsaved = new Map<number, [string, SentBefore][]>();
  /** Numbers of dropped dedupe blocks that the store may still hold. */
  dedupeDropped: number[] = [];
  /** Rows of a former account of this name that the next checkpoint deletes. */
  purge: PurgedRows[] = [];

  /** Not stored: peers that are owed a receipt. */
  readonly owed = new Set<AccountName>();
  /** Not stored: attempts to get those receipts acked. */
  owedAttempts = 0;
  /** Not stored: monotonic time at which the allowance of subscription requests is full again. */
  requestsFullAtMs = 0;
  /** Not stored: monotonic time at which the allowance of characters to send is full again. */
  sentFullAtMs = 0;
  /** Not stored: monotonic time at which the allowance of incoming messages is full again. */
  inboundFullAtMs = 0;

  /** Not stored: about how many bytes its head takes, and those of `outbox` alone. */
  headBytes = 0;
  outboxBytes = 0;

  /** LSN that the stored checkpoint includes. */
  savedLsn = 0;
  /** Rows the stored checkpoint has; the rest are deleted when it shrinks. */
  savedChunks = 0;
  /** Whether the store marks it as owing packets or receipts. */
  savedOwes = false;
  /** Commit batch that the newest change belongs to. */
  batch = 0;
  /** First LSN that no checkpoint includes; 0 when clean. */
  dirtyLsn = 0;
  /** Monotonic time of last use, for eviction. */
  usedMs = 0;

  constructor(name: AccountName, point: number) {
    this.name = name;
    this.point = point;
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
  get roster(): Map<AccountName, RosterItem> {
    return this.lazyRoster.map;
  }

  /** Its conversations by the peer's name. */
  get conversations(): Map<AccountName, Conversation> {
    return this.lazyConversations.map;
  }

  /** The conversation with a peer, made when there is none. */
  conversation(peer: AccountName): Conversation {
    const { conversations } = this;
    let c = conversations.get(peer);
    if (c === undefined) {
      c = new Conversation(peer, conversations.size);
      conversations.set(peer, c);
    }
    return c;
  }
}

/** Rows under an account id that no account refers to any more. */
export interface PurgedRows {
  readonly id: AccountId;
  readonly blocks: readonly number[];
  readonly dedupe: readonly number[];
}
