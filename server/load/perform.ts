/** Does what `roost load` is asked for. */
import { EXIT } from "../cli/host.ts";
import { VERSION } from "../config/version.ts";
import {
  type LoadRequest,
  type RemoveRequest,
  type Request,
  WORKER_COMMAND,
} from "./load_options.ts";
import type { LoadPorts } from "./ports.ts";
import { localWorker, type Worker, type WorkerPlan } from "./worker.ts";
import type { Pool } from "./pool.ts";
import { performDark } from "./dark.ts";
import { hintsOf, type RunResult, type ServerUse, violationsOf } from "./result.ts";
import { type Findings, lead } from "./run.ts";
import { metricsDelta, type ServerView, viewServer } from "./server_view.ts";
import { pipedWorker } from "./worker_pipe.ts";
import { PoolStore } from "./pool_store.ts";
import { progressLine, summaryText } from "./report_text.ts";
import { reportHtml } from "./report_html.ts";

/** What scenario restart says when it is ready, for people and programs to act on. */
export const OUTAGE_NOTE = "Restart the server now";

/** Runs it; returns the exit code: 0 where everything was as promised, else 1. */
export async function perform(ports: LoadPorts, request: Request): Promise<number> {
  switch (request.kind) {
    case "scenario":
      return await performScenario(ports, request);
    case "dark":
      return await performDark(ports, request);
    case "remove":
      return await performRemove(ports, request);
  }
}

async function performRemove(ports: LoadPorts, request: RemoveRequest): Promise<number> {
  await new PoolStore(ports, request).remove();
  return EXIT.ok;
}

async function performScenario(ports: LoadPorts, request: LoadRequest): Promise<number> {
  const store = new PoolStore(ports, request);
  const pool = await store.get(request.auth !== "token");
  const { machine, network } = ports;
  const { target, pid, dataDir } = request;
  const server = viewServer({ machine, network, target, pid, dataDir });
  const result = await measure(ports, request, pool, server);
  await report(ports, request, result);
  if (request.remove) await store.remove();
  return result.violations.length === 0 ? EXIT.ok : EXIT.failed;
}

/** Plans that share the users evenly. */
export function splitPlan(request: LoadRequest, pool: Pool, run: number): readonly WorkerPlan[] {
  const { processes, auth, bodyBytes, ackMs, scenario } = request;
  const bound = (i: number) => Math.round(pool.users * i / processes);
  return Array.from({ length: processes }, (_, i) => ({
    pool,
    lo: bound(i),
    hi: bound(i + 1),
    run,
    auth,
    bodyBytes,
    ackMs,
    pollShare: scenario.pollShare,
  }));
}

async function measure(
  ports: LoadPorts,
  request: LoadRequest,
  pool: Pool,
  server: ServerView,
): Promise<RunResult> {
  const { machine, timers, clock, console } = ports;
  // Unique among the runs of a pool, and short in a tag.
  const run = Math.floor(clock.wallMs() / 1000);
  const startedAt = new Date(clock.wallMs()).toISOString();
  const plans = splitPlan(request, pool, run);
  const workers = plans.length === 1
    ? [localWorker(ports, plans[0]!)]
    : plans.map((plan) => pipedWorker(machine.child([WORKER_COMMAND]), plan));
  let stopped = false;
  const ignore = ports.onSignal(() => {
    stopped = true;
    console.note("Stopping; the report covers what there is.");
  });
  const rssBeforeBytes = server.use()?.rssBytes ?? 0;
  const before = await server.metrics();
  try {
    const findings = await lead({
      workers,
      timers,
      nowUs: () => machine.nowUs(),
      server: () => server.use(),
      begins: ({ outage }) => {
        if (outage === null) return;
        console.note(`${OUTAGE_NOTE}: it is waited for, for ${outage.waitSeconds} s`);
      },
      progress: (point) => console.progress(progressLine(point)),
      stopped: () => stopped,
    }, {
      phases: request.scenario.phases(request.options),
      graceMs: request.graceMs,
      settleSeconds: request.settleSeconds,
    });
    const use = await serverUse(server, findings, rssBeforeBytes, before);
    return conclude({ ports, request, findings, server: use, startedAt });
  } finally {
    ignore();
    await stopAll(workers);
  }
}

async function stopAll(workers: readonly Worker[]): Promise<void> {
  // A worker that is gone already has been reported where it was missed.
  await Promise.allSettled(workers.map((worker) => worker.stop()));
}

async function serverUse(
  server: ServerView,
  { points }: Findings,
  rssBeforeBytes: number,
  before: ReadonlyMap<string, number> | null,
): Promise<ServerUse | null> {
  const { pid } = server;
  const use = server.use();
  if (pid === null || use === null) return null;
  const seen = points.map((point) => point.serverRssBytes ?? 0);
  return {
    pid,
    rssBeforeBytes,
    rssPeakBytes: Math.max(use.rssBytes, ...seen),
    rssAfterBytes: use.rssBytes,
    metrics: metricsDelta(before, await server.metrics()),
  };
}

function conclude({ ports, request, findings, server, startedAt }: {
  readonly ports: LoadPorts;
  readonly request: LoadRequest;
  readonly findings: Findings;
  readonly server: ServerUse | null;
  readonly startedAt: string;
}): RunResult {
  const { machine } = ports;
  const { processes, auth, bodyBytes, ackMs, graceMs, scenario } = request;
  const options = { ...request.options, processes, auth, bodyBytes, ackMs, graceMs };
  const result = { ...findings, options };
  return {
    v: 1,
    program: `Roost ${VERSION}`,
    command: machine.commandLine,
    scenario: scenario.name,
    summary: scenario.summary,
    target: request.target.url,
    startedAt,
    machine: { cpu: machine.cpuModel, cores: machine.cores },
    ...result,
    server,
    violations: violationsOf(result),
    hints: hintsOf(result),
  };
}

async function report(ports: LoadPorts, request: LoadRequest, result: RunResult): Promise<void> {
  const { console, machine } = ports;
  const { json, html } = request;
  const text = JSON.stringify(result, null, 1) + "\n";
  if (json === "-") {
    console.note(summaryText(result));
    console.out(text);
  } else {
    console.out(summaryText(result));
    if (json !== null) await machine.writeFile(json, text, false);
  }
  if (html !== null) {
    await machine.writeFile(html, reportHtml(result), false);
    console.note(`Report: ${html}`);
  }
}
