/** The admin API's routes about the way of messages, from all nodes of the cell and from other cells. */
import type { Hono } from "hono";
import { z } from "zod";
import type { Node } from "../node/node.ts";
import { TRACE_STEPS, type TracedMessage, type TraceStep } from "../node/trace.ts";
import { errorResponse } from "../http/response.ts";
import { fail, ok } from "../../shard/errors.ts";
import { inOrder } from "./trace_order.ts";
import { type Missing, question } from "../node/asks.ts";
import type { CellName, NodeId } from "../../shard/name/ids.ts";
import { cellNode, cellOf } from "../../shard/federation/cell_node.ts";
import type { CellQueries } from "../peer/cells/cell_queries.ts";

const TRACE = z.string().regex(/^[0-9a-f]{16}$/);
/** The query of the latest traces. */
export const LATEST = z.object({
  user: z.string().max(256).default(""),
  limit: z.coerce.number().int().min(1).max(200).default(20),
});

const OF_CELL = z.array(z.object({
  node: z.string(),
  steps: z.array(z.object({
    step: z.enum(TRACE_STEPS),
    at: z.number(),
    from: z.string(),
    to: z.string(),
    id: z.string(),
    node: z.string().optional(),
    n: z.number().optional(),
    seq: z.number().optional(),
    sessions: z.number().optional(),
    code: z.string().optional(),
  })).max(1000),
})).max(256);

const STEPS = question<string, readonly TraceStep[]>("trace.steps");
const MESSAGES = question<z.output<typeof LATEST>, readonly TracedMessage[]>("trace.messages");

/** What several nodes know of the same message, as one. */
function merged(parts: readonly (readonly TracedMessage[])[]): readonly TracedMessage[] {
  const all = new Map<string, TracedMessage>();
  for (const message of parts.flat()) {
    const known = all.get(message.trace);
    const [at, steps] = [Math.min(known?.at ?? Infinity, message.at), known?.steps ?? 0];
    all.set(message.trace, { ...message, at, steps: steps + message.steps });
  }
  return [...all.values()].sort((a, b) => b.at - a.at);
}

/** What nodes of one cell say of a message. */
type OfNodes = readonly { readonly node: NodeId; readonly steps: readonly TraceStep[] }[];

/** What another cell replies; `name`: its nodes are named with it. */
function readSteps(cell: CellName, reply: string): OfNodes {
  const name = (node: string) => cellOf(node as NodeId) === null ? `${cell}/${node}` : node;
  return OF_CELL.parse(JSON.parse(reply)).map(({ node, steps }) => ({
    node: name(node) as NodeId,
    steps: steps.map(({ node: other, ...step }) => ({
      ...step,
      ...(other === undefined ? {} : { node: name(other) as NodeId }),
    })) as TraceStep[],
  }));
}

/** The steps that all cells know; a reply that is none counts as missing. */
function fromCells(
  queries: Pick<CellQueries, "all">,
  trace: string,
  done: (nodes: OfNodes, missing: readonly Missing[]) => void,
): void {
  queries.all(STEPS.name, trace, ({ replies, missing }) => {
    const nodes: OfNodes[number][] = [];
    const lost = [...missing];
    for (const { cell, reply } of replies) {
      try {
        nodes.push(...readSteps(cell, reply));
      } catch {
        lost.push(cell);
      }
    }
    const why = "the cell is not linked, or has not replied";
    done(nodes, lost.map((cell) => ({ node: cellNode(cell), why })));
  });
}

/** Adds `GET /admin/traces?user=&limit=` and `GET /admin/traces/ID`; the latter asks all cells. */
export function addTraceRoutes(
  app: Hono,
  { asks, traces }: Pick<Node, "asks" | "traces">,
  queries: Pick<CellQueries, "all" | "on"> | null,
): void {
  const own = (trace: string, done: (nodes: OfNodes, missing: readonly Missing[]) => void) =>
    asks.all(STEPS, trace, ({ replies, missing }) => {
      done(replies.map(({ node, value }) => ({ node, steps: value })), missing);
    });
  queries?.on(STEPS.name, (trace, done) => {
    if (TRACE.safeParse(trace).success) own(trace, (nodes) => done(JSON.stringify(nodes)));
  });
  asks.on(STEPS, (trace, done) => done(ok(traces.find(trace))));
  asks.on(MESSAGES, ({ user, limit }, done) => done(ok(traces.latest(user, limit))));
  app.get("/admin/traces", (c) => {
    const query = LATEST.safeParse(c.req.query());
    if (!query.success) return errorResponse(fail("bad_request", "limit must be from 1 to 200"));
    return new Promise<Response>((done) =>
      asks.all(MESSAGES, query.data, ({ replies, missing }) => {
        const messages = merged(replies.map(({ value }) => value)).slice(0, query.data.limit);
        done(Response.json({ messages, missing }));
      })
    );
  });
  app.get("/admin/traces/:trace", (c) => {
    const trace = TRACE.safeParse(c.req.param("trace"));
    if (!trace.success) {
      return errorResponse(fail("bad_request", "A trace id is 16 hexadecimal digits"));
    }
    return new Promise<Response>((done) =>
      own(trace.data, (nodes, missing) => {
        const reply = (others: OfNodes, lost: readonly Missing[]) => {
          const steps = inOrder([...nodes, ...others]);
          done(Response.json({ trace: trace.data, steps, missing: [...missing, ...lost] }));
        };
        queries === null ? reply([], []) : fromCells(queries, trace.data, reply);
      })
    );
  });
}
