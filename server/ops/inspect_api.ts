/**
 * The admin API's routes that look into a running server: profiles of the process that is asked, and
 * how much the nodes of the cell log.
 */
import type { Hono } from "hono";
import { z } from "zod";
import type { Cancel, Clock, Timers } from "../node/ports.ts";
import type { LiveLog } from "../system/logger.ts";
import type { Profiler } from "../system/profiler.ts";
import { errorResponse } from "../http/response.ts";
import { type Asks, question } from "../node/asks.ts";
import { fail, type Failure, ok } from "../../shard/errors.ts";

/** What a pause of the server would be felt by. */
export interface Busyness {
  /** Live sessions. */
  readonly sessions: number;
  /** How late the event loop runs (ms). */
  readonly lagMs: number;
}

/** What the routes need of a running node. */
export interface InspectDeps {
  readonly profiler: Profiler;
  readonly log: LiveLog;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly asks: Asks;
  busyness(): Busyness;
  /** Resident memory. */
  rssBytes(): number;
  /** Where heap snapshots are written. */
  readonly dataDir: string;
}

/** Longest CPU profile (s). */
export const CPU_SECONDS_MAX = 300;
/** Sessions, and lateness of the event loop (ms), from which on a server counts as under load. */
const SESSIONS_BUSY = 100;
const LAG_BUSY_MS = 50;

/** The body of a heap snapshot. */
export const HEAP = z.strictObject({ force: z.boolean().default(false) });
/** The body of a log level. */
export const LEVEL = z.strictObject({ level: z.enum(["debug", "info", "warn", "error"]) });

function refusal(what: string, error: unknown): Failure {
  const why = error instanceof Error ? error.message : String(error);
  return fail("conflict", `Cannot ${what}: ${why}`);
}

function underLoad({ sessions, lagMs }: Busyness, rssBytes: number): Failure | null {
  if (sessions < SESSIONS_BUSY && lagMs < LAG_BUSY_MS) return null;
  const size = Math.ceil(rssBytes / 1_000_000);
  return fail(
    "conflict",
    `Cannot take a heap snapshot now: the server stands still for seconds while it is taken, ` +
      `with ${sessions} sessions, an event loop ${Math.ceil(lagMs)} ms late and ${size} MB of ` +
      "memory. Use --force if that is meant.",
  );
}

/** CPU profiles: nobody who went away leaves one running. */
class CpuProfiles {
  readonly #deps: InspectDeps;
  #cancel: Cancel = () => {};

  constructor(deps: InspectDeps) {
    this.#deps = deps;
  }

  async start(): Promise<Response> {
    const { profiler, timers, log } = this.#deps;
    try {
      await profiler.startCpu();
    } catch (error) {
      return errorResponse(refusal("take a CPU profile", error));
    }
    log.info("cpu profile begins");
    this.#cancel = timers.after((CPU_SECONDS_MAX + 60) * 1000, () => {
      profiler.stopCpu().catch((error) => log.warn("cpu profile", { error: String(error) }));
    });
    return Response.json({});
  }

  async stop(): Promise<Response> {
    const { profiler, log } = this.#deps;
    this.#cancel();
    try {
      const profile = await profiler.stopCpu();
      log.info("cpu profile ends", { chars: profile.length });
      return new Response(profile, { headers: { "content-type": "application/json" } });
    } catch (error) {
      return errorResponse(refusal("end a CPU profile", error));
    }
  }
}

async function takeHeap(deps: InspectDeps): Promise<Response> {
  const { profiler, log, clock, dataDir } = deps;
  const file = `${dataDir}/heap-${clock.wallMs()}.heapsnapshot`;
  const beganMs = clock.monoMs();
  try {
    const bytes = await profiler.writeHeap(file);
    const tookMs = Math.round(clock.monoMs() - beganMs);
    log.warn("heap snapshot taken", { bytes, tookMs });
    return Response.json({ file, bytes, tookMs });
  } catch (error) {
    return errorResponse(refusal("take a heap snapshot", error));
  }
}

/** Adds `/admin/profile/…` and `/admin/log`. */
export function addInspectRoutes(app: Hono, deps: InspectDeps): void {
  const cpu = new CpuProfiles(deps);
  app.post("/admin/profile/cpu/start", () => cpu.start());
  app.post("/admin/profile/cpu/stop", () => cpu.stop());
  app.post("/admin/profile/heap", async (c) => {
    const input = HEAP.safeParse(await c.req.json().catch(() => null));
    if (!input.success) return errorResponse(fail("bad_request", "The body must be {force}"));
    const busy = input.data.force ? null : underLoad(deps.busyness(), deps.rssBytes());
    return busy === null ? takeHeap(deps) : errorResponse(busy);
  });
  addLogRoutes(app, deps);
}

type Level = z.infer<typeof LEVEL>["level"];
interface LevelOf {
  readonly level: string;
  readonly before: string;
}

/** Sets the level of a node, or leaves it as it is where null is given. */
const LOG_LEVEL = question<Level | null, LevelOf>("log.level");

/** The levels of all nodes; `level` and `before` are those of the node that is asked. */
function addLogRoutes(app: Hono, { asks, log }: InspectDeps): void {
  asks.on(LOG_LEVEL, (level, done) => {
    const before = log.level();
    if (level !== null) {
      log.setLevel(level);
      log.warn("log level changed", { from: before, to: level });
    }
    done(ok({ level: log.level(), before }));
  });
  const ask = (level: Level | null) =>
    new Promise<Response>((done) =>
      asks.all(LOG_LEVEL, level, ({ replies, missing }) => {
        const nodes = replies.map(({ node, value }) => ({ node, ...value }));
        const before = level === null ? {} : { before: nodes[0]!.before };
        done(Response.json({ level: log.level(), ...before, nodes, missing }));
      })
    );
  app.get("/admin/log", () => ask(null));
  app.put("/admin/log", async (c) => {
    const input = LEVEL.safeParse(await c.req.json().catch(() => null));
    if (!input.success) {
      return errorResponse(fail("bad_request", "The level must be debug, info, warn or error"));
    }
    return ask(input.data.level);
  });
}
