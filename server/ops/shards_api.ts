/** The admin API's routes about shards: what they are and have to do, and changing their number. */
import type { Hono } from "hono";
import { z } from "zod";
import { errorResponse } from "../http/response.ts";
import { fail, type Result } from "../../shard/errors.ts";
import type { Node } from "../node/node.ts";
import type { Reshaping } from "../node/resharder.ts";
import type { Timers } from "../node/ports.ts";
import { planTo, type Reshape, reshapeOf, SHARDS_MAX } from "../../shard/table/table.ts";

/** How long rates are measured for one answer (ms). */
const SAMPLE_MS = 1000;

const COUNT = z.strictObject({ count: z.int().min(1).max(SHARDS_MAX) });
const POINT = z.int().min(0).max(2 ** 32);
const STEP = z.strictObject({ lo: POINT, hi: POINT, at: z.array(POINT).max(SHARDS_MAX) });
const SPLIT = z.strictObject({ id: z.int().min(0) });
const RELOAD = z.strictObject({ id: z.int().min(0) });
const MERGE = z.strictObject({ ids: z.array(z.int().min(0)).min(2).max(SHARDS_MAX) });

/** One shard, as operators see it. */
export interface ShardView {
  readonly id: number;
  readonly lo: number;
  readonly hi: number;
  readonly ready: boolean;
  /** Accounts in memory; users that are online or watched. */
  readonly accounts: number;
  readonly presences: number;
  /** Rows of its log, and logs of former shards that it still needs. */
  readonly logRows: number;
  readonly inherits: number;
  readonly perSecond: number;
}

/** The shards with what each had to do within the sample. */
export async function viewShards(node: Node, timers: Timers): Promise<readonly ShardView[]> {
  const before = new Map(node.shards.map((s) => [s.id, s.inputs]));
  await new Promise<void>((done) => void timers.after(SAMPLE_MS, done));
  return node.shards.map((s) => ({
    id: s.id,
    lo: s.lo,
    hi: s.hi,
    ready: s.ready,
    accounts: s.accountsInMemory,
    presences: s.presence.size,
    logRows: s.logRows,
    inherits: s.row.inherits.length,
    perSecond: (s.inputs - (before.get(s.id) ?? 0)) * 1000 / SAMPLE_MS,
  }));
}

async function read<T>(schema: z.ZodType<T>, request: Request): Promise<T | Response> {
  const parsed = schema.safeParse(await request.json().catch(() => undefined));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const text = `Request field ${issue?.path.join(".") ?? ""}: ${issue?.message}`;
  return errorResponse(fail("bad_request", text));
}

/** Adds the routes to the admin app of a running node. */
export function addShardRoutes(app: Hono, node: Node, timers: Timers): void {
  const reshape = (change: Reshape) =>
    new Promise<Response>((done) =>
      node.coordinator.change(
        change,
        (result: Result<Reshaping>) =>
          done(result.ok ? Response.json(result.value) : errorResponse(result)),
      )
    );
  app.get("/admin/shards", async () => Response.json({ shards: await viewShards(node, timers) }));
  app.post("/admin/shards/plan", async (c) => {
    const input = await read(COUNT, c.req.raw);
    if (input instanceof Response) return input;
    return Response.json({ steps: planTo(node.table, input.count) });
  });
  app.post("/admin/shards/step", async (c) => {
    const input = await read(STEP, c.req.raw);
    if (input instanceof Response) return input;
    const change = reshapeOf(node.table, input);
    if (change !== null) return await reshape(change);
    return errorResponse(fail("conflict", "The shards have changed meanwhile: plan again"));
  });
  app.post("/admin/shards/set", async (c) => {
    const input = await read(COUNT, c.req.raw);
    if (input instanceof Response) return input;
    return await new Promise<Response>((done) =>
      node.coordinator.begin(
        { kind: "count", count: input.count },
        (result) => done(result.ok ? Response.json({ work: result.value }) : errorResponse(result)),
      )
    );
  });
  app.get("/admin/shards/work", () => Response.json({ work: node.coordinator.work }));
  app.post("/admin/shards/split", async (c) => {
    const input = await read(SPLIT, c.req.raw);
    if (input instanceof Response) return input;
    const shard = node.table.shards.find(({ id }) => id === input.id);
    const middle = shard === undefined ? 0 : Math.floor((shard.lo + shard.hi) / 2);
    return await reshape({ of: [input.id], at: [middle] });
  });
  app.post("/admin/shards/reload", async (c) => {
    const input = await read(RELOAD, c.req.raw);
    if (input instanceof Response) return input;
    return await new Promise<Response>((done) =>
      node.reload(
        input.id,
        (result) => done(result.ok ? Response.json(result.value) : errorResponse(result)),
      )
    );
  });
  app.post("/admin/shards/merge", async (c) => {
    const input = await read(MERGE, c.req.raw);
    if (input instanceof Response) return input;
    return await reshape({ of: input.ids, at: [] });
  });
}
