/** One log line for every action of an administrator: what was done, by which actor, from where. */
import type { MiddlewareHandler } from "hono";
import type { Log } from "../node/ports.ts";

/** Header in which a client names its user. It is a claim: the listener's fence is what admits. */
const ACTOR = "roost-actor";
const ACTOR_CHARS_MAX = 64;

/** Requests that only look; an export takes everything with it, and so counts as an action. */
function looks(method: string, path: string): boolean {
  return (method === "GET" || method === "HEAD") && !path.startsWith("/admin/export");
}

/** What a listener says of a request besides the request itself. */
export interface Arrival {
  /** How it arrived: the name of the socket, or the address of the client. */
  readonly via: string;
}

/** Headers of a request in the name of a user of this machine. */
export function actorHeaders(user: string): Readonly<Record<string, string>> {
  return { [ACTOR]: user.replaceAll(/[^\x21-\x7e]/g, "?").slice(0, ACTOR_CHARS_MAX) };
}

/** The actor of a command that acts on the data directory of a stopped server. */
export function offlineActor(user: string): string {
  return `cli:${user}`;
}

/** Logs every request that changes something, or takes data away, with its status. */
export function auditLog(log: Pick<Log, "info">): MiddlewareHandler<{ Bindings: Arrival }> {
  return async (c, next) => {
    await next();
    const { method, path } = c.req;
    if (looks(method, path)) return;
    log.info("admin action", {
      action: `${method} ${path}`,
      status: c.res.status,
      actor: (c.req.header(ACTOR) ?? "unnamed").slice(0, ACTOR_CHARS_MAX),
      via: c.env?.via ?? "this process",
    });
  };
}
