/** What services learn: what became of their messages, and how users' presence is. */
import type { MailboxEvent } from "../../shard/ops.ts";
import type { SeenPresence } from "../edge/types.ts";
import { leadingDevice } from "../v1/encode.ts";

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

/** The outcomes of one event of a service's mailbox; none where it is not about its own messages. */
export function outcomesOf(event: MailboxEvent, mailboxId: string): readonly Outcome[] {
  const head = (to: string) => ({ cursor: `${mailboxId}:${event.seq}`, at: event.at, to });
  switch (event.kind) {
    case "message": {
      if (!event.out) return [];
      const { num, id: key } = event;
      const waits = event.waits === true ? { waits: true } as const : {};
      return [{ ...head(event.with), state: "accepted", num, key, ...waits }];
    }
    case "undelivered": {
      const { num, id: key, reason, from } = event;
      const several = from === undefined ? {} : { from };
      return [{ ...head(event.with), state: "undelivered", num, key, reason, ...several }];
    }
    case "receipt": {
      const { delivered, read } = event;
      const outcomes: Outcome[] = [];
      if (delivered > read) {
        outcomes.push({ ...head(event.with), state: "delivered", upTo: delivered });
      }
      if (read > 0) outcomes.push({ ...head(event.with), state: "read", upTo: read });
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

/** Presence as services see it: the fields of protocol v1's event, without those at their default. */
export function presenceView({ name: user, devices, lastSeen }: SeenPresence): PresenceView {
  const best = leadingDevice(devices, null);
  if (best === null) return { ...unseen(user), ...(lastSeen === 0 ? {} : { lastSeen }) };
  const { show, status, priority, ext } = best.presence;
  return {
    user,
    show,
    ...(status === "" ? {} : { status }),
    ...(priority === 0 ? {} : { priority }),
    ...(ext === "" ? {} : { ext }),
    device: best.device,
    ...(devices.length > 1 ? { devices: devices.length } : {}),
  };
}
