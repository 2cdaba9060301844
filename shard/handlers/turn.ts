/**
 * What the handlers of a shard's requests and packets may do: the shard seen from inside a step.
 */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { MailboxBody, MailboxEvent, OpName, Ops } from "../ops.ts";
import type { MoveView } from "../federation/move_message.ts";
import type { Account } from "../account/account.ts";
import type { Cells } from "../federation/cells.ts";
import type { SearchPage } from "../search/search_page.ts";
import type { Searches } from "./search_ops.ts";
import type { ConversationPage } from "../mailbox/conversation_page.ts";
import type { Effect, Now, RequestId } from "../effects.ts";
import type { Entry } from "../account/records.ts";
import type { Failure } from "../errors.ts";
import type { NodeId } from "../name/ids.ts";
import type { Payload, ShardPacket } from "../message/packets.ts";
import type { PresenceTable } from "../presence/presence.ts";
import type { RequestAllowances } from "./request_events.ts";
import type { ReadonlyMailbox } from "../mailbox/mailbox.ts";
import type { Retries } from "../retry.ts";
import type { ShardLimits } from "../limits.ts";

/** A request that may have to wait for something and is then run again from its beginning. */
export interface Pending {
  readonly request: RequestId;
  readonly node: NodeId;
  readonly name: AccountName;
  readonly op: OpName;
  readonly input: Ops[OpName]["in"];
  readonly seed: Uint8Array | null;
  /** Blocks read for it so far, of the one table that it needs; see `Wait`. */
  blocks: ReadonlyMap<number, Uint8Array>;
  /** Blocks read for a message that names another one, and of which state of the mailbox. */
  mail: MailRead | null;
  /** The page of a conversation as far as it was read: it continues there. */
  page: ConversationPage | null;
  /** The same of a search. */
  search: SearchPage | null;
  /** Accounts asked for by name; null where there is none. */
  resolved: ReadonlyMap<AccountName, AccountId | null>;
  /** Of those in `resolved`, the names that take messages from anyone. */
  open: ReadonlySet<AccountName>;
  /** The account that it was begun for; null before. The name may be another's by the end. */
  accountId: AccountId | "" | null;
  /** Monotonic time of the request (ms). */
  readonly sinceMs: number;
}

/** Blocks of a mailbox that were read; they hold as long as it has replaced none since. */
export interface MailRead {
  readonly mailbox: ReadonlyMailbox;
  readonly replaced: number;
  readonly blocks: Map<number, Uint8Array>;
}

/** What a request has to wait for. */
export type Wait =
  /** A mailbox block by its first position (`m`), or a dedupe block by its number (`d`). */
  | { readonly wait: "block"; readonly table: "m" | "d"; readonly first: number }
  | { readonly wait: "dedupe" }
  | { readonly wait: "resolve"; readonly name: AccountName }
  /** The cells decide which of them is the home of the account's name. */
  | { readonly wait: "home" };

/**
 * What is due: packets of the outbox, receipts, the expiry of messages that wait, the events of
 * requests, the name's home, which other cells are to learn, or push messages.
 */
export type DueKind = "outbox" | "receipts" | "waiting" | "requests" | "home" | "push";

/** How a handler ends. */
export type Outcome<K extends OpName> =
  | { readonly ok: true; readonly value: Ops[K]["out"] }
  | Failure
  | Wait;

/** A handler of one operation. */
export type Handler<K extends OpName> = (
  turn: Turn,
  account: Account,
  input: Ops[K]["in"],
  pending: Pending,
) => Outcome<K>;

/** What operations may do about the moves of accounts to other cells. */
export interface MovesOf {
  /** A sealed block of the account was changed: the other cell may have it as it was. */
  blockChanged(account: Account): void;
  /** Begins the move of an account that is `leaving`. */
  begin(account: Account): void;
  /** Ends it, while the cells do not decide yet. */
  cancel(account: Account): void;
  phaseOf(name: AccountName): {
    readonly phase: Exclude<MoveView["phase"], "moved">;
    readonly refused: MoveView["refused"] | null;
  } | null;
}

/** The shard inside a step. */
export interface Turn {
  readonly now: Now;
  readonly limits: ShardLimits;
  readonly retries: Retries;
  /** The other cells of the name space; null in a lone cell. */
  readonly cells: Cells | null;
  /** The moves of accounts to other cells; null in a lone cell. */
  readonly moves: MovesOf | null;
  readonly presence: PresenceTable;
  readonly requestAllowances: RequestAllowances;
  readonly searches: Searches;
  readonly writable: boolean;
  /** How long to wait while the store takes no writes (ms). */
  readonly retryAfterMs: number;
  /** Changes the account and logs the change; `lazy` changes wait for a commit of others. */
  append(account: Account, entry: Entry, lazy?: boolean): MailboxEvent | null;
  /** Appends a mailbox event and pushes it to the account's sessions. */
  event(account: Account, body: MailboxBody): MailboxEvent;
  /** Pushes an appended event to the account's sessions once it is committed. */
  push(account: Account, event: MailboxEvent, sinceMs?: number): void;
  /** Wants `effect` done once everything the account's state rests on is committed. */
  emit(account: Account | null, effect: Effect): void;
  /** Sends a packet once the account's state is committed; within the shard, in this commit. */
  send(account: Account, packet: ShardPacket): void;
  /** Takes the next pair number towards `toId`, keeps the packet in the outbox and sends it. */
  owe(account: Account, to: AccountName, toId: AccountId, payload: Payload): void;
  /** Sends what the outbox window allows. */
  sendOwed(account: Account, to: AccountName): void;
  /** Makes sure that the account's receipts are sent within `delayMs`. */
  scheduleReceipts(account: Account, delayMs: number): void;
  /** Makes sure that unacked packets are sent again. */
  scheduleOutbox(account: Account, delayMs: number): void;
  /** Makes sure that messages that wait expire: within `delayMs` the account is looked at. */
  scheduleWaiting(account: Account, delayMs: number): void;
  /** Makes sure that requests without an event get it: within `delayMs` the account is looked at. */
  scheduleRequests(account: Account, delayMs: number): void;
  /** Makes sure that other cells learn the home of the account's name, within `delayMs`. */
  scheduleHome(account: Account, delayMs: number): void;
  /** Makes sure that push messages are sent: within `delayMs` the account is looked at. */
  schedulePush(account: Account, delayMs: number): void;
  /** The next event time of a mailbox: never before its last. */
  eventTime(account: Account): number;
}
