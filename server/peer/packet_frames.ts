/**
 * Packets between shards as bytes, by the schemas that the log has too. Times of a node's own clock
 * become durations: no two clocks are compared.
 */
import { accountId, accountName, deviceId } from "../../shard/record/fields.ts";
import {
  bool,
  int,
  list,
  mapped,
  oneOf,
  optional,
  type Schema,
  text,
  uint,
} from "../../shard/record/schema.ts";
import { cellName } from "../../shard/federation/name_register.ts";
import { MOVE_MESSAGE } from "../../shard/federation/move_message.ts";
import { NAME_MESSAGE } from "../../shard/federation/name_packets.ts";
import type { DeviceId } from "../../shard/name/ids.ts";
import type { ProxyMessage } from "../../shard/federation/proxy_message.ts";
import { PAYLOAD, type ShardPacket } from "../../shard/message/packets.ts";
import { struct, union, variant } from "../../shard/record/struct.ts";

/** The clock of the node while a frame is written or read (monotonic ms). */
let nowMs = 0;

/** When something began: 0 where that is not known, else a duration on the way. */
export const since: Schema<number> = mapped(
  uint,
  (age) => age === 0 ? 0 : Math.max(1, nowMs - (age - 1)),
  (sinceMs) => sinceMs === 0 ? 0 : 1 + Math.max(0, Math.round(nowMs - sinceMs)),
);

/** Sets the clock that `since` is written and read by (monotonic ms). */
export function setFrameClock(monoMs: number): void {
  nowMs = monoMs;
}

const devicePresence = struct({
  show: oneOf("show", ["online", "chat", "away", "xa", "dnd"] as const),
  status: text,
  priority: int,
  ext: text,
});

/** The devices of a user that may be seen. */
export const devices = list(struct({ device: deviceId, presence: devicePresence }));

/** A user's presence as its home has it. */
export const shownPresence = struct({
  watchedId: accountId,
  epoch: uint,
  version: uint,
  devices,
  lastSeen: uint,
});

/** The same for another cell. */
const shownAbroad = struct({ ...shownPresence.fields, revoked: uint });

const lastSeenOrNone = optional("last seen", uint);

const PROXY_MESSAGE = union("presence message", {
  interest: variant(0, {
    epoch: uint,
    asked: uint,
    watchedId: accountId,
    watchers: list(struct({ watcher: accountName, watcherId: accountId })),
  }),
  uninterest: variant(1, { epoch: uint, asked: uint }),
  answers: variant(2, {
    asked: uint,
    answers: list(struct({
      watcher: accountName,
      presence: optional("presence", shownAbroad),
      lastSeen: lastSeenOrNone,
    })),
  }),
  presence: variant(3, { shown: shownAbroad }),
  revoke: variant(4, {
    watcher: accountName,
    lastSeen: lastSeenOrNone,
    epoch: uint,
    after: uint,
    revoked: uint,
  }),
}) satisfies Schema<ProxyMessage>;

const pair = { from: accountName, fromId: accountId, to: accountName, toId: accountId };

/** What one account's shard sends to another's. */
export const SHARD_PACKET = union("packet", {
  pair: variant(0, {
    ...pair,
    n: uint,
    base: uint,
    generation: uint,
    payload: PAYLOAD,
    sinceMs: since,
  }),
  pair_ack: variant(1, {
    as: oneOf("pair_ack", ["upTo", "gap", "alone"] as const),
    ...pair,
    n: uint,
    refused: list(struct({ n: uint, reason: text })),
    forget: bool,
  }),
  pair_gone: variant(2, pair),
  receipt: variant(3, { ...pair, delivered: uint, read: uint }),
  receipt_ack: variant(4, { ...pair, delivered: uint, read: uint }),
  signal: variant(5, {
    ...pair,
    fromDevice: deviceId,
    toDevice: optional<DeviceId>("device", deviceId),
    type: text,
    body: text,
    id: text,
  }),
  rewatch: variant(6, pair),
  resolve: variant(7, { from: accountName, to: accountName }),
  pair_settled: variant(11, { ...pair, n: uint }),
  pair_unknown: variant(12, { ...pair, generation: uint }),
  newest: variant(9, { from: accountName, to: accountName, id: accountId, known: text }),
  is_newest: variant(10, { from: accountName, to: accountName, id: accountId, known: text }),
  name: variant(13, {
    from: accountName,
    to: accountName,
    cell: cellName,
    voters: uint,
    message: NAME_MESSAGE,
  }),
  proxy: variant(14, {
    from: accountName,
    to: accountName,
    cell: cellName,
    message: PROXY_MESSAGE,
  }),
  move: variant(15, {
    from: accountName,
    to: accountName,
    cell: cellName,
    message: MOVE_MESSAGE,
  }),
  resolved: variant(8, {
    from: accountName,
    fromId: optional("account id", accountId),
    to: accountName,
    open: bool,
  }),
}) satisfies Schema<ShardPacket>;
