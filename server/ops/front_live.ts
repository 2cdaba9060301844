/** What the dashboard is fed with, read from the parts of a serving node. */
import type { Counters } from "../http/counters.ts";
import type { AdmissionControl } from "../http/admission_control.ts";
import type { Edge } from "../edge/edge.ts";
import type { EdgeGauges } from "../edge/types.ts";
import type { FrontCounters } from "./front_metrics.ts";
import type { SignInQueue } from "../http/sign_in_queue.ts";
import type { Node } from "../node/node.ts";
import type { Ports } from "../node/ports.ts";
import type { Process } from "../system/process.ts";
import { LiveFeed } from "./live/feed.ts";
import { healthOf } from "./live/health.ts";
import type { Reading } from "./live/series.ts";
import { ShardMapper } from "./live/shard_map.ts";
import { VERSION } from "../config/version.ts";

/** What is read. */
export interface LiveSources {
  readonly counts: FrontCounters;
  readonly counters: Counters;
  readonly edge: Edge;
  readonly signInQueue: SignInQueue;
  readonly node: Node;
  readonly keeper: AdmissionControl;
  readonly process: Process;
  readonly ports: Pick<Ports, "clock" | "timers">;
  readonly domain: string;
  readonly connectionsMax: number;
  readonly startedAtMs: number;
  connections(): number;
  /** Sessions of services, which nobody else's count has. */
  services(): number;
}

/** Sessions that are looked at a second, on average, while somebody watches, and while nobody does. */
const LOOKS = { watched: 5000, unwatched: 1000 } as const;

/** Gauges of the edge, which have to look at every session: the more there are, the less often. */
class PacedGauges {
  readonly #edge: Pick<Edge, "gauges">;
  #gauges: EdgeGauges;
  /** Sessions that could have been looked at since the last time. */
  #credit = 0;

  constructor(edge: Pick<Edge, "gauges">) {
    this.#edge = edge;
    this.#gauges = edge.gauges();
  }

  /** To be called once a second. */
  get(watched: boolean): EdgeGauges {
    this.#credit += watched ? LOOKS.watched : LOOKS.unwatched;
    if (this.#credit >= this.#gauges.sessions) {
      this.#credit = 0;
      this.#gauges = this.#edge.gauges();
    }
    return this.#gauges;
  }
}

/** Sums what is refused for one reason, over all kinds. */
function refused(
  { admissionRefused }: Counters,
  reason: keyof Counters["admissionRefused"]["write"],
) {
  const { connection, signIn, write } = admissionRefused;
  return connection[reason] + signIn[reason] + write[reason];
}

/** Sign-ins that came to nothing, whatever the reason. */
function signInsRefused({ signIns }: Counters): number {
  let sum = 0;
  for (const { refused, limited, busy, failed } of Object.values(signIns)) {
    sum += refused + limited + busy + failed;
  }
  return sum;
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

function risingOf(
  { counts, counters, signInQueue, node, process }: LiveSources,
): Reading["rising"] {
  const { edge, ws, door } = counts;
  return {
    presenceChanges: counters.presence.changes,
    presenceDeliveries: edge.presenceDeliveries,
    presenceCoalesced: edge.presenceCoalesced,
    messagesAccepted: counters.messages.accepted,
    messagesDelivered: edge.durableEvents,
    signals: edge.signals,
    sessionsOpened: edge.opened,
    sessionsResumed: edge.resumed,
    signInsRefused: signInsRefused(counters),
    endedLost: edge.ended.lost,
    endedSlow: edge.ended.slow,
    fellBehind: edge.behind,
    cutOff: edge.stalled + ws.faults.unread,
    commits: node.committer.stats.commits,
    commitFailures: total(node.committer.stats.failures),
    queueRefused: signInQueue.refused,
    busyOverload: refused(counters, "overload"),
    busyFull: refused(counters, "full") + door.refusedFull + edge.refused,
    busyDraining: refused(counters, "draining"),
    storeFailing: refused(counters, "storeFailing"),
    rateLimited: total(counters.rateLimited) + door.refusedAddress,
    // Not door.malformed: it also counts connections that merely broke off.
    badConnections: total(ws.faults) + door.pipelined +
      counts.protocol.malformed + counts.protocol.timeout,
    cpuMs: process.cpuMs() ?? 0,
  };
}

function levelsOf(sources: LiveSources, all: EdgeGauges): Reading["levels"] {
  const { counts, signInQueue, node, process } = sources;
  const services = sources.services();
  const sessions = all.sessions - services;
  const { open: sse } = counts.streams;
  return {
    users: all.users - all.syntheticUsers - services,
    usersSynthetic: all.syntheticUsers,
    sessions,
    sessionsSynthetic: all.syntheticSessions,
    websocket: Math.max(0, sessions - all.lost - all.polling - sse),
    sse,
    poll: all.polling,
    lost: all.lost,
    connections: sources.connections(),
    waiting: signInQueue.waiting,
    behind: all.behind,
    outboxBytes: all.outboxBytes,
    outboxBytesTop: all.outboxBytesTop,
    commitQueue: node.pending,
    rssBytes: process.rssBytes(),
    shards: node.shards.length,
  };
}

/** Makes the feed of a front; nothing is sampled before its `start`. */
export function frontLive(sources: LiveSources): LiveFeed {
  const { counters, keeper, node, signInQueue, ports } = sources;
  const gauges = new PacedGauges(sources.edge);
  return new LiveFeed({
    ...ports,
    version: VERSION,
    domain: sources.domain,
    startedAtMs: sources.startedAtMs,
    owners: () => node.table.shards,
    mapper: new ShardMapper(node),
    read: (watched) => ({
      rising: risingOf(sources),
      levels: levelsOf(sources, gauges.get(watched)),
      latencies: {
        presence: counters.presence.latencyMs,
        message: counters.messages.latencyMs,
        ack: counters.messages.ackMs,
        commit: counters.commits.latencyMs,
        lag: counters.loopLagMs,
      },
    }),
    health: () =>
      healthOf({
        draining: keeper.draining,
        // A shard that is down is not about to serve.
        ready: node.settled,
        shardsDown: node.shards.filter((shard) => shard.down).length,
        damaged: Object.values(counters.damaged).reduce((sum, count) => sum + count, 0),
        storeFailing: node.committer.failingSinceMs !== 0,
        overloaded: keeper.overloaded(),
        connections: sources.connections(),
        connectionsMax: sources.connectionsMax,
        waiting: signInQueue.waiting,
        lagMs: keeper.lagMs(),
      }),
  });
}
