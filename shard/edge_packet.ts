/**
 * What shards send to the edges of nodes, and what edges ask about the presence that they show. All
 * of it is plain data, so that the same values travel inside one node or between nodes.
 */
import type { AccountId, AccountName, DeviceId, SessionId } from "./name/ids.ts";
import type { MailboxEvent } from "./mailbox/mailbox_event.ts";
import type { PresenceOfDevice, WatchTarget } from "./ops.ts";
import type { Revoked } from "./federation/proxy_message.ts";

/** Which withdrawal of a right to see a user it is; `after`: the number before it. */
export interface Revocation extends Revoked {
  readonly after: number;
}

/** Sent without a request, in order per (shard, node). */
export type EdgePacket =
  /** Newly committed events of a mailbox, for the named sessions. */
  | {
    readonly kind: "events";
    /** Whose mailbox it is. */
    readonly owner: AccountName;
    /** When what they tell began (monotonic ms of this node), for metrics; 0 where not known. */
    readonly sinceMs: number;
    readonly sessions: readonly SessionId[];
    readonly events: readonly MailboxEvent[];
  }
  /** Somebody's presence, for every local session that watches it. Last writer wins. */
  | {
    readonly kind: "presence";
    /** When it changed (monotonic ms of this node), for metrics. */
    readonly sinceMs: number;
    readonly watched: AccountName;
    readonly watchedId: AccountId;
    /**
     * Versions rise with every change of an epoch, epochs with every owner of the shard: a pair
     * that is not above the last one seen is stale.
     */
    readonly epoch: number;
    readonly version: number;
    readonly devices: readonly PresenceOfDevice[];
    /** When the last device left (ms); 0 while any is online or where unknown. */
    readonly lastSeen: number;
    /** For another cell only: see `Revoked`. */
    readonly revoked?: number;
  }
  /**
   * What is known of somebody's presence may not hold any more, because the home cell cannot be
   * reached: the next `presence` counts, also where it is the last one again.
   */
  | { readonly kind: "unknown"; readonly watched: AccountName; readonly watchedId: AccountId }
  /** The home of `watched` has said what `watcher` may see: its sessions ask again. */
  | {
    readonly kind: "ask_again";
    readonly watched: AccountName;
    readonly watchedId: AccountId;
    readonly watcher: AccountName;
  }
  /** `watcher` may no longer see `watched`: drop the watch and show it offline. */
  | {
    readonly kind: "revoke";
    readonly watched: AccountName;
    readonly watcher: AccountName;
    /** Not null where `watcher` must not notice, for it is blocked: last seen then (ms). */
    readonly lastSeen: number | null;
    /** For another cell only. */
    readonly of?: Revocation;
    /**
     * It is from the shard of `watched`, which is at another node or stands for a user of another cell:
     * that `watcher` may see it again may have come before, by way of others.
     */
    readonly theirs?: true;
  }
  /** The sessions' user may now see `target`: register interest in it. */
  | {
    readonly kind: "watch";
    readonly sessions: readonly SessionId[];
    readonly target: WatchTarget;
  }
  /**
   * A session has ended: the device signed in again elsewhere, its right was withdrawn, or the
   * shard has lost it (`shutdown`: the client connects again).
   */
  | {
    readonly kind: "closed";
    readonly sessions: readonly SessionId[];
    readonly reason: "replaced" | "revoked" | "expired" | "shutdown";
  }
  /** The home of `watched` is another cell now: its watchers register their interest again. */
  | { readonly kind: "rewatch"; readonly watched: AccountName; readonly watchedId: AccountId }
  /**
   * The shard with the points `[lo, hi)` was taken over and knows neither sessions nor interests:
   * the edge announces them again.
   */
  | {
    readonly kind: "announce";
    readonly lo: number;
    readonly hi: number;
    readonly epoch: number;
    /** It is from another node: what the shard said before may be lost. */
    readonly lossy?: true;
    /**
     * Not sent to other nodes: only for whom the edge's sessions may not see, as far as it knows. That
     * they may was granted by another cell perhaps, which is lost.
     */
    readonly refused?: true;
  }
  /** A signal for the named sessions. */
  | {
    readonly kind: "signal";
    readonly sessions: readonly SessionId[];
    readonly from: AccountName;
    readonly fromDevice: DeviceId;
    readonly type: string;
    readonly body: string;
    readonly id: string;
  };

/** One line of a node's interest registration. */
export interface InterestItem {
  readonly watcher: AccountName;
  readonly watcherId: AccountId;
  readonly watched: AccountName;
  readonly watchedId: AccountId;
}

/** What an interest registration is answered for each allowed item, in the same order. */
export interface InterestAnswer {
  readonly watcher: AccountName;
  readonly watched: AccountName;
  /** null: not allowed, or there is no such account: shown as offline. */
  readonly presence: {
    readonly watchedId: AccountId;
    readonly epoch: number;
    readonly version: number;
    readonly devices: readonly PresenceOfDevice[];
    readonly lastSeen: number;
    /** For another cell only: see `Revoked`. */
    readonly revoked?: number;
  } | null;
  /**
   * Where there is none, but one who signed out has to look the same: when it was last seen (ms).
   * null: it is not shown at all.
   */
  readonly lastSeen: number | null;
}
