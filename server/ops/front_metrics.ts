/** The metrics of a serving node, put together from what its parts count. */
import type { Counters } from "../http/counters.ts";
import type { HttpCounters } from "../http/http_server.ts";
import type { AdmissionControl } from "../http/admission_control.ts";
import type { Edge } from "../edge/edge.ts";
import type { Experiments } from "../gateway/experiments.ts";
import type { Gateway } from "../gateway/gateway.ts";
import type { SignInQueue } from "../http/sign_in_queue.ts";
import type { Node } from "../node/node.ts";
import type { Process } from "../system/process.ts";
import { createMetrics } from "./metrics.ts";
import { type EdgeCounters, type EdgeGauges, newEdgeCounters } from "../edge/types.ts";
import { newStreamCounters, type OpenStreams } from "../v1/events.ts";
import { newWsCounters, type WsCounters } from "../v1/ws.ts";

/** What the parts of a front count for themselves. */
export interface FrontCounters {
  readonly edge: EdgeCounters;
  readonly ws: WsCounters;
  readonly door: HttpCounters;
  readonly streams: OpenStreams;
  /** Connections that the protocol refused. */
  readonly protocol: { malformed: number; timeout: number };
}

/** Counters at zero. */
export function newFrontCounters(): FrontCounters {
  return {
    edge: newEdgeCounters(),
    ws: newWsCounters(),
    door: {
      opened: 0,
      refusedFull: 0,
      refusedAddress: 0,
      refusedBusy: 0,
      malformed: 0,
      pipelined: 0,
      reopened: 0,
    },
    streams: newStreamCounters(),
    protocol: { malformed: 0, timeout: 0 },
  };
}

/** What the metrics are about. */
export interface MetricsSources {
  readonly counts: FrontCounters;
  readonly counters: Counters;
  readonly edge: Edge;
  readonly gateway: Gateway;
  readonly experiments: Experiments;
  readonly node: Node;
  readonly keeper: AdmissionControl;
  readonly signInQueue: Pick<SignInQueue, "waiting" | "refused">;
  readonly process: Process;
  connections(): number;
  readonly startedAtMs: number;
}

/** Brings the numbers that parts of the node count for themselves into the metrics' counters. */
function gather(sources: MetricsSources): void {
  const { counters, counts, edge } = sources;
  counters.presence.deliveries = counts.edge.presenceDeliveries;
  counters.presence.coalesced = counts.edge.presenceCoalesced;
  counters.messages.delivered = counts.edge.durableEvents;
  counters.signals.delivered = counts.edge.signals;
  gatherLive(counters, counts.streams, edge.gauges(), sources.gateway.attached);
  counters.sessions.opened = counts.edge.opened;
  counters.sessions.resumed = counts.edge.resumed;
  Object.assign(counters.sessions.ended, counts.edge.ended);
  counters.sessions.fellBehind = counts.edge.behind;
  counters.frames.sent = counts.ws.framesSent + counts.streams.sent;
  counters.frames.sentBytes = counts.ws.bytesSent + counts.streams.sentBytes;
  Object.assign(counters.commits.failures, sources.node.committer.stats.failures);
  counters.frames.received = counts.ws.framesReceived;
  counters.frames.receivedBytes = counts.ws.bytesReceived;
  Object.assign(counters.signInQueue, {
    waiting: sources.signInQueue.waiting,
    refused: sources.signInQueue.refused,
  });
  counters.refusedFull.connection = counts.door.refusedFull;
  counters.refusedFull.signIn = counts.edge.refused;
  gatherBad(counters, counts);
  gatherServices(sources);
}

/** What services and experiments count. */
function gatherServices({ counters, gateway, experiments }: MetricsSources): void {
  const { hooks } = gateway;
  const status = hooks.status(null);
  Object.assign(counters.webhooks, hooks.counters, {
    waiting: status.reduce((sum, { waiting }) => sum + waiting, 0),
    dead: status.reduce((sum, { dead }) => sum + dead, 0),
  });
  counters.arms.splice(0, Infinity, ...experiments.counts());
}

/**
 * Live sessions by what carries them, and who has them: apart for users of the load tool, and
 * without those of services, which nothing carries.
 */
function gatherLive(
  { sessions }: Counters,
  streams: OpenStreams,
  all: EdgeGauges,
  services: number,
): void {
  const synthetic = {
    users: all.syntheticUsers,
    sessions: all.syntheticSessions,
    lost: all.syntheticLost,
    polling: all.syntheticPolling,
    sse: streams.synthetic,
  };
  const real = {
    users: all.users - synthetic.users - services,
    sessions: all.sessions - synthetic.sessions - services,
    lost: all.lost - synthetic.lost,
    polling: all.polling - synthetic.polling,
    sse: streams.open - synthetic.sse,
  };
  for (const [label, of] of [["false", real], ["true", synthetic]] as const) {
    sessions.users[label] = of.users;
    sessions.live.poll[label] = of.polling;
    sessions.live.sse[label] = of.sse;
    sessions.live.websocket[label] = of.sessions - of.lost - of.polling - of.sse;
    sessions.live.none[label] = of.lost;
  }
}

/** Connections that were ended for what they did, by kind. */
function gatherBad({ connections }: Counters, { ws, door, edge, protocol }: FrontCounters): void {
  const { faults } = ws;
  connections.opened = door.opened;
  connections.listenerReopened = door.reopened;
  connections.bad.http = door.malformed;
  connections.bad.hello_timeout = faults.no_hello + protocol.timeout;
  connections.bad.malformed = faults.frame + faults.binary + protocol.malformed;
  connections.bad.too_large = faults.too_large;
  connections.bad.flood = faults.flood + faults.late + door.pipelined;
  connections.bad.silent = faults.silent;
  connections.bad.unread = faults.unread + edge.stalled;
}

/** Makes what answers `/metrics`. */
export function frontMetrics(sources: MetricsSources): () => Promise<Response> {
  const { counters, edge, node, keeper, process } = sources;
  const metrics = createMetrics(counters, {
    watchedUsers: () => edge.gauges().watched,
    watchers: () => edge.gauges().watches,
    interests: () => node.shards.reduce((n, s) => n + s.presence.size, 0),
    connections: () => sources.connections(),
    outboxBytes: () => edge.gauges().outboxBytes,
    cachedUsers: () => node.accountsInMemory,
    commitQueue: () => node.pending,
    loopLagMs: () => keeper.lagMs(),
    storeFailing: () => node.committer.failingSinceMs !== 0,
    ready: () => node.settled,
    bugs: () => node.bugs,
    rssBytes: () => process.rssBytes(),
    cpuMs: () => process.cpuMs() ?? 0,
    behind: () => edge.gauges().behind,
  }, sources.startedAtMs);
  return async () => {
    gather(sources);
    return new Response(await metrics.text(), {
      headers: { "content-type": metrics.contentType },
    });
  };
}
