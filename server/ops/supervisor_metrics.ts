/** The metrics of the process that keeps workers running: what no worker can count. */
import { Hono } from "hono";
import type { Process } from "../system/process.ts";
import type { ProcessFigures } from "../system/process_figures.ts";
import { Exporter } from "./exporter.ts";
import { registerProcess } from "./front_metrics.ts";
import { registerStandby, type StoresHere } from "../standby/standby_series.ts";
import { SUPERVISOR_SERIES } from "./series_table.ts";

/** What it counts of its workers. */
export interface WorkerFigures {
  /** How many there should be. */
  readonly count: number;
  /** Numbers of those that serve. */
  readonly serving: readonly number[];
  /** By number: how often a worker has ended without being asked to. */
  readonly ends: ReadonlyMap<number, number>;
}

/** Makes the app that serves them at `path`; `own`: the cell's store, where it has a standby. */
export function supervisorMetrics(
  path: string,
  figures: () => WorkerFigures,
  own: StoresHere["own"],
  process: Pick<Process, "cpuMs" | "rssBytes">,
  of: ProcessFigures,
  startedAtMs: number,
): Hono {
  const to = new Exporter(SUPERVISOR_SERIES);
  to.value("roost_workers", () => figures().count);
  to.value("roost_workers_serving", () => figures().serving.length);
  to.values("roost_worker_ends_total", () => {
    const { count, ends } = figures();
    return Array.from({ length: count }, (_, i) => {
      return [{ worker: String(i + 1) }, ends.get(i + 1) ?? 0] as const;
    });
  });
  registerStandby(to, { own, station: null });
  registerProcess(to, process, of, startedAtMs);
  if (to.unregistered.length > 0) throw new Error(`Metrics: nothing counts ${to.unregistered}`);
  const app = new Hono();
  app.get(path, async () => {
    return new Response(await to.text(), { headers: { "content-type": to.contentType } });
  });
  return app;
}
