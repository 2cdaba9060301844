/** The ways out of a session: a sink is pushed to, a poll is waited for; a lost one has none. */
import type { EventBatch, Feed } from "./feed.ts";
import type { Holdable } from "./held.ts";
import type { Outgoing } from "./outgoing.ts";
import type { CloseReason, Sink } from "./types.ts";

/** A session as its outlet sees it. */
export interface OutletHost extends Holdable {
  readonly feed: Feed;
  readonly outgoing: Outgoing;
  /** Whether anything may be sent: not before the first presence is complete. */
  readonly ready: boolean;
  /** The sink takes too little: the session goes on without it. */
  stalled(sink: Sink): void;
  /** Ends the session: `slow` where its reader cannot go on in the mailbox. */
  end(reason: "slow"): void;
  /** Wants `due` of its polls at this monotonic time (ms), unless it is called again before. */
  waitUntil(dueMs: number): void;
  /** No poll waits now: the grace begins. */
  beginGrace(): void;
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
