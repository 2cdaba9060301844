/** What goes into a shard and what comes out of it: the two unions of its `step`. */
import type { AccountId, AccountName, CellName, NodeId, SessionId } from "./name/ids.ts";
import type { EdgePacket, InterestAnswer, InterestItem } from "./edge_packet.ts";
import type { MovedRowId } from "./federation/move_message.ts";
import type { OpName, Ops } from "./ops.ts";
import type { ShardPacket } from "./message/packets.ts";
import type { HeadRow } from "./account/head_rows.ts";
import type { PushTarget } from "./account/push_targets.ts";
import type { RowChange } from "./account/checkpoint.ts";
import type { Result } from "./errors.ts";

/** The time a step happens at, in ms: `mono` for delays, `wall` for what people see. */
export interface Now {
  readonly mono: number;
  readonly wall: number;
}

/** Number of a request within the asking node. */
export type RequestId = number;

/** The inputs of a shard. */
export type ShardInput =
  | {
    readonly kind: "request";
    readonly request: RequestId;
    /** Node whose edge asks; sessions attach to it. */
    readonly node: NodeId;
    readonly name: AccountName;
    readonly op: OpName;
    readonly input: Ops[OpName]["in"];
    /** 24 fresh random bytes where the operation makes ids, else null. */
    readonly seed: Uint8Array | null;
    /** The account that a former owner of the shard has begun it for. */
    readonly accountId?: AccountId | "";
  }
  /** `hops`: how many cells have passed it on; absent where it comes from this one. */
  | { readonly kind: "packet"; readonly packet: ShardPacket; readonly hops?: number }
  /** The other cell can be reached again: what is owed to it may be sent. */
  | { readonly kind: "cell_linked"; readonly cell: CellName }
  /** What the other cell has sent and got may be lost: it asks for them again. */
  | { readonly kind: "cell_unlinked"; readonly cell: CellName }
  /** It has been away for so long that nobody knows whether what it said of its users holds. */
  | { readonly kind: "cell_unknown"; readonly cell: CellName }
  /** The other cell's shards of the points `[lo, hi)` know no interests of this cell (any more). */
  | {
    readonly kind: "cell_announced";
    readonly cell: CellName;
    readonly lo: number;
    readonly hi: number;
  }
  | {
    readonly kind: "interest";
    readonly request: RequestId;
    readonly node: NodeId;
    readonly items: readonly InterestItem[];
  }
  | {
    readonly kind: "uninterest";
    readonly node: NodeId;
    readonly watched: readonly AccountName[];
    /** Once it has waited: its place among what the node asked for, see `Rewatched`. */
    readonly order?: number;
  }
  /**
   * The node has been out of reach for too long: a session of its edge ends. Only this owner has
   * found so: to the next one that edge has announced it, or is about to.
   */
  | {
    readonly kind: "session_lost";
    readonly node: NodeId;
    readonly name: AccountName;
    readonly session: SessionId;
  }
  /** The head rows of an account as stored; none where it has never been checkpointed. */
  | {
    readonly kind: "loaded";
    readonly name: AccountName;
    /** The generation of the `load` that this answers. */
    readonly generation: number;
    /** In the order of their keys. */
    readonly rows: readonly HeadRow[];
    /** Why the stored bytes are not those that were written; absent where they are. */
    readonly damage?: string;
  }
  | {
    readonly kind: "dedupe_loaded";
    readonly name: AccountName;
    readonly generation: number;
    readonly id: AccountId;
    /** Rows of hashes and former versions' blocks that there are, by number. */
    readonly rows: ReadonlyMap<number, Uint8Array>;
    readonly blocks: ReadonlyMap<number, Uint8Array>;
    /** As in `loaded`. */
    readonly damage?: string;
  }
  | {
    readonly kind: "block_loaded";
    readonly request: RequestId;
    readonly table: "m" | "d";
    readonly first: number;
    /** `failed`: the store could not read it; null: no such row exists. */
    readonly bytes: Uint8Array | "failed" | null;
    /** As in `loaded`. */
    readonly damage?: string;
  }
  /** Rows of an account that moves away, for `load_rows`; null: no such row exists, or it is damaged. */
  | {
    readonly kind: "rows_loaded";
    readonly name: AccountName;
    readonly generation: number;
    readonly move: string;
    readonly rows: readonly (MovedRowId & { readonly bytes: Uint8Array | null })[];
  }
  /** The store could not read what the shard asked for. */
  | { readonly kind: "load_failed"; readonly name: AccountName; readonly generation: number }
  /** Log rows at start or after a failed commit, ascending; `done` with the last ones. */
  | {
    readonly kind: "log_rows";
    /** The shard's `reading` that this is of; rows of an earlier one are ignored. */
    readonly reading: number;
    readonly rows: readonly { readonly lsn: number; readonly bytes: Uint8Array }[];
    readonly done: boolean;
  }
  /**
   * The record `lsn` of a log that the reading needs is damaged or missing: what follows cannot be
   * replayed, and the shard does not serve.
   */
  | {
    readonly kind: "log_damaged";
    readonly reading: number;
    readonly log: number;
    readonly lsn: number;
    readonly error: string;
  }
  /** Accounts that owe something, found by their marks at start. */
  | { readonly kind: "owing"; readonly names: readonly AccountName[] }
  /**
   * The shard was taken over at this epoch: these nodes announce their sessions within the grace, but
   * for those of them that are lost and do not return. `returning`: clients of a process that has ended
   * may return within the grace as well.
   */
  | {
    readonly kind: "taken_over";
    readonly nodes: readonly NodeId[];
    readonly lost: readonly NodeId[];
    readonly returning: boolean;
    readonly epoch: number;
    readonly graceMs: number;
  }
  /** The node has announced its sessions, asked for by an `announce` with this epoch. */
  | { readonly kind: "announced"; readonly node: NodeId; readonly epoch: number }
  | { readonly kind: "committed"; readonly batch: number }
  /** The commit failed or its outcome is unknown: forget what is provisional, read again. */
  | { readonly kind: "commit_failed" }
  | { readonly kind: "checkpointed" }
  /** Whether the store takes writes; where not, after how many ms to ask again. */
  | { readonly kind: "writable"; readonly writable: boolean; readonly retryAfterMs: number }
  /** Bring this account into memory and trim what is over age. */
  | { readonly kind: "sweep"; readonly name: AccountName }
  | { readonly kind: "tick" };

/**
 * Why messages are refused without telling their sender at once. blocked: the recipient blocks it.
 * closed: the recipient takes messages from contacts only. full: the recipient has no room, or gets
 * too many at once, and does not show that to this sender. gone: the recipient was deleted.
 */
export const SILENT_CAUSES = ["blocked", "closed", "full", "gone"] as const;

/** One of `SILENT_CAUSES`. */
export type SilentCause = typeof SILENT_CAUSES[number];

/** What may become of an account that moves between cells. */
export const MOVE_OUTCOMES = ["left", "arrived", "cancelled"] as const;
/** See `MOVE_OUTCOMES`. */
export type MoveOutcome = typeof MOVE_OUTCOMES[number];

/** A push message that is to be sent; all texts are clear. */
export interface PushEffect {
  readonly kind: "push";
  readonly name: AccountName;
  /** Who has written. */
  readonly with: AccountName;
  /** Position of the first message that it is about, and of the last one. */
  readonly seq: number;
  readonly last: number;
  /** When the last one came (ms). */
  readonly at: number;
  /** Unread messages of the conversation, and of all. */
  readonly unread: number;
  readonly unreadTotal: number;
  /** The last one's text; "" where it is not known. */
  readonly body: string;
  readonly targets: readonly PushTarget[];
}

/** What a shard wants done. */
export type Effect =
  | {
    readonly kind: "reply";
    readonly request: RequestId;
    readonly result: Result<Ops[OpName]["out"]>;
  }
  | {
    readonly kind: "interest_answer";
    readonly request: RequestId;
    /** What it answers. */
    readonly input: ShardInput & { readonly kind: "interest" };
    readonly answers: readonly InterestAnswer[];
  }
  | { readonly kind: "edge"; readonly node: NodeId; readonly packet: EdgePacket }
  | { readonly kind: "packet"; readonly packet: ShardPacket }
  /** A packet for the shard of `packet.to` in another cell. */
  | {
    readonly kind: "abroad";
    readonly cell: CellName;
    readonly packet: ShardPacket;
    /** How many cells have passed it on, this one included where it comes from another. */
    readonly hops: number;
  }
  | {
    readonly kind: "load";
    readonly name: AccountName;
    readonly point: number;
    readonly generation: number;
  }
  | {
    readonly kind: "load_dedupe";
    readonly name: AccountName;
    readonly generation: number;
    readonly point: number;
    readonly id: AccountId;
    /** Numbers of rows of hashes, and of blocks that have none. */
    readonly rows: readonly number[];
    readonly blocks: readonly number[];
  }
  | {
    readonly kind: "load_block";
    readonly request: RequestId;
    readonly name: AccountName;
    readonly point: number;
    readonly id: AccountId;
    /** `m`: the mailbox block that begins at `first`; `d`: the dedupe block of that number. */
    readonly table: "m" | "d";
    readonly first: number;
  }
  /** Rows of an account that moves away. */
  | {
    readonly kind: "load_rows";
    readonly name: AccountName;
    readonly generation: number;
    readonly point: number;
    readonly id: AccountId;
    /** The id of the move that they are for. */
    readonly move: string;
    readonly rows: readonly MovedRowId[];
  }
  /** So many messages were refused without telling their sender: for the metrics. */
  | { readonly kind: "refused_silently"; readonly cause: SilentCause; readonly count: number }
  /** An account has left this cell, arrived in it, or stays after all: for the metrics. */
  | { readonly kind: "moved"; readonly outcome: MoveOutcome }
  /** A push message of these devices' push subscriptions: the node replies by `push.settle`. */
  | PushEffect
  /** Read the log again from its first row, as at start. */
  | { readonly kind: "recover"; readonly reading: number }
  /** A step threw `error` on an input of the kind `input`; the shard has dropped it and reloads. */
  | { readonly kind: "bug"; readonly input: string; readonly error: unknown }
  /** The shard does not serve, because this record of its log cannot be read: for the log. */
  | {
    readonly kind: "log_damaged";
    readonly log: number;
    readonly lsn: number;
    readonly error: string;
  }
  /** What is stored of an account cannot be read: for the log. Its requests are `unavailable`. */
  | { readonly kind: "corrupt"; readonly name: AccountName; readonly error: string };

/** Log rows to append in one atomic write. */
export interface SealedBatch {
  readonly batch: number;
  readonly rows: readonly { readonly lsn: number; readonly bytes: Uint8Array }[];
  readonly bytes: number;
}

/** How much one checkpoint write may carry. `all`: also accounts that are not due yet. */
export interface CheckpointBudget {
  readonly rowsMax: number;
  readonly bytesMax: number;
  readonly all: boolean;
  /** Whether nothing is in the write so far. */
  readonly first: boolean;
}

/** Rows of one checkpoint write, and the log rows it makes superfluous. */
export interface CheckpointBatch {
  readonly changes: readonly RowChange[];
  /** Rows `from ≤ lsn < below` of the shard's log; there are none before `from`. */
  readonly cut: { readonly from: number; readonly below: number } | null;
  readonly accounts: number;
  readonly bytes: number;
}
