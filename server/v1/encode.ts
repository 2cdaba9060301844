/**
 * Outgoing JSON of protocol v1, hand-made where it is hot: durable events are encoded once for all
 * sessions of a user, presence once for all watchers. Every text is well-formed UTF-8 when written
 * (lone surrogates leave as escapes), has no line breaks, and leaves out fields at their default.
 */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type {
  MailboxEvent,
  PresenceOfDevice,
  RosterItemView,
  Show,
  Snapshot,
} from "../../shard/ops.ts";
import type { CloseReason, EventCodec, SignalPacket } from "../edge/types.ts";

/** Characters that JSON and UTF-8 both take as they are; the others need a closer look. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A JSON string. Names, ids and most statuses are plain and need no escaping. */
export function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function optional(name: string, text: string): string {
  return text === "" ? "" : `,"${name}":${quote(text)}`;
}

/** A durable event: `MailboxBody` with its kind as `k`, and `seq` and `at`. */
export function encodeEvent(event: MailboxEvent): string {
  const head = `{"k":"${event.kind}","seq":${event.seq},"at":${event.at}`;
  switch (event.kind) {
    case "message":
      return `${head},"with":${quote(event.with)}${event.out ? ',"out":true' : ""},"num":` +
        `${event.num},"id":${quote(event.id)},"body":${quote(event.body)}` +
        `${optional("ext", event.ext)}${optional("device", event.device)}}`;
    case "undelivered":
      return `${head},"with":${quote(event.with)},"num":${event.num},"id":${quote(event.id)},` +
        `"reason":${quote(event.reason)}}`;
    case "receipt":
      return `${head},"with":${quote(event.with)},"delivered":${event.delivered},` +
        `"read":${event.read}}`;
    case "read":
      return `${head},"with":${quote(event.with)},"upTo":${event.upTo},"unread":${event.unread}}`;
    case "roster":
      return `${head},${encodeRosterItem(event.item).slice(1)}`;
    case "roster_removed":
      return `${head},"contact":${quote(event.contact)}}`;
    case "request":
      return `${head},"from":${quote(event.from)},"pending":${event.pending}}`;
    case "blocked":
      return `${head},"contact":${quote(event.contact)},"blocked":${event.blocked}}`;
    case "settings":
      return `${head},"messagesFrom":"${event.messagesFrom}"}`;
  }
}

/** A contact, without what is at its default: no label, no groups, nothing pending or approved. */
export function encodeRosterItem(item: RosterItemView): string {
  const groups = item.groups.length === 0 ? "" : `,"groups":${JSON.stringify(item.groups)}`;
  return `{"contact":${quote(item.contact)}${optional("label", item.label)}${groups}` +
    `,"subscription":"${item.subscription}"${item.pendingOut ? ',"pendingOut":true' : ""}` +
    `${item.approved ? ',"approved":true' : ""}}`;
}

/** A snapshot; its position travels beside it, as a cursor. */
export function encodeSnapshot(snapshot: Snapshot): string {
  const { requests, blocked, conversations, messagesFrom } = snapshot;
  const roster = snapshot.roster.map(encodeRosterItem).join(",");
  return `{"roster":[${roster}],"requests":${JSON.stringify(requests)},` +
    `"blocked":${JSON.stringify(blocked)},"conversations":${JSON.stringify(conversations)},` +
    `"messagesFrom":"${messagesFrom}"}`;
}

const AVAILABILITY: Readonly<Record<Show, number>> = { chat: 5, online: 4, away: 3, xa: 2, dnd: 1 };

/** Whether `a` rather than `b` stands for the user. */
function before(a: PresenceOfDevice, b: PresenceOfDevice): boolean {
  const byPriority = a.presence.priority - b.presence.priority;
  if (byPriority !== 0) return byPriority > 0;
  const byShow = AVAILABILITY[a.presence.show] - AVAILABILITY[b.presence.show];
  if (byShow !== 0) return byShow > 0;
  return a.device < b.device;
}

/**
 * The device that stands for a user: of highest priority, then the most available one (chat,
 * online, away, xa, dnd), then the first by id. null where none is online.
 */
export function leadingDevice(
  devices: readonly PresenceOfDevice[],
  except: DeviceId | null,
): PresenceOfDevice | null {
  let best: PresenceOfDevice | null = null;
  for (const item of devices) {
    if (item.device !== except && (best === null || before(item, best))) best = item;
  }
  return best;
}

/** A user's presence as one: that of the leading device, and how many there are. */
export function encodePresence(
  user: AccountName,
  devices: readonly PresenceOfDevice[],
  lastSeen: number,
  except: DeviceId | null,
): string {
  const best = devices.length === 1 && except === null
    ? devices[0]!
    : leadingDevice(devices, except);
  const parts = ['{"k":"presence","user":', quote(user), ',"show":"'];
  if (best === null) {
    parts.push("offline", lastSeen === 0 ? '"}' : `","lastSeen":${lastSeen}}`);
    return parts.join("");
  }
  const { show, status, priority, ext } = best.presence;
  parts.push(show, '"', optional("status", status));
  if (priority !== 0) parts.push(',"priority":', String(priority));
  parts.push(optional("ext", ext), ',"device":', quote(best.device));
  const hidden = except !== null && devices.some(({ device }) => device === except);
  const count = hidden ? devices.length - 1 : devices.length;
  if (count > 1) parts.push(',"devices":', String(count));
  parts.push("}");
  // Joined, for what is kept and sent many times should be one string, not a tree of its parts.
  return parts.join("");
}

/** A signal of somebody's device. */
export function encodeSignal(signal: SignalPacket): string {
  return `{"k":"signal","from":${quote(signal.from)},"device":${quote(signal.fromDevice)},` +
    `"type":${quote(signal.type)}${optional("body", signal.body)}${optional("id", signal.id)}}`;
}

/** The frame of several events, each already encoded; `soft` is the session's number after it. */
export function eventsFrame(soft: number, events: readonly string[]): string {
  return `{"t":"events","soft":${soft},"ev":[${events.join(",")}]}`;
}

/** The frame before a polite end. */
export function goawayFrame(reason: CloseReason, retryAfterMs?: number): string {
  const retry = retryAfterMs === undefined ? "" : `,"retryAfterMs":${Math.ceil(retryAfterMs)}`;
  return `{"t":"goaway","reason":"${reason}"${retry}}`;
}

/** Protocol v1 as edges know it. */
export const JSON_CODEC: EventCodec = {
  event: encodeEvent,
  presence: encodePresence,
  signal: encodeSignal,
  frame: eventsFrame,
};
