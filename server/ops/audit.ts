/** One log line for every action of an administrator: what was done, by which actor, from where. */
import type { MiddlewareHandler } from "hono";
import type { Log } from "../node/ports.ts";

/** Header with the way a request arrived, set by the listener; what a client sends is replaced. */
const VIA = "roost-via";
/** Header in which a client names its user. It is a claim: the listener's fence is what admits. */
const ACTOR = "roost-actor";
const ACTOR_CHARS_MAX = 64;

/** Requests that only look; an export takes everything with it, and so counts as an action. */
function looks(method: string, path: string): boolean {
  return (method === "GET" || method === "HEAD") && !path.startsWith("/admin/export");
}

/**
 * The request as it goes on from a listener: `via` says how it arrived. It is made of its parts, for
 * Deno writes a warning to stderr where a copy of a request follows the signal of the first one.
 */
export function arrivedVia({ url, method, headers, body }: Request, via: string): Request {
  const more = new Headers(headers);
  more.set(VIA, via);
  return new Request(url, { method, headers: more, body });
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
export function auditLog(log: Pick<Log, "info">): MiddlewareHandler {
  return async (c, next) => {
    await next();
    const { method, path } = c.req;
    if (looks(method, path)) return;
    log.info("admin action", {
      action: `${method} ${path}`,
      status: c.res.status,
      actor: (c.req.header(ACTOR) ?? "unnamed").slice(0, ACTOR_CHARS_MAX),
      via: c.req.header(VIA) ?? "this process",
    });
  };
}
