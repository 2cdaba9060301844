/** What an edge is made with: its node's ports, its router, and how its protocol writes events. */
import type { AccountId, NodeId } from "../../shard/name/ids.ts";
import type { Ports } from "../node/ports.ts";
import type { ShareRate } from "../auth/throttle.ts";
import type { EdgeRouter } from "../node/router.ts";
import type { Round } from "./flusher.ts";
import type { EdgeCounters, EventCodec, OpenSession } from "./types.ts";

/** What an edge needs. */
export interface EdgeDeps extends Pick<Ports, "clock" | "timers" | "random" | "retries" | "log"> {
  /** The node that the edge belongs to; its sessions' ids name it. */
  readonly node: NodeId;
  readonly router: EdgeRouter;
  readonly counters: EdgeCounters;
  readonly codec: EventCodec;
  /** Serves some accounts differently and counts what comes of it; absent: nobody. */
  readonly trial?: Trial;
  /** Lets rates of accounts hold over the cell; absent where there are no other nodes. */
  readonly share?: ShareRate;
  /** Records sessions that begin and end; absent: nobody does. */
  readonly records?: SessionRecords;
  /** Called after each round of flushes. */
  readonly flushed: (round: Round) => void;
}

/** What is recorded of sessions; a call costs microseconds. */
export interface SessionRecords {
  /** A session was opened, not taken up again. */
  opened(options: OpenSession): void;
  /** A session that was opened has ended; reasons are those that are counted. */
  ended(session: Pick<OpenSession, "user" | "device">, reason: string): void;
}

/** An experiment with the grace. */
export interface Trial {
  /** In place of the limits' grace, ms. */
  graceMs(account: AccountId, graceMs: number): number;
  /**
   * A session was opened, or taken up within its grace; `falseOffline`: one was opened by a client
   * that would have taken another up, but its grace was over.
   */
  count(account: AccountId, what: "opened" | "resumed" | "falseOffline"): void;
}
