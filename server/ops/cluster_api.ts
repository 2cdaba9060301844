/** The admin API's routes about the nodes of the cell: what they are and have, and what they are to have. */
import type { Hono } from "hono";
import { z } from "zod";
import { errorResponse } from "../http/response.ts";
import { fail, type Result } from "../../shard/errors.ts";
import type { Node } from "../node/node.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { readBody } from "./request_body.ts";

const nodeId = z.string().min(1).max(64).transform((id) => id as NodeId);
/** The body of a drain. */
export const DRAIN = z.strictObject({ node: nodeId.optional(), undo: z.boolean().default(false) });
/** The body of a leave. */
export const LEAVE = z.strictObject({ node: nodeId.optional() });
/** The body of a move. */
export const MOVE = z.strictObject({ shard: z.int().min(0), node: nodeId });

/** What the routes need of a running node. */
export interface ClusterNode extends Pick<Node, "id" | "nodes" | "table"> {
  readonly coordinator: Pick<Node["coordinator"], "orders" | "work">;
}

/** A shard as the table has it. */
export interface ShardOwner {
  readonly id: number;
  readonly lo: number;
  readonly hi: number;
  readonly epoch: number;
  /** The node that owns it; null where none does. */
  readonly node: string | null;
  /** The node where an operator has moved it; null where none has. */
  readonly place: string | null;
}

function ownersOf(node: ClusterNode): readonly ShardOwner[] {
  const { places } = node.coordinator.orders.spread;
  const placeOf = new Map(places.map(({ shard, node }) => [shard, node]));
  return node.table.shards.map(({ id, lo, hi, epoch, owner }) => ({
    id,
    lo,
    hi,
    epoch,
    node: owner?.id ?? null,
    place: placeOf.get(id) ?? null,
  }));
}

function viewOf(node: ClusterNode) {
  const { shards, unowned, moving, balancing } = node.coordinator.orders.spread;
  const { work } = node.coordinator;
  return { nodes: node.nodes, shards, unowned, moving, balancing, work };
}

function replied<T>(
  run: (done: (result: Result<T>) => void) => void,
  view: (value: T) => unknown,
): Promise<Response> {
  return new Promise((done) =>
    run((result) => done(result.ok ? Response.json(view(result.value)) : errorResponse(result)))
  );
}

const BY_SUPERVISOR = fail(
  "conflict",
  "The nodes are workers of one process: it starts them and ends them, see --workers",
);

/**
 * Adds the routes to the admin app of a running node. `workers`: the nodes are processes of one
 * supervisor, which starts each of them again: they cannot be drained or leave.
 */
export function addClusterRoutes(app: Hono, node: ClusterNode, workers: boolean): void {
  const { orders } = node.coordinator;
  const view = () => viewOf(node);
  app.get("/admin/cluster", () => Response.json(view()));
  app.get("/admin/cluster/shards", () => Response.json({ shards: ownersOf(node) }));
  app.post("/admin/cluster/move", async (c) => {
    const input = await readBody(MOVE, c.req.raw);
    if (input instanceof Response) return input;
    return await replied((done) => orders.move(input.shard, input.node, done), (moved) => moved);
  });
  app.post("/admin/cluster/rebalance", () => replied((done) => orders.rebalance(done), view));
  app.post("/admin/cluster/drain", async (c) => {
    const input = await readBody(DRAIN, c.req.raw);
    if (input instanceof Response) return input;
    if (workers) return errorResponse(BY_SUPERVISOR);
    const { node: id = node.id, undo } = input;
    return await replied((done) => undo ? orders.undrain(id, done) : orders.drain(id, done), view);
  });
  app.post("/admin/cluster/leave", async (c) => {
    const input = await readBody(LEAVE, c.req.raw);
    if (input instanceof Response) return input;
    if (workers) return errorResponse(BY_SUPERVISOR);
    return await replied((done) => orders.leave(input.node ?? node.id, done), view);
  });
}
