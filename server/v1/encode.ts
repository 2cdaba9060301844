/**
 * Outgoing JSON of protocol v1, hand-made where it is hot: durable events are encoded once for all
 * sessions of a user, presence once for all watchers. Every text is well-formed UTF-8 when written
 * (lone surrogates leave as escapes), has no line breaks, and leaves out fields at their default.
 */
import type { Failure } from "../../shard/errors.ts";
import { encodeEvent, encodeRosterItem, optional, quote } from "../text/event_json.ts";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { PresenceOfDevice, Show, Snapshot } from "../../shard/ops.ts";
import type { SearchedPage } from "../../shard/search/search_page.ts";
import type { CloseReason, EventCodec, SignalPacket } from "../edge/types.ts";

/** A snapshot; its position travels beside it, as a cursor. */
export function encodeSnapshot(snapshot: Snapshot): string {
  const { requests, blocked, conversations, messagesFrom } = snapshot;
  const roster = snapshot.roster.map(encodeRosterItem).join(",");
  return `{"roster":[${roster}],"requests":${JSON.stringify(requests)},` +
    `"blocked":${JSON.stringify(blocked)},"conversations":${JSON.stringify(conversations)},` +
    `"messagesFrom":"${messagesFrom}"}`;
}

/** A page of a search. */
export function encodeFound({ found, next }: SearchedPage): string {
  const items = found.map(({ out, marks, excerpt, ...rest }) => {
    const item = { ...rest, ...(out ? { out: true } : {}), excerpt, marks };
    return JSON.stringify(item);
  });
  const more = next === null ? "" : `,"next":${next}`;
  return `{"found":[${items.join(",")}]${more}}`;
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

/** A user of whom the server does not know yet, after a start, whether it is online. */
export function encodePending(user: AccountName): string {
  return `{"k":"presence_pending","user":${quote(user)}}`;
}

/** The presence of somebody whose home cell has been unreachable for long. */
export function encodeUnknownPresence(user: AccountName): string {
  return `{"k":"presence","user":${quote(user)},"show":"offline","unknown":true}`;
}

/** A signal of somebody's device. */
export function encodeSignal(signal: SignalPacket): string {
  return `{"k":"signal","from":${quote(signal.from)},"device":${quote(signal.fromDevice)},` +
    `"type":${quote(signal.type)}${optional("body", signal.body)}${optional("id", signal.id)}}`;
}

/** The addresses of the cell's servers have changed. */
export function encodeServers(servers: readonly string[]): string {
  return `{"k":"servers","servers":${JSON.stringify(servers)}}`;
}

/** The frame of several events, each already encoded; `soft` is the session's number after it. */
export function eventsFrame(soft: number, events: readonly string[]): string {
  return `{"t":"events","soft":${soft},"ev":[${events.join(",")}]}`;
}

/** The frame before a polite end. `servers`: where else to connect, where this one goes away. */
export function goawayFrame(
  reason: CloseReason,
  retryAfterMs?: number,
  servers: readonly string[] = [],
): string {
  const retry = retryAfterMs === undefined ? "" : `,"retryAfterMs":${Math.ceil(retryAfterMs)}`;
  const named = reason === "shutdown" && servers.length > 0;
  const elsewhere = named ? `,"servers":${JSON.stringify(servers)}` : "";
  return `{"t":"goaway","reason":"${reason}"${retry}${elsewhere}}`;
}

/** Protocol v1 as edges know it. */
export const JSON_CODEC: EventCodec = {
  event: encodeEvent,
  presence: encodePresence,
  pending: encodePending,
  unknownPresence: encodeUnknownPresence,
  signal: encodeSignal,
  frame: eventsFrame,
};

/** The frame of a refusal; `id` null where it answers no command. */
export function errorFrame(failure: Failure, id: number | null): string {
  const { code, message, retryAfterMs, second, servers } = failure;
  const numbered = id === null ? {} : { id };
  const retry = retryAfterMs === undefined ? {} : { retryAfterMs };
  return JSON.stringify({ t: "error", ...numbered, code, message, ...retry, servers, second });
}
