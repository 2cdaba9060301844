/** The metrics of a serving node: its parts register what they count. */
import type { CellMesh } from "../peer/cells/mesh.ts";
import { registerCells } from "../peer/cells/cells_series.ts";
import type { Counters } from "../http/counters.ts";
import type { HttpCounters } from "../http/http_server.ts";
import type { AdmissionControl } from "../http/admission_control.ts";
import type { Edge } from "../edge/edge.ts";
import type { Experiments } from "../gateway/experiments.ts";
import type { Gateway } from "../gateway/gateway.ts";
import type { Meter, Sample } from "../node/meter.ts";
import type { PushSender } from "../push/push_sender.ts";
import type { Node } from "../node/node.ts";
import type { Process } from "../system/process.ts";
import type { ProcessFigures } from "../system/process_figures.ts";
import type { Retries } from "../../shard/retry.ts";
import type { Telemetry } from "../system/telemetry.ts";
import type { SignInQueue } from "../http/sign_in_queue.ts";
import { type EdgeCounters, newEdgeCounters } from "../edge/types.ts";
import { Exporter } from "./exporter.ts";
import { newStreamCounters, type OpenStreams } from "../v1/events.ts";
import { newWsCounters, type WsCounters } from "../v1/ws.ts";
import {
  registerAdmission,
  registerCounters,
  registerDoor,
  registerSignInQueue,
} from "../http/series.ts";
import {
  newReloadCounters,
  registerReloads,
  type ReloadCounters,
} from "../http/reload_counters.ts";
import { registerEdge } from "../edge/edge_series.ts";
import { registerExperiments, registerGateway } from "../gateway/series.ts";
import { registerPush } from "../push/series.ts";
import { registerStandby, type StoresHere } from "../standby/standby_series.ts";
import { type CellEvacuation, registerMoves } from "./moves_series.ts";
import { registerNode } from "../node/node_series.ts";
import { registerRefused, registerStreams, registerWs } from "../v1/series.ts";
import { SERIES } from "./series_table.ts";
import { VERSION } from "../config/version.ts";

/** What the parts of a front count for themselves. */
export interface FrontCounters {
  readonly edge: EdgeCounters;
  readonly ws: WsCounters;
  readonly door: HttpCounters;
  readonly streams: OpenStreams;
  readonly reloads: ReloadCounters;
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
    reloads: newReloadCounters(),
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
  /** null: no push messages are sent. */
  readonly push: { readonly sender: PushSender } | null;
  readonly node: Node;
  readonly cells: CellMesh | null;
  readonly evacuation: CellEvacuation | null;
  readonly stores: StoresHere;
  /** Clients that are passed on to other cells, by cell. */
  readonly relayed?: () => ReadonlyMap<string, number>;
  readonly waiting?: () => ReadonlyMap<string, number>;
  readonly retries: Retries;
  readonly keeper: AdmissionControl;
  readonly signInQueue: Pick<SignInQueue, "waiting" | "refused">;
  readonly process: Process;
  readonly figures: ProcessFigures;
  connections(): number;
  readonly startedAtMs: number;
  readonly telemetry: Telemetry | null;
}

/** One sample, or none where there is no value. */
function some(value: number | null): readonly Sample[] {
  return value === null ? [] : [[{}, value]];
}

/**
 * Registers the process, under names of ours and under those that Prometheus gives processes. What the
 * platform does not say is absent; `roost_process_cpu_seconds_total` is 0.
 */
export function registerProcess(
  to: Meter,
  process: Pick<Process, "cpuMs" | "rssBytes">,
  figures: Omit<ProcessFigures, "close">,
  startedAtMs: number,
): void {
  to.values("process_cpu_seconds_total", () => {
    const ms = process.cpuMs();
    return some(ms === null ? null : ms / 1000);
  });
  to.value("process_resident_memory_bytes", () => process.rssBytes());
  to.values("process_virtual_memory_bytes", () => some(figures.virtualBytes()));
  to.values("process_open_fds", () => some(figures.filesOpen()));
  to.values("process_max_fds", () => some(figures.filesMax));
  to.value("process_start_time_seconds", () => figures.startedAtMs / 1000);
  to.value("roost_process_cpu_seconds_total", () => (process.cpuMs() ?? 0) / 1000);
  to.value("roost_resident_memory_bytes", () => process.rssBytes());
  to.value("roost_start_time_seconds", () => startedAtMs / 1000);
  to.values("roost_build_info", () => [[{ version: VERSION }, 1]]);
}

/** Makes the handler of `/metrics`; throws where a series has no part that counts it. */
export function frontMetrics(sources: MetricsSources): () => Promise<Response> {
  const { counts, counters, edge } = sources;
  const to = new Exporter(SERIES);
  registerCounters(to, counters);
  registerNode(to, sources.node, sources.retries);
  registerCells(to, sources.cells, sources.relayed, sources.waiting);
  registerMoves(to, counters, sources.evacuation);
  registerStandby(to, sources.stores);
  registerEdge(to, counts.edge, () => edge.gauges());
  registerWs(to, counts.ws);
  registerStreams(to, counts.streams);
  registerRefused(to, counts.protocol);
  registerDoor(to, counts.door, () => sources.connections());
  registerReloads(to, counts.reloads);
  registerSignInQueue(to, sources.signInQueue);
  registerAdmission(to, sources.keeper);
  registerGateway(to, sources.gateway);
  registerExperiments(to, sources.experiments);
  registerProcess(to, sources.process, sources.figures, sources.startedAtMs);
  registerPush(to, sources.push?.sender ?? null);
  if (to.unregistered.length > 0) throw new Error(`Metrics: nothing counts ${to.unregistered}`);
  sources.telemetry?.meter(to);
  return async () => {
    return new Response(await to.text(), { headers: { "content-type": to.contentType } });
  };
}
