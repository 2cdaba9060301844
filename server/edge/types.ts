/**
 * The seam between transports, protocol codecs and sessions: a transport gives a `Sink`, a codec
 * opens a `Session` with it, and the session pushes encoded events into the sink.
 */
import type { Withdraw } from "../node/router.ts";
import type { OpenRateLimits } from "./open_rate.ts";
import type {
  AccountId,
  AccountName,
  Cursor,
  DeviceId,
  MailboxId,
  SessionId,
} from "../../shard/name/ids.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type {
  AttachAuth,
  DevicePresence,
  MailboxEvent,
  PresenceOfDevice,
  Snapshot,
} from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";

/** Why a session or connection is being ended; part of the protocol (`goaway` and `closed`). */
export type CloseReason =
  | "signed_out"
  | "replaced"
  | "revoked"
  | "expired"
  | "slow"
  | "idle"
  | "shutdown"
  | "protocol";

/** Why a session is ended; `protocol` ends connections only. */
export type EndReason = Exclude<CloseReason, "protocol">;

/**
 * What the end of a session counts as. `signed_out`: by `bye`, or by DELETE. `replaced`: its device
 * signed in again. `revoked`: its device was signed out, or its account disabled, removed or given
 * another password. `expired`: its token. `lost`: its connection broke and no client returned
 * within the grace. `slow`: the same, after its reader had stalled. `idle`: nobody polled it any
 * more.
 * `shutdown`: the node went away.
 */
export const SESSION_ENDS = [
  "signed_out",
  "replaced",
  "revoked",
  "expired",
  "lost",
  "slow",
  "idle",
  "shutdown",
] as const satisfies readonly (EndReason | "lost")[];

/** One direction of one live transport: text towards the client. Only transports implement it. */
export interface Sink {
  /**
   * Sends one frame of JSON text. Never throws; after the end it does nothing. `seq`: where the
   * frame has events, the mailbox position of the client once it has taken them.
   */
  send(text: string, seq?: number): void;
  /** Bytes accepted by `send` that the peer's socket has not taken yet. */
  bufferedBytes(): number;
  /** Ends politely with a reason the client can read, and when it should reconnect (ms). */
  close(reason: CloseReason, retryAfterMs?: number): void;
  /** Ends at once and frees every buffer (RST): for readers that stalled. */
  terminate(): void;
}

/** A user's presence as a reader takes it: what its session may see. */
export interface SeenPresence {
  readonly name: AccountName;
  readonly devices: readonly PresenceOfDevice[];
  /** When the last device left (ms); 0 while any is online or where unknown. */
  readonly lastSeen: number;
}

/** What a session hands to its reader at once. */
export interface EventObjects {
  /** Users to be shown offline, for they may not be seen any more. */
  readonly gone: readonly AccountName[];
  /** Users of whom the server does not know yet whether they are online: their presence follows. */
  readonly pending: readonly AccountName[];
  /** Presence of others that has changed since; never the user's own. */
  readonly presence: readonly SeenPresence[];
  /** In the order of the mailbox. */
  readonly events: readonly MailboxEvent[];
}

/** A client in this process, which takes events as objects in place of text. */
export interface EventReader {
  /** Takes what has come; the next follows when `done` was called. Signals are not handed over. */
  take(objects: EventObjects, done: () => void): void;
  /** The session takes leave of its reader. */
  close(reason: CloseReason): void;
}

/** What a session is opened with. */
export interface OpenSession {
  readonly user: AccountName;
  readonly device: DeviceId;
  readonly auth: AttachAuth;
  /** When what was proved ends (ms since 1970); null where only attaching finds that out. */
  readonly provedUntil: number | null;
  readonly cursor: Cursor | null;
  /** null: invisible. */
  readonly presence: DevicePresence | null;
  /**
   * A session of the same user and device to take up again, where it still lives here: it keeps
   * the presence it has, and `presence` is ignored.
   */
  readonly resume: SessionId | null;
  /**
   * Another device of the user, whose sessions here end as `replaced` once this one is attached.
   * They do not count towards the limit of the account's sessions.
   */
  readonly ends?: DeviceId;
  /** Called where it has to wait for its shard, with what is to be called when its client goes. */
  readonly waits?: (withdraw: Withdraw) => void;
  /** Of the client, for records; absent for clients in this process. */
  readonly address?: string;
  /** null for long-poll: the session collects until somebody polls. */
  readonly sink: Sink | null;
  /** In place of a sink: for a client in this process. */
  readonly reader?: EventReader;
}

/** What the client learns about its session. */
export interface OpenedSession {
  readonly session: Session;
  readonly resumed: boolean;
  readonly mailboxId: MailboxId;
  /** Where its events begin: the client's cursor on `resume`, else the snapshot's position. */
  readonly seq: number;
  readonly mode: "resume" | "snapshot" | "reset";
  readonly snapshot: Snapshot | null;
  /** When its token ends (ms). */
  readonly expiresAt: number;
}

/** A device's attachment to this node, whatever transport carries it at the moment. */
export interface Session {
  readonly id: SessionId;
  readonly user: AccountName;
  readonly userId: AccountId;
  readonly device: DeviceId;
  /** The presence that was asked for last; null: invisible. */
  readonly presence: DevicePresence | null;
  /**
   * The client has proved anew who it is, by something that ends then (ms since 1970; null where
   * that is not known): the session ends with it, sooner or later than it would have.
   */
  proved(untilMs: number | null): void;
  /** Starts pushing: call it after the welcome has been sent to the sink. */
  start(): void;
  /** Sends what waits for the next round now, for something else goes to the sink anyway. */
  flush(): void;
  /** So many bytes went to the sink that are not the session's: a reader that stalls is cut off. */
  sentPast(bytes: number): void;
  /** The transport broke: keeps the session for the grace, then detaches it. */
  lost(sink: Sink): void;
  /** Sets its presence (null: invisible); what was accepted outlives the owner of its shard. */
  present(presence: DevicePresence | null, done: (result: Result<null>) => void): void;
  /** Explicit sign-out: detaches at once, presence ends without grace. */
  end(reason: EndReason): void;
  /**
   * Long-poll: takes the pending events after `cursor` (null: after what the last poll was given),
   * having dropped soft events up to `soft`; returns at once when there are some, else when the
   * first comes or after `waitMs` with none. A newer poll of the same session answers the older one
   * with nothing; a poll takes the session over from a sink, which is closed as `replaced`.
   * Refused with `reset` where the mailbox cannot continue from `cursor`; where the session has
   * ended, with `unauthorized` if its right has, `busy` if the node is stopping, else `not_found`.
   */
  poll(
    options: { readonly cursor: Cursor | null; readonly soft: number; readonly waitMs: number },
    done: (result: Result<PollBatch>) => void,
  ): Cancelled;
}

/** Cancels a parked poll (its client went away). */
export type Cancelled = () => void;

/** What a poll is answered with: already encoded events. */
export interface PollBatch {
  /** JSON texts of the events, in order. */
  readonly events: readonly string[];
  /** The session's soft number after these events; repeat it in the next poll. */
  readonly soft: number;
  /** Position to repeat in the next poll. */
  readonly cursor: Cursor;
  /** Another poll or transport of the session ended this one: the caller should not poll at once. */
  readonly replaced: boolean;
}

/** A signal on its way to a session. */
export type SignalPacket = EdgePacket & { readonly kind: "signal" };

/** How a protocol writes what sessions push: the only thing about protocols that edges know. */
export interface EventCodec {
  event(event: MailboxEvent): string;
  /** `except`: a device that is left out, for watchers that see their own user. */
  presence(
    user: AccountName,
    devices: readonly PresenceOfDevice[],
    lastSeen: number,
    except: DeviceId | null,
  ): string;
  /** Whether the user is online is not known yet: its presence follows. */
  pending(user: AccountName): string;
  /** Presence of a user whose home cell has been unreachable for long: shown as offline. */
  unknownPresence(user: AccountName): string;
  signal(signal: SignalPacket): string;
  /** One frame of several events, already encoded; at least one. */
  frame(soft: number, events: readonly string[]): string;
}

/** Bounds of an edge and its sessions. */
export interface EdgeLimits {
  /** Sessions on this node, those in their grace included. */
  readonly sessionsMax: number;
  readonly sessionsPerAccountMax: number;
  /** How often sessions of one account are opened. */
  readonly opens: OpenRateLimits;
  /** How long a session lives without a transport, ±10 %. */
  readonly graceMs: number;
  /** Bytes a session may have unsent; beyond, events stay in the mailbox and presence coalesces. */
  readonly outboxBytesMax: number;
  /** A sink that takes nothing for so long is terminated. */
  readonly stalledMs: number;
  /** Longest pause between two flushes of a busy node. */
  readonly flushIntervalMaxMs: number;
}

/** What an edge has done since it was made; only ever counted up. Read by metrics. */
export interface EdgeCounters {
  /** Sessions attached; taken up again; refused at a bound. */
  opened: number;
  resumed: number;
  refused: number;
  /** Sessions that were attached and have ended: with the live ones they are all opened ones. */
  readonly ended: { [reason in typeof SESSION_ENDS[number]]: number };
  /** Detaches that had to be repeated. */
  detachRetries: number;
  /** Frames to sinks and answers to polls that had events. */
  frames: number;
  durableEvents: number;
  /** Packets from shards; those older than what is known; deliveries to sessions. */
  presencePackets: number;
  presenceStale: number;
  presenceDeliveries: number;
  /** Presence replaced by a newer one of the same user before it was sent. */
  presenceCoalesced: number;
  signals: number;
  signalsDropped: number;
  /** Times a session fell behind, caught up, was terminated as stalled; pages read for it. */
  behind: number;
  caughtUp: number;
  stalled: number;
  pagesRead: number;
  polls: number;
  /** Polls that did not acknowledge the soft events of the one before. */
  pollRepeats: number;
}

/** Counters at zero. */
export function newEdgeCounters(): EdgeCounters {
  return {
    opened: 0,
    resumed: 0,
    refused: 0,
    ended: {
      signed_out: 0,
      replaced: 0,
      revoked: 0,
      expired: 0,
      lost: 0,
      slow: 0,
      idle: 0,
      shutdown: 0,
    },
    detachRetries: 0,
    frames: 0,
    durableEvents: 0,
    presencePackets: 0,
    presenceStale: 0,
    presenceDeliveries: 0,
    presenceCoalesced: 0,
    signals: 0,
    signalsDropped: 0,
    behind: 0,
    caughtUp: 0,
    stalled: 0,
    pagesRead: 0,
    polls: 0,
    pollRepeats: 0,
  };
}

/** An edge at one moment. */
export interface EdgeGauges {
  /** Users who have sessions. */
  readonly users: number;
  /** All sessions, and of these: those in their grace, those of long-polls, those behind. */
  readonly sessions: number;
  readonly lost: number;
  readonly polling: number;
  readonly behind: number;
  /** What of this is the load tool's. */
  readonly syntheticUsers: number;
  readonly syntheticSessions: number;
  readonly syntheticLost: number;
  readonly syntheticPolling: number;
  /** Users watched by anybody here, and pairs of session and user. */
  readonly watched: number;
  readonly watches: number;
  /** Unsent bytes of all sessions, and of the worst. */
  readonly outboxBytes: number;
  readonly outboxBytesTop: number;
  /** Detaches that no shard has confirmed yet. */
  readonly detaching: number;
}
