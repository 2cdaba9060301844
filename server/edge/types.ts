/**
 * The seam between transports, protocol codecs and sessions: a transport gives a `Sink`, a codec
 * opens a `Session` with it, and the session pushes encoded events into the sink.
 */
import type {
  AccountId,
  AccountName,
  Cursor,
  DeviceId,
  MailboxId,
  SessionId,
} from "../../shard/ids.ts";
import type { AttachAuth, DevicePresence, Snapshot } from "../../shard/ops.ts";
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

/** One direction of one live transport: text towards the client. Only transports implement it. */
export interface Sink {
  /** Sends one frame of JSON text. Never throws; after the end it does nothing. */
  send(text: string): void;
  /** Bytes accepted by `send` that the peer's socket has not taken yet. */
  bufferedBytes(): number;
  /** Ends politely with a reason the client can read. */
  close(reason: CloseReason): void;
  /** Ends at once and frees every buffer (RST): for readers that stalled. */
  terminate(): void;
}

/** What a session is opened with. */
export interface OpenSession {
  readonly user: AccountName;
  readonly device: DeviceId;
  readonly auth: AttachAuth;
  readonly cursor: Cursor | null;
  /** null: invisible. */
  readonly presence: DevicePresence | null;
  /** A session of the same user and device to take up again, where it still lives here. */
  readonly resume: SessionId | null;
  /** null for long-poll: the session collects until somebody polls. */
  readonly sink: Sink | null;
}

/** What the client is told about its session. */
export interface OpenedSession {
  readonly session: Session;
  readonly resumed: boolean;
  readonly mailboxId: MailboxId;
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
  /** Starts pushing: call it after the welcome has been sent to the sink. */
  start(): void;
  /** The transport broke: keeps the session for the grace, then detaches it. */
  lost(sink: Sink): void;
  /** Explicit sign-out: detaches at once, presence ends without grace. */
  end(reason: CloseReason): void;
  /**
   * Long-poll: takes the pending events after `cursor`, having dropped soft events up to `soft`;
   * answers at once when there are some, else when the first comes or after `waitMs` with none.
   * A newer poll of the same session answers the older one with nothing.
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
}
