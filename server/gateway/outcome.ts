/** What services learn: what became of their messages, and how users' presence is. */
import type { MailboxEvent } from "../../shard/ops.ts";

/**
 * What became of messages that a service sent. `num` counts its messages to one user: 1, 2, 3 …
 * `delivered` and `read` hold for every message up to `upTo`; what is read is delivered too.
 */
export type Outcome =
  & {
    /** Where this stands in the service's log: go on after it. */
    readonly cursor: string;
    /** Milliseconds since 1970. */
    readonly at: number;
    readonly to: string;
  }
  & (
    | {
      readonly state: "accepted";
      readonly num: number;
      readonly key: string;
      /** It waits until the user and the service have a subscription. */
      readonly waits?: true;
    }
    | {
      readonly state: "undelivered";
      readonly num: number;
      /** "" for several messages, `from` to `num`. */
      readonly key: string;
      readonly reason: string;
      readonly from?: number;
    }
    | { readonly state: "delivered" | "read"; readonly upTo: number }
  );

/** The fields of a mailbox event that outcomes are made from. */
type Told = Pick<MailboxEvent, "seq" | "at"> & Readonly<Record<string, unknown>>;

/**
 * The outcomes that an event of a service's mailbox tells; `kind` is the event's. None for what is
 * not about its own messages.
 */
export function outcomesOf(kind: string, event: Told, mailboxId: string): readonly Outcome[] {
  const head = {
    cursor: `${mailboxId}:${event.seq}`,
    at: event.at,
    to: String(event["with"]),
  };
  const num = Number(event["num"]);
  const key = String(event["id"]);
  switch (kind) {
    case "message":
      if (event["out"] !== true) return [];
      return [{
        ...head,
        state: "accepted",
        num,
        key,
        ...(event["waits"] === true ? { waits: true } : {}),
      }];
    case "undelivered": {
      const { from } = event;
      const several = from === undefined ? {} : { from: Number(from) };
      const reason = String(event["reason"]);
      return [{ ...head, state: "undelivered", num, key, reason, ...several }];
    }
    case "receipt": {
      const delivered = Number(event["delivered"]);
      const read = Number(event["read"]);
      const outcomes: Outcome[] = [];
      if (delivered > read) outcomes.push({ ...head, state: "delivered", upTo: delivered });
      if (read > 0) outcomes.push({ ...head, state: "read", upTo: read });
      return outcomes;
    }
    default:
      return [];
  }
}

/** A user's presence as services see it: the fields of protocol v1's event. */
export interface PresenceView {
  readonly user: string;
  readonly show: string;
  readonly [field: string]: unknown;
}

/** News for webhooks, in order: outcomes and presence of one frame. */
export interface News {
  readonly outcomes: readonly Outcome[];
  readonly presence: readonly PresenceView[];
  /** The mailbox position after them, "" where none moved it. */
  readonly cursor: string;
  /** Outcomes before these may have been missed: the log did not reach back so far. */
  readonly gap: boolean;
}

/** How a user is shown who is away, unknown, or does not let the service see anything. */
export function unseen(user: string): PresenceView {
  return { user, show: "offline" };
}
