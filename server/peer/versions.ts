/**
 * Versions of what nodes say to each other. A program speaks its own version and the one before, so
 * that a cell is upgraded node by node: two nodes speak the newest version that both know, and are
 * not sent what is later. What a new version adds is listed here, with the version that has it.
 */
import { fail } from "../../shard/errors.ts";
import type { CellCall, PeerFrame } from "../node/peers.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { OpName } from "../../shard/ops.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";

/** Versions that a program speaks, both included. */
export interface PeerVersions {
  readonly oldest: number;
  readonly newest: number;
}

/** Those of this program. */
export const PEER_VERSIONS: PeerVersions = { oldest: 1, newest: 2 };

/** The version since which each kind of frame exists. */
const FRAMES: Readonly<Record<PeerFrame["kind"], number>> = {
  request: 1,
  reply: 1,
  interest: 1,
  interest_answer: 1,
  moved: 1,
  uninterest: 1,
  packet: 1,
  edge: 1,
  announced: 1,
  owners: 1,
  table: 1,
  give: 1,
  taken: 1,
  call: 1,
  called: 1,
  cluster: 1,
  clock: 2,
  session: 2,
  carried: 2,
  cancel: 2,
  returning: 2,
  gossip: 1,
  vouch: 1,
  vouched: 1,
  consent: 1,
  consented: 1,
};
/** The same of calls: programs that do not know one take it for another. */
const CALLS: Readonly<Record<CellCall["kind"], number>> = { move: 1, reshape: 1, ask: 2 };

/** The same of packets for edges. A program that reads one that it does not know ends the link. */
const EDGE_PACKETS: Readonly<Record<EdgePacket["kind"], number>> = {
  events: 1,
  presence: 1,
  unknown: 2,
  ask_again: 2,
  revoke: 1,
  watch: 1,
  closed: 1,
  rewatch: 2,
  announce: 1,
  signal: 1,
};
/** The same of packets for shards. */
const SHARD_PACKETS: Readonly<Record<ShardPacket["kind"], number>> = {
  pair: 1,
  pair_ack: 1,
  pair_gone: 1,
  pair_settled: 1,
  pair_unknown: 1,
  receipt: 1,
  receipt_ack: 1,
  signal: 1,
  rewatch: 1,
  resolve: 1,
  resolved: 1,
  newest: 1,
  is_newest: 1,
  name: 2,
  proxy: 2,
  move: 2,
};

/**
 * The same of requests: those that version 1 does not have. A program that is asked for one that it
 * does not know takes that for a bug, and reloads the shard.
 */
const OPS: Readonly<Partial<Record<OpName, number>>> = {
  "account.clearFactors": 2,
  "account.factors": 2,
  "account.identify": 2,
  "account.link": 2,
  "account.setFactors": 2,
  "mailbox.search": 2,
  "move.begin": 2,
  "move.cancel": 2,
  "move.state": 2,
  "name.home": 2,
  "name.share": 2,
  "push.list": 2,
  "push.remove": 2,
  "push.set": 2,
  "push.settle": 2,
};
/** When a request that the peer does not know may be repeated (ms): the cell is being upgraded. */
const UPGRADE_MS = 5000;

/** Whether a peer that speaks this version knows a frame and what is in it. */
export function isKnown(frame: PeerFrame, version: number): boolean {
  switch (frame.kind) {
    case "call":
      return CALLS[frame.call.kind] <= version;
    case "request":
      return (OPS[frame.op] ?? 1) <= version;
    case "edge":
      return EDGE_PACKETS[frame.packet.kind] <= version;
    case "packet":
      return SHARD_PACKETS[frame.packet.kind] <= version;
    default:
      return FRAMES[frame.kind] <= version;
  }
}

/** Whether this program knows a frame that it has read: a later one may have other calls. */
export function isReadable(frame: PeerFrame): boolean {
  return frame.kind !== "call" || Object.hasOwn(CALLS, frame.call.kind);
}

/** What the sender gets in the place of a reply to a frame that its peer does not know; null: nothing. */
export function replyFor(frame: PeerFrame, version: number): PeerFrame | null {
  if (frame.kind === "request") {
    const why = `The node of this user's data speaks version ${version}, which has no ${frame.op}`;
    const result = fail("unavailable", why, UPGRADE_MS);
    return { kind: "reply", asked: frame.asked, op: frame.op, result };
  }
  if (frame.kind !== "call" && frame.kind !== "session") return null;
  const what = frame.kind === "call" ? frame.call.kind : frame.kind;
  const why = `The node speaks version ${version} of the links, which has no ${what}`;
  return { kind: "called", asked: frame.asked, result: fail("unsupported", why) };
}

/** The version that two nodes speak with each other: the newest that both know; null: none. */
export function agreedVersion(a: PeerVersions, b: PeerVersions): number | null {
  const agreed = Math.min(a.newest, b.newest);
  return agreed < Math.max(a.oldest, b.oldest) ? null : agreed;
}
