/** The ways out of a session: a sink is pushed to, a poll is waited for; a lost one has none. */
import type { AccountId } from "../../shard/name/ids.ts";
import type { Clock } from "../node/ports.ts";
import type { CatchUp } from "./catch_up.ts";
import type { EventBatch, Feed } from "./feed.ts";
import type { SendQueue, Taken } from "./send_queue.ts";
import type { CloseReason, EdgeCounters, EdgeLimits, EventCodec } from "./types.ts";

/** What outlets share. */
export interface OutletDeps {
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  /** How long a session of this account lives without a transport, before jitter. */
  graceMs(account: AccountId): number;
  readonly codec: EventCodec;
  readonly counters: EdgeCounters;
  readonly catchUp: CatchUp;
}

/** A session as its outlet sees it. */
export interface OutletHost {
  readonly feed: Feed;
  /** What waits; null where nothing does. */
  readonly sendQueue: SendQueue | null;
  /** The number of soft events sent so far. */
  readonly soft: number;
  /** What waits, to add to. */
  pending(): SendQueue;
  /** Empties the send queue. */
  take(): Taken;
  /**
   * The texts of what was taken, in the order to send them; counts the soft ones. Presence and
   * signals beyond `roomBytes` go back into the send queue, all but the first of them.
   */
  encode(taken: Taken, roomBytes: number): readonly string[];
  /** Asks for a `flush` of the outlet, in the next round. */
  askFlush(): void;
  /** Whether anything may be sent: not before the first presence is complete. */
  readonly ready: boolean;
}

/** One way out. */
export interface Outlet {
  /** Newly committed events. */
  push(batch: EventBatch): void;
  /** Sends what waits, as far as it may. */
  flush(): void;
  /** The session has started: whatever the mailbox has beyond its place is to be sent. */
  start(): void;
  /** Another way is taken, or none: frees everything. `close` notifies the other side. */
  drop(): void;
  /** Tells the other side that this was it; after `drop`. */
  close(reason: CloseReason, retryAfterMs?: number): void;
}
