/**
 * What a seed makes of a cluster: its size, its bounds, what its clients like to do, and which
 * faults meet it. Each seed leaves some of it out, so that what remains meets more often (swarm
 * testing).
 */
import type { EdgeLimits } from "../../server/edge/types.ts";
import type { DedupeShape } from "../../shard/message/dedupe.ts";
import type { HeadShape } from "../../shard/account/head_pages.ts";
import type { NetworkQuality } from "./network.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import { LAN } from "./network.ts";
import type { Prng } from "./prng.ts";
import { STEADY, type WireQuality } from "./wire.ts";
import { EDGE_LIMITS, SHARD_LIMITS } from "./limits.ts";

/** What clients and operators do. */
export const ACTIONS = {
  write: 30,
  repeat: 6,
  burst: 3,
  present: 10,
  hide: 2,
  ack: 6,
  read: 5,
  history: 3,
  page: 3,
  snapshot: 2,
  contact: 3,
  uncontact: 2,
  subscribe: 4,
  unsubscribe: 2,
  approve: 2,
  deny: 2,
  block: 2,
  unblock: 3,
  settings: 2,
  signal: 4,
  leave: 3,
  vanish: 2,
  drop: 4,
  switch: 3,
  slow: 2,
  cut: 2,
  signOut: 1,
  revoke: 1.5,
  password: 0.5,
  remove: 0.7,
  disable: 0.5,
  unblockAfterRemoval: 1,
  race: 1.5,
  stalledLook: 1,
  flood: 1.5,
  flash: 0.7,
  answerAfterReuse: 0.5,
  namesake: 0.7,
} as const;

/** Actions that decide who may see and write to whom. */
const RELATIONS: ReadonlySet<string> = new Set([
  "uncontact",
  "subscribe",
  "unsubscribe",
  "approve",
  "deny",
  "block",
  "unblock",
  "settings",
  "remove",
]);

/** Name of an action. */
export type ActionName = keyof typeof ACTIONS;

/** What goes wrong. */
export const FAULTS = [
  "crash",
  "crashAtWrite",
  "crashLoop",
  "restart",
  "failingStop",
  "pause",
  "wallJump",
  "diskStall",
  "diskErrors",
  "diskFull",
  "diskUnknown",
  "diskReads",
  "resets",
  "partition",
  "cuts",
  "requestsLost",
  "reload",
  "usurp",
] as const;

/** What goes wrong between the nodes of a cell, and between them and their store. */
export const CELL_FAULTS = [
  "linkCut",
  "linksFlap",
  "nodeCutOff",
  "storeAway",
  "storeRepliesLost",
  "storeSlow",
  "storeAwayForAll",
  "storeAtMinority",
  "oneWayCut",
  "replyLost",
  "linksSlow",
  "allCrash",
  "race",
] as const;

/** What goes wrong between cells. */
export const WAN_FAULTS = [
  "cellCutOff",
  "cellsApart",
  "oneWayApart",
  "badWan",
  "slowWan",
  "wanFlaps",
  "farNodesApart",
] as const;

/** Name of a fault. */
export type FaultName =
  | typeof FAULTS[number]
  | typeof CELL_FAULTS[number]
  | typeof WAN_FAULTS[number];

/** One cluster. */
export interface SimConfig {
  readonly users: number;
  readonly devicesPerUser: number;
  /** Nodes of all cells. */
  readonly nodes: number;
  /** Cells of one name space that have users. */
  readonly cells: number;
  /** How many nodes each cell has; after those with users, a witness of one node may come. */
  readonly sizes: readonly number[];
  /** How many of them speak the version before this program's, as in the middle of an upgrade. */
  readonly older: number;
  readonly shards: number;
  readonly limits: ShardLimits;
  readonly edge: EdgeLimits;
  readonly network: NetworkQuality;
  readonly wire: WireQuality;
  /** Changes of the shard table. */
  readonly reshards: number;
  /** Orders about the nodes of a cell, such as to drain one. */
  readonly orders: number;
  /** Accounts leave memory as soon as nobody uses them. */
  readonly cold: boolean;
  /** How long clients act and faults happen, ms. */
  readonly chaosMs: number;
  /** Actions of all clients in a second. */
  readonly actionsPerSecond: number;
  readonly weights: Readonly<Record<ActionName, number>>;
  readonly faults: readonly FaultName[];
  readonly faultCount: number;
  readonly bodyBytes: number;
  readonly ackChance: number;
  readonly readChance: number;
  readonly pollChance: number;
  /** Probability that a single request or its answer gets lost. */
  readonly loss: number;
  /** Probability that two users begin as contacts of each other. */
  readonly friends: number;
  readonly kindness: number;
  /** Whether mailboxes lose old events in this cluster. */
  readonly trims: boolean;
  /** Probability that a request to the store of a cell, or its reply, is late and overtaken. */
  readonly lateCalls: number;
  /** How often one node of a cell alone reaches the store, and not all others. */
  readonly claimants: number;
  /** Whether the nodes of a cell are workers of one machine, which another process serves the store. */
  readonly storeServed: boolean;
  /** Effects that a node of a cell withholds at most while it may not serve. */
  readonly withheldMax: number;
  /** Shards of a cell that are reloaded, claimed again or split at bad moments. */
  readonly cellReloads: number;
  /** Whether one of several cells is cut off for ten minutes. */
  readonly longCut: boolean;
  /** Whether all nodes of several cells crash at about the same time. */
  readonly allCrash: boolean;
  /** Whether one of several cells is evacuated. */
  readonly evacuates: boolean;
  /** Probability that a call within a shard's step throws, see `StepFaults`. */
  readonly bugs: number;
}

/** Names of users; a `/` never occurs in one. */
export const NAMES = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"] as const;

/** Few entries a block and few blocks a row, so that short histories have many of both. */
export const SMALL_WINDOW: DedupeShape = { blockEntries: 3, rowBlocks: 2, hashBits: 64 };

/** The same for the heads of accounts, which have several writes of pages then. */
export const SMALL_PAGES: HeadShape = {
  wholeBytesMax: 500,
  pageItems: 2,
  pagePositions: 16,
  rowBytes: 90,
  writeBytes: 200,
};

/** Live sessions of an account: more than the devices that any user has. */
export const SESSIONS_MAX = 4;

function shardLimits(prng: Prng, trims: boolean, cold: boolean): ShardLimits {
  return {
    ...SHARD_LIMITS,
    sessionsPerAccountMax: SESSIONS_MAX,
    subscriptionRequestBurst: 10_000,
    requestEventBurst: 10_000,
    checkpointMs: cold ? 50 : prng.pick([50, 300, 2000]),
    cacheIdleMs: cold ? 200 : prng.pick([200, 2000, 60_000]),
    cacheAccountsMax: cold ? 1 : prng.pick([1, 3, 5000]),
    // With few bits, many keys have the same hash.
    dedupeShape: { ...SMALL_WINDOW, hashBits: prng.fork("dedupe").pick([3, 6, 64]) },
    headShape: { ...SMALL_PAGES, wholeBytesMax: prng.fork("pages").pick([500, 1500, 32_000]) },
    outboxWindow: prng.pick([1, 4, 64]),
    receiptDelayMs: prng.pick([50, 500]),
    mailboxEventsMax: trims ? prng.pick([20, 60]) : SHARD_LIMITS.mailboxEventsMax,
  };
}

function edgeLimits(prng: Prng, far: boolean): EdgeLimits {
  return {
    ...EDGE_LIMITS,
    sessionsPerAccountMax: SESSIONS_MAX,
    // A grace shorter than what a poll needs to return would end every polled session.
    graceMs: prng.pick([far ? 5000 : 300, 5000, 15_000]),
    outboxBytesMax: prng.pick([1200, 8192, 262_144]),
    stalledMs: prng.pick([3000, 20_000]),
  };
}

function weights(prng: Prng): Record<ActionName, number> {
  const out = {} as Record<ActionName, number>;
  const relations = prng.chance(0.3) ? 5 : 1;
  for (const [name, weight] of Object.entries(ACTIONS)) {
    const factor = RELATIONS.has(name) ? relations : 1;
    out[name as ActionName] = prng.chance(0.2) ? 0 : factor * weight * (0.3 + 2 * prng.number());
  }
  return out;
}

function faults(prng: Prng, cold: boolean): FaultName[] {
  // Cold clusters are about what has to be read, or cannot be.
  return FAULTS.filter(() => prng.chance(cold ? 0.6 : 0.4));
}

function wire(prng: Prng): WireQuality {
  if (prng.chance(0.5)) return STEADY;
  return {
    lost: prng.pick([0, 0.05, 0.3]),
    twice: prng.pick([0, 0.1, 0.3]),
    late: prng.pick([0.1, 0.5]),
    lateMs: prng.pick([20, 300, 2000]),
  };
}

/** The cluster of a seed. */
export function configOf(prng: Prng): SimConfig {
  const trims = prng.chance(0.15);
  const bulky = trims || prng.chance(0.15);
  const calm = prng.chance(0.1);
  const far = prng.chance(0.2);
  // Accounts leave memory at once, and reading them is not always possible.
  const cold = prng.chance(0.3);
  return {
    users: prng.int(2, 6),
    devicesPerUser: prng.int(1, 3),
    nodes: 1,
    cells: 1,
    sizes: [1],
    older: 0,
    wire: wire(prng.fork("wire")),
    reshards: prng.fork("reshards").pick([0, prng.int(1, 8)]),
    orders: 0,
    shards: prng.pick([1, 2, 3, 5]),
    limits: shardLimits(prng, trims, cold),
    cold,
    edge: edgeLimits(prng, far),
    network: far ? { ...LAN, latencyMs: [1, 80], slow: 0.05, slowMs: 900 } : LAN,
    chaosMs: prng.int(6000, 24_000),
    actionsPerSecond: prng.int(6, 24),
    weights: weights(prng),
    faults: calm ? [] : faults(prng, cold),
    faultCount: calm ? 0 : prng.int(cold ? 4 : 0, 10),
    bodyBytes: bulky ? 3000 : 80,
    ackChance: prng.pick([0, 0.2, 0.6]),
    readChance: prng.pick([0, 0.1, 0.4]),
    pollChance: prng.pick([0, 0.2, 0.5]),
    loss: prng.pick([0, 0.02, 0.1]),
    friends: prng.pick([0.4, 0.7, 1]),
    kindness: prng.pick([0.5, 0.9, 1]),
    trims,
    lateCalls: 0,
    claimants: 0,
    storeServed: false,
    withheldMax: 10_000,
    cellReloads: 0,
    longCut: false,
    allCrash: false,
    evacuates: false,
    bugs: calm ? 0 : prng.fork("bugs").pick([0, 0, 0.0005, 0.004]),
  };
}
