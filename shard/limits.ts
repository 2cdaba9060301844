import type { DedupeShape } from "./message/dedupe.ts";
import type { HeadShape } from "./account/head_pages.ts";

/** Longest a request stays without a reply (ms): its outcome is then unknown to the caller. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** The bounds of a shard, with units. The caller gives all of them: no bound has a default here. */
export interface ShardLimits {
  readonly sessionsPerAccountMax: number;
  readonly devicesPerAccountMax: number;
  /** Roster items, pending incoming requests not counted. */
  readonly rosterMax: number;
  /** Unanswered requests of accounts that are no roster items. */
  readonly pendingRequestsMax: number;
  readonly blockedMax: number;
  /** Conversations that others may begin with an account; it may itself begin as many more. */
  readonly conversationsMax: number;
  /** Unacked packets to one peer before sends to it are refused. */
  readonly outboxPerPeerMax: number;
  /** Characters of unacked messages of one account, to all peers, before sends are refused. */
  readonly outboxCharsMax: number;
  /** Bytes of contacts, conversations and the rest of an account's head. */
  readonly headBytesMax: number;
  /** Bytes beyond `headBytesMax` that only blocks may take: an account without room can still block. */
  readonly blockBytesMax: number;
  /** Packets to one peer on their way at once. */
  readonly outboxWindow: number;
  /** Subscription requests: one per this many ms on average, in bursts of … */
  readonly subscriptionRequestMs: number;
  readonly subscriptionRequestBurst: number;
  /** Events of one peer's incoming requests: one per this many ms on average, in bursts of … */
  readonly requestEventMs: number;
  readonly requestEventBurst: number;
  /** Messages that may wait for the answer to one request, and their characters. */
  readonly waitingMessagesMax: number;
  readonly waitingCharsMax: number;
  /** Characters of one account's messages that wait for answers to all its requests. */
  readonly waitingTotalCharsMax: number;
  /** A message that has waited for so long (ms) is `undelivered`. */
  readonly waitingMs: number;
  /** Incoming messages of one account: one per this many ms on average, in bursts of … */
  readonly inboundMessageMs: number;
  readonly inboundMessageBurst: number;
  /** What searches of one account read: one KiB per this many ms on average, in bursts of … */
  readonly searchedKibMs: number;
  readonly searchedKibBurst: number;
  readonly mailboxEventsMax: number;
  readonly retentionMs: number;
  /** For so long a repeated send gets the first result. */
  readonly dedupeWindowMs: number;
  /** Messages that an account can send within it; 12 to 16 bytes of memory each. */
  readonly dedupeEntriesMax: number;
  readonly dedupeShape: DedupeShape;
  readonly headShape: HeadShape;
  /** Delay within which delivery receipts of a conversation are merged. */
  readonly receiptDelayMs: number;
  /** A push message is sent if nobody is at a device for so long after a message (ms). */
  readonly pushGraceMs: number;
  /** A message that is older (ms) is worth none any more. */
  readonly pushAgeMaxMs: number;
  /** An unused account leaves memory after this. */
  readonly cacheIdleMs: number;
  /** Accounts in memory above which the least recently used clean ones leave earlier. */
  readonly cacheAccountsMax: number;
  /** A change is checkpointed at most this long after it was committed. */
  readonly checkpointMs: number;
  /** 16 characters of an id: the store was restored from a backup, see `shownMailboxId`; "": never. */
  readonly restoreTag: string;
}

/** The part of `headBytesMax` that others may fill: the rest is for the account's own acts. */
export const OTHERS_PART = 3 / 4;

/** Conversations of one account, begun by others or by itself. */
export function conversationsTotalMax(limits: Pick<ShardLimits, "conversationsMax">): number {
  return 2 * limits.conversationsMax;
}
