/**
 * The admin API's routes about the shards of the cell: what they are and have to do, and changing
 * their number. Any node replies for all.
 */
import type { Hono } from "hono";
import { z } from "zod";
import { errorResponse } from "../http/response.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { Node } from "../node/node.ts";
import type { Reloaded } from "../node/takeovers.ts";
import { type Missing, question } from "../node/asks.ts";
import type { Reshaping } from "../node/resharder.ts";
import type { Timers } from "../node/ports.ts";
import { planTo, type Reshape, reshapeOf, SHARDS_MAX } from "../../shard/table/table.ts";
import { readBody } from "./request_body.ts";

/** How long rates are measured for one answer (ms). */
const SAMPLE_MS = 1000;

/** The body of a number of shards. */
export const COUNT = z.strictObject({ count: z.int().min(1).max(SHARDS_MAX) });
const POINT = z.int().min(0).max(2 ** 32);
/** The body of one change. */
export const STEP = z.strictObject({ lo: POINT, hi: POINT, at: z.array(POINT).max(SHARDS_MAX) });
/** The body of a split. */
export const SPLIT = z.strictObject({ id: z.int().min(0) });
/** The body of a reload. */
export const RELOAD = z.strictObject({ id: z.int().min(0) });
/** The body of a merge. */
export const MERGE = z.strictObject({ ids: z.array(z.int().min(0)).min(2).max(SHARDS_MAX) });

/** One shard, as its owner sees it. */
interface OwnShard {
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

/** One shard, as operators see it. What is not known of it is 0. */
export interface ShardView extends OwnShard {
  /** Id of the node that owns it; null: nobody does now. */
  readonly node: string | null;
  /** Whether its owner has replied. */
  readonly known: boolean;
}

/** What all the shards of a node have to do, measured for `SAMPLE_MS`. */
const VIEW = question<null, readonly OwnShard[]>("shards.view", SAMPLE_MS + 2000);
const RELOAD_ONE = question<number, Reloaded>("shards.reload", 60_000);
const UNKNOWN = { ready: false, accounts: 0, presences: 0, logRows: 0, inherits: 0, perSecond: 0 };

/** Makes a node reply to others about its shards. */
export function replyAboutShards(node: Node, timers: Timers): void {
  node.asks.on(VIEW, (_, done) => {
    const before = new Map(node.shards.map((s) => [s.id, s.inputs]));
    timers.after(SAMPLE_MS, () => done(ok(ownShards(node, before))));
  });
  node.asks.on(RELOAD_ONE, (id, done) => node.reload(id, done));
}

/** The shards of the cell with what each had to do within the sample. */
export function viewShards(
  node: Node,
  done: (shards: readonly ShardView[], missing: readonly Missing[]) => void,
): void {
  node.asks.all(VIEW, null, ({ replies, missing }) => {
    const seen = new Map(
      replies.flatMap(({ node, value }) =>
        value.map((shard) => [shard.id, { ...shard, node, known: true }] as const)
      ),
    );
    // What is being given away has been seen at its new owner, or at nobody.
    const shards = node.table.shards.map(({ id, lo, hi, owner }) =>
      seen.get(id) ?? { id, lo, hi, ...UNKNOWN, node: owner?.id ?? null, known: false }
    );
    done(shards, missing);
  });
}

/** `before`: the inputs of each when the sample began. */
function ownShards(node: Node, before: ReadonlyMap<number, number>): readonly OwnShard[] {
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

function addShardViews(app: Hono, node: Node, timers: Timers): void {
  replyAboutShards(node, timers);
  app.get(
    "/admin/shards",
    () =>
      new Promise<Response>((done) =>
        viewShards(node, (shards, missing) => done(Response.json({ shards, missing })))
      ),
  );
  app.get("/admin/shards/work", () => Response.json({ work: node.coordinator.work }));
}

/** Adds the routes to the admin app of a running node. */
export function addShardRoutes(app: Hono, node: Node, timers: Timers): void {
  addShardViews(app, node, timers);
  const reshape = (change: Reshape) =>
    new Promise<Response>((done) =>
      node.coordinator.change(
        change,
        (result: Result<Reshaping>) =>
          done(result.ok ? Response.json(result.value) : errorResponse(result)),
      )
    );
  app.post("/admin/shards/plan", async (c) => {
    const input = await readBody(COUNT, c.req.raw);
    if (input instanceof Response) return input;
    return Response.json({ steps: planTo(node.table, input.count) });
  });
  app.post("/admin/shards/step", async (c) => {
    const input = await readBody(STEP, c.req.raw);
    if (input instanceof Response) return input;
    const change = reshapeOf(node.table, input);
    if (change !== null) return await reshape(change);
    return errorResponse(fail("conflict", "The shards have changed meanwhile: plan again"));
  });
  app.post("/admin/shards/set", async (c) => {
    const input = await readBody(COUNT, c.req.raw);
    if (input instanceof Response) return input;
    return await new Promise<Response>((done) =>
      node.coordinator.begin(
        { kind: "count", count: input.count },
        (result) => done(result.ok ? Response.json({ work: result.value }) : errorResponse(result)),
      )
    );
  });
  app.post("/admin/shards/split", async (c) => {
    const input = await readBody(SPLIT, c.req.raw);
    if (input instanceof Response) return input;
    const shard = node.table.shards.find(({ id }) => id === input.id);
    const middle = shard === undefined ? 0 : Math.floor((shard.lo + shard.hi) / 2);
    return await reshape({ of: [input.id], at: [middle] });
  });
  app.post("/admin/shards/reload", async (c) => {
    const input = await readBody(RELOAD, c.req.raw);
    if (input instanceof Response) return input;
    return await new Promise<Response>((done) =>
      node.asks.owner(
        input.id,
        RELOAD_ONE,
        input.id,
        (result) => done(result.ok ? Response.json(result.value) : errorResponse(result)),
      )
    );
  });
  app.post("/admin/shards/merge", async (c) => {
    const input = await readBody(MERGE, c.req.raw);
    if (input instanceof Response) return input;
    return await reshape({ of: input.ids, at: [] });
  });
}
