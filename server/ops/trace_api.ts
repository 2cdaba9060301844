/** The admin API's routes about the way of messages, from all nodes of the cell. */
import type { Hono } from "hono";
import { z } from "zod";
import type { Node } from "../node/node.ts";
import type { TracedMessage, TraceStep } from "../node/trace.ts";
import { errorResponse } from "../http/response.ts";
import { fail, ok } from "../../shard/errors.ts";
import { inOrder } from "./trace_order.ts";
import { question } from "../node/asks.ts";

const TRACE = z.string().regex(/^[0-9a-f]{16}$/);
/** The query of the latest traces. */
export const LATEST = z.object({
  user: z.string().max(256).default(""),
  limit: z.coerce.number().int().min(1).max(200).default(20),
});

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

/** Adds `GET /admin/traces?user=&limit=` and `GET /admin/traces/ID`. */
export function addTraceRoutes(app: Hono, { asks, traces }: Pick<Node, "asks" | "traces">): void {
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
      asks.all(STEPS, trace.data, ({ replies, missing }) => {
        const steps = inOrder(replies.map(({ node, value }) => ({ node, steps: value })));
        done(Response.json({ trace: trace.data, steps, missing }));
      })
    );
  });
}
