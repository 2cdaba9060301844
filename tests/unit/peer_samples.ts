/** A frame of every kind, with a packet of every kind. */
import type {
  AccountId,
  AccountName,
  CellName,
  DeviceId,
  MailboxId,
  NodeId,
  SessionId,
} from "../../shard/name/ids.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { ProxyMessage } from "../../shard/federation/proxy_message.ts";
import type { NameMessage } from "../../shard/federation/name_packets.ts";
import type { GossipMessage } from "../../server/gossip/message.ts";
import type { PeerFrame } from "../../server/node/peers.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";

const [alice, bob] = ["alice", "bob"] as unknown as [AccountName, AccountName];
const [a, b] = ["accountid0000001", "accountid0000002"] as unknown as [AccountId, AccountId];
const device = "phone" as DeviceId;
const sessions = ["session000000001" as SessionId];
const pair = { from: alice, fromId: a, to: bob, toId: b };
const presence = { show: "away", status: "at lunch", priority: -3, ext: "" } as const;
const devices = [{ device, presence }];
const message = { id: "m1", body: "hello, wörld", ext: "" };

const [here, there] = ["here", "there"] as unknown as readonly [CellName, CellName];
const ballot = { counter: 300, cell: here };
const chosen = { ballot, value: there };
const shown = { watchedId: a, epoch: 7, version: 300, devices, lastSeen: 0, revoked: 299 };
const PROXY_MESSAGES: readonly ProxyMessage[] = [
  {
    kind: "interest",
    epoch: 2,
    asked: 1,
    watchedId: a,
    watchers: [{ watcher: bob, watcherId: b }],
  },
  { kind: "uninterest", epoch: 2, asked: 1 },
  {
    kind: "answers",
    asked: 1,
    answers: [{ watcher: bob, presence: shown, lastSeen: null }, {
      watcher: alice,
      presence: null,
      lastSeen: 5,
    }],
  },
  { kind: "presence", shown },
  { kind: "revoke", watcher: bob, lastSeen: null, epoch: 7, after: 298, revoked: 299 },
];
const NAME_MESSAGES: readonly NameMessage[] = [
  { kind: "prepare", ballot },
  { kind: "accept", ballot, value: there },
  { kind: "promise", ballot, accepted: null },
  { kind: "promise", ballot, accepted: chosen },
  { kind: "accepted", ballot },
  { kind: "refused", ballot, promised: { counter: 301, cell: there } },
  { kind: "outdated" },
  { kind: "told", chosen },
  { kind: "told_ack", chosen },
  { kind: "where" },
  { kind: "there", chosen: null },
  { kind: "there", chosen },
];

const PACKETS: readonly ShardPacket[] = [
  {
    kind: "pair",
    ...pair,
    n: 7,
    base: 5,
    generation: 2,
    payload: { kind: "message", num: 3, ...message },
    sinceMs: 0,
  },
  {
    kind: "pair",
    ...pair,
    n: 8,
    base: 5,
    generation: 2,
    payload: { kind: "subscription", type: "subscribed", seen: 4 },
    sinceMs: 0,
  },
  {
    kind: "pair_ack",
    ...pair,
    as: "gap",
    n: 6,
    refused: [{ n: 6, reason: "quota" }],
    forget: true,
  },
  { kind: "pair_settled", ...pair, n: 6 },
  { kind: "pair_unknown", ...pair, generation: 300 },
  { kind: "pair_gone", ...pair },
  { kind: "receipt", ...pair, delivered: 5, read: 4 },
  { kind: "receipt_ack", ...pair, delivered: 5, read: 4 },
  {
    kind: "signal",
    ...pair,
    fromDevice: device,
    toDevice: null,
    type: "typing",
    body: "{}",
    id: "",
  },
  { kind: "rewatch", ...pair },
  { kind: "newest", from: alice, to: bob, id: b, known: "accountid0000003" },
  { kind: "is_newest", from: bob, to: alice, id: b, known: "" },
  { kind: "resolve", from: alice, to: bob },
  { kind: "resolved", from: alice, fromId: null, to: bob, open: false },
  ...PROXY_MESSAGES.map((message) => {
    return { kind: "proxy", from: alice, to: alice, cell: here, message } as const;
  }),
  ...NAME_MESSAGES.map((message) => {
    return { kind: "name", from: alice, to: alice, cell: here, voters: 3, message } as const;
  }),
];

const EDGE_PACKETS: readonly EdgePacket[] = [
  {
    kind: "events",
    owner: bob,
    sinceMs: 0,
    sessions,
    events: [
      {
        seq: 9,
        at: 1_735_689_600_000,
        kind: "message",
        with: alice,
        out: false,
        num: 3,
        device: "",
        ...message,
      },
      { seq: 10, at: 1_735_689_600_001, kind: "receipt", with: alice, delivered: 3, read: 2 },
    ],
  },
  {
    kind: "presence",
    sinceMs: 0,
    watched: alice,
    watchedId: a,
    epoch: 3,
    version: 12,
    devices,
    lastSeen: 0,
  },
  { kind: "revoke", watched: alice, watcher: bob, lastSeen: 1_735_689_600_000 },
  { kind: "watch", sessions, target: { name: alice, id: a } },
  { kind: "closed", sessions, reason: "replaced" },
  { kind: "announce", lo: 0, hi: 2 ** 32, epoch: 4 },
  {
    kind: "signal",
    sessions,
    from: alice,
    fromDevice: device,
    type: "typing",
    body: "{}",
    id: "x",
  },
];

const [n1, n2] = ["node000000000001.3", "node000000000002.1"] as unknown as NodeId[];

const GOSSIP: readonly GossipMessage[] = [
  {
    probe: { kind: "ping", seq: 1 },
    updates: [
      {
        kind: "alive",
        node: n1!,
        refuted: 2,
        stamp: 7,
        hints: {
          leased: true,
          table: 3,
          version: "1.0.0",
          load: 12,
          addresses: ["https://a.example.org"],
        },
      },
      { kind: "suspect", node: n2!, refuted: 0, by: n1! },
      { kind: "dead", node: n2!, refuted: 1, by: n1! },
    ],
  },
  { probe: { kind: "ack", seq: 1 }, updates: [] },
  { probe: { kind: "nack", seq: 2 }, updates: [] },
  { probe: { kind: "ping_req", seq: 3, target: n2! }, updates: [] },
];

const owner = { id: "node000000000001" as NodeId, incarnation: 3 };

/** See the head of this file. */
export const PEER_SAMPLES: readonly PeerFrame[] = [
  {
    kind: "request",
    asked: 1,
    shard: 2,
    epoch: 3,
    name: alice,
    op: "session.attach",
    input: {
      session: sessions[0]!,
      device,
      auth: { kind: "token", tokenHash: new Uint8Array([1, 2, 3]) },
      cursor: null,
      presence,
    },
    seed: new Uint8Array(24),
    accountId: null,
  },
  { kind: "reply", asked: 1, op: "session.detach", result: { ok: true, value: null } },
  {
    kind: "reply",
    asked: 2,
    op: "message.send",
    result: { ok: false, code: "busy", message: "Too much", retryAfterMs: 500 },
  },
  {
    kind: "interest",
    asked: 3,
    shard: 2,
    epoch: 3,
    items: [{ watcher: alice, watcherId: a, watched: bob, watchedId: b }],
  },
  {
    kind: "interest_answer",
    asked: 3,
    answers: [
      { watcher: alice, watched: bob, presence: null, lastSeen: 5 },
      {
        watcher: alice,
        watched: bob,
        presence: { watchedId: b, epoch: 1, version: 2, devices, lastSeen: 0 },
        lastSeen: null,
      },
    ],
  },
  { kind: "moved", asked: 4 },
  { kind: "uninterest", shard: 1, epoch: 2, watched: [alice, bob] },
  ...PACKETS.map((packet): PeerFrame => ({ kind: "packet", packet })),
  ...EDGE_PACKETS.map((packet): PeerFrame => ({ kind: "edge", shard: 5, epoch: 3, packet })),
  { kind: "announced", lo: 0, hi: 1000, epoch: 2 },
  { kind: "owners", owners: [{ shard: 1, epoch: 2, owner }, { shard: 2, epoch: 1, owner: null }] },
  { kind: "table", version: 8 },
  { kind: "returning", shard: 4, epoch: 9 },
  { kind: "give", shard: 4, epoch: 9, heldMs: 1.5 },
  { kind: "taken", shard: 4, epoch: 9, pauseMs: 12.25 },
  { kind: "taken", shard: 4, epoch: 9, pauseMs: null },
  { kind: "call", asked: 5, call: { kind: "move", shard: 4, to: owner } },
  { kind: "call", asked: 6, call: { kind: "reshape", of: [1, 2], at: [] } },
  { kind: "called", asked: 5, result: { ok: true, value: { pauseMs: 7.5 } } },
  { kind: "called", asked: 6, result: { ok: false, code: "conflict", message: "No" } },
  {
    kind: "session",
    asked: 7,
    call: {
      kind: "poll",
      session: "abcdefghijklmnop" as SessionId,
      user: "alice" as AccountName,
      device: "phone" as DeviceId,
      provedUntil: null,
      cursor: { mailboxId: "MMMMMMMMMMMMMMMM" as MailboxId, seq: 7 },
      soft: 3,
      waitMs: 30_000,
    },
  },
  { kind: "cancel", asked: 7 },
  { kind: "carried", packet: PACKETS[0]!, hops: 2 },
  { kind: "cluster" },
  { kind: "clock", wallMs: 1_735_689_600_000 },
  { kind: "vouch", asked: 5, claims: [{ shard: 1, epoch: 2 }, { shard: 3, epoch: 400 }] },
  { kind: "vouched", asked: 5 },
  { kind: "consent", of: owner, beat: 77 },
  { kind: "consented", of: owner, beat: 77, waitMs: 1500 },
  ...GOSSIP.map((message): PeerFrame => ({ kind: "gossip", message })),
];
