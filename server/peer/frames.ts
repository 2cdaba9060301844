/**
 * Frames between nodes as bytes, by the schemas that the log has too. A frame begins with the number
 * of its kind; a recipient skips a kind that it does not know. Times of a node's own clock become
 * durations: no two clocks are compared.
 */
import {
  accountId,
  accountIdOrNone,
  accountName,
  deviceId,
  nodeRef,
} from "../../shard/record/fields.ts";
import {
  branded,
  bytes,
  list,
  mapped,
  oneOf,
  optional,
  OTHER,
  type Schema,
  text,
  uint,
} from "../../shard/record/schema.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { decodeEvent, type MailboxEvent, writeEvent } from "../../shard/mailbox/mailbox_event.ts";
import type { NodeId, SessionId } from "../../shard/name/ids.ts";
import type { EdgePacket, InterestAnswer } from "../../shard/edge_packet.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { GossipHints, GossipMessage } from "../gossip/message.ts";
import type { CellCall, PeerFrame, SessionCall } from "../node/peers.ts";
import type { Result } from "../../shard/errors.ts";
import { devices, setFrameClock, SHARD_PACKET, shownPresence, since } from "./packet_frames.ts";
import { struct, union, variant } from "../../shard/record/struct.ts";
import { value } from "./value.ts";
import { PEER_VERSIONS } from "./versions.ts";

const sessionId = branded<SessionId>();
const nodeKey = branded<NodeId>();

/** Its position, then its stored form behind a length. */
const event: Schema<MailboxEvent> = {
  op: OTHER,
  bytesMin: 2,
  open: false,
  write(w, event) {
    w.uint(event.seq);
    const stored = writeEvent(event.at, event);
    w.uint(stored.length).copy(stored);
  },
  read(r) {
    const seq = r.uint();
    return decodeEvent(r.view(), seq);
  },
  skip(r) {
    r.uint();
    r.skip(r.uint());
  },
};

const EDGE_PACKET = union("edge packet", {
  events: variant(0, {
    owner: accountName,
    sinceMs: since,
    sessions: list(sessionId),
    events: list(event),
  }),
  presence: variant(1, {
    sinceMs: since,
    watched: accountName,
    watchedId: accountId,
    epoch: uint,
    version: uint,
    devices,
    lastSeen: uint,
  }),
  revoke: variant(2, {
    watched: accountName,
    watcher: accountName,
    lastSeen: optional("last seen", uint),
  }),
  watch: variant(3, {
    sessions: list(sessionId),
    target: struct({ name: accountName, id: accountId }),
  }),
  closed: variant(4, {
    sessions: list(sessionId),
    reason: oneOf("reason", ["replaced", "revoked", "expired", "shutdown"] as const),
  }),
  announce: variant(5, { lo: uint, hi: uint, epoch: uint }),
  unknown: variant(7, { watched: accountName, watchedId: accountId }),
  rewatch: variant(9, { watched: accountName, watchedId: accountId }),
  ask_again: variant(8, { watched: accountName, watchedId: accountId, watcher: accountName }),
  signal: variant(6, {
    sessions: list(sessionId),
    from: accountName,
    fromDevice: deviceId,
    type: text,
    body: text,
    id: text,
  }),
}) satisfies Schema<EdgePacket>;

const answer: Schema<InterestAnswer> = struct({
  watcher: accountName,
  watched: accountName,
  presence: optional(
    "presence",
    shownPresence,
  ),
  lastSeen: optional("last seen", uint),
});

const seq = { seq: uint };
const said = { node: nodeKey, refuted: uint, by: nodeKey };

const GOSSIP = struct({
  probe: union("probe", {
    ping: variant(0, seq),
    ack: variant(1, seq),
    nack: variant(2, seq),
    ping_req: variant(3, { ...seq, target: nodeKey }),
  }),
  updates: list(union("statement", {
    alive: variant(0, {
      node: nodeKey,
      refuted: uint,
      stamp: uint,
      hints: value<GossipHints>(),
    }),
    suspect: variant(1, said),
    dead: variant(2, said),
  })),
}) satisfies Schema<GossipMessage>;

const op = branded<OpName>();
const of = { shard: uint, epoch: uint };

/** A duration, to a microsecond. */
const ms: Schema<number> = mapped(
  uint,
  (micros) => micros / 1000,
  (ms) => Math.max(0, Math.round(ms * 1000)),
);

const FRAME = union("frame", {
  request: variant(1, {
    asked: uint,
    ...of,
    name: accountName,
    op,
    input: value<Ops[OpName]["in"]>(),
    seed: optional("seed", bytes),
    accountId: optional("account id", accountIdOrNone),
  }),
  reply: variant(2, { asked: uint, op, result: value<Result<Ops[OpName]["out"]>>() }),
  interest: variant(3, {
    asked: uint,
    ...of,
    items: list(struct({
      watcher: accountName,
      watcherId: accountId,
      watched: accountName,
      watchedId: accountId,
    })),
  }),
  interest_answer: variant(4, { asked: uint, answers: list(answer) }),
  moved: variant(5, { asked: uint }),
  uninterest: variant(6, { ...of, watched: list(accountName) }),
  packet: variant(7, { packet: SHARD_PACKET }),
  edge: variant(8, { ...of, packet: EDGE_PACKET }),
  announced: variant(9, { lo: uint, hi: uint, epoch: uint }),
  owners: variant(10, {
    owners: list(struct({ shard: uint, epoch: uint, owner: optional("owner", nodeRef) })),
  }),
  table: variant(11, { version: uint }),
  give: variant(12, { ...of, heldMs: ms }),
  gossip: variant(13, { message: GOSSIP }),
  vouch: variant(14, { asked: uint, claims: list(struct(of)) }),
  vouched: variant(15, { asked: uint }),
  consent: variant(16, { of: nodeRef, beat: uint }),
  consented: variant(17, { of: nodeRef, beat: uint, waitMs: uint }),
  taken: variant(18, { ...of, pauseMs: optional("pause", ms) }),
  call: variant(19, { asked: uint, call: value<CellCall>() }),
  called: variant(20, { asked: uint, result: value<Result<unknown>>() }),
  cluster: variant(21, {}),
  clock: variant(22, { wallMs: uint }),
  session: variant(23, { asked: uint, call: value<SessionCall>() }),
  cancel: variant(24, { asked: uint }),
  carried: variant(25, { packet: SHARD_PACKET, hops: uint }),
  returning: variant(26, of),
}) satisfies Schema<PeerFrame>;

/** The highest number of a kind that programs of a version know. */
const KIND_MAX: Readonly<Record<number, number>> = { 1: 21, 2: 26 };

/** Writes a frame behind what `w` has; `monoMs`: the clock of the sender. */
export function writeFrame(w: ByteWriter, frame: PeerFrame, monoMs: number): void {
  setFrameClock(monoMs);
  FRAME.write(w, frame);
}

/** The bytes of a frame; `monoMs`: the clock of the sender. */
export function encodeFrame(frame: PeerFrame, monoMs: number): Uint8Array {
  const w = new ByteWriter();
  writeFrame(w, frame, monoMs);
  return w.take();
}

/**
 * Reads what `encodeFrame` wrote; null where it is of a kind that programs of `version` do not know.
 * Throws `CorruptBytes` for anything else. `monoMs`: the clock of the recipient.
 */
export function decodeFrame(
  frame: Uint8Array,
  monoMs: number,
  version = PEER_VERSIONS.newest,
): PeerFrame | null {
  setFrameClock(monoMs);
  if (frame[0] !== undefined && frame[0] > KIND_MAX[version]!) return null;
  const r = new ByteReader(frame);
  const read = FRAME.read(r);
  if (!r.done) throw new CorruptBytes("a frame goes on behind its end");
  return read;
}
