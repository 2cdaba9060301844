/** Lets those with the token in to the admin API over the network. */
import type { Hono } from "hono";
import type { Arrival } from "./actor.ts";
import { operationOf } from "./audit.ts";
import { includes, leastRole } from "./roles.ts";
import type { Operators } from "./operators.ts";
import type { Clock, Log } from "../node/ports.ts";
import { addressKey, NetworkThrottle, type Throttle } from "../auth/throttle.ts";
import { equalBytes, sha256 } from "../auth/hash.ts";
import { errorResponse } from "../http/response.ts";
import { fail } from "../../shard/errors.ts";
import { FIXED_ADMIN_FAILURES } from "../config/fixed.ts";

const BEARER = /^Bearer +([\x21-\x7e]{1,200}) *$/i;

/** Serves one request from `address`. */
export type GuardedApp = (request: Request, address: string) => Promise<Response>;

/** What the guard needs. */
export interface GuardOptions {
  /** What everybody may see, by its exact path: the dashboard before it knows the token. */
  readonly open: ReadonlyMap<string, (request: Request) => Response | Promise<Response>>;
  /** The token as of now, which may do everything. */
  token(): string;
  /** Whose other tokens are. */
  readonly operators: Pick<Operators, "authenticate">;
  readonly clock: Pick<Clock, "monoMs">;
  readonly log: Pick<Log, "warn">;
  /** Records that an address gave a wrong token. */
  refused(address: string): void;
  /** Records that an operator has asked for more than its role allows. */
  forbidden(actor: string, address: string, operation: string): void;
}

function hash(text: string): Uint8Array {
  return sha256(new TextEncoder().encode(text));
}

/**
 * Asks for `Authorization: Bearer <token>` before anything but what is open: `unauthorized`, and
 * after some failures from one address `rate_limited`. The right token always gets in, so that
 * nobody can lock operators out.
 */
export function guardAdmin(app: Pick<Hono, "fetch">, options: GuardOptions): GuardedApp {
  const failures = new NetworkThrottle(FIXED_ADMIN_FAILURES);
  return async (request, address) => {
    const { method } = request;
    const page = method === "GET" || method === "HEAD"
      ? options.open.get(new URL(request.url).pathname)
      : undefined;
    if (page !== undefined) return page(request);
    const given = BEARER.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    const caller = callerOf(options, given);
    if (caller === null) return refuse(options, failures, given, address);
    const operation = operationOf(method === "HEAD" ? "GET" : method, new URL(request.url).pathname)
      ?.operation.id ?? "unknown";
    const least = leastRole(operation);
    const may = includes(caller.role, least);
    if (!may) options.forbidden(caller.actor, address, operation);
    const response = may
      ? await app.fetch(request, { via: address, ...caller } satisfies Arrival)
      : errorResponse(
        fail("forbidden", `This needs the role ${least}; the token has the role ${caller.role}`),
      );
    const headers = new Headers(response.headers);
    headers.set("cache-control", "no-store");
    headers.set("x-content-type-options", "nosniff");
    return new Response(response.body, { status: response.status, headers });
  };
}

/** Who has proved what; null where the token is nobody's. */
function callerOf({ operators, token }: GuardOptions, given: string) {
  // Of hashes: what a comparison takes tells nothing about the token.
  if (equalBytes(hash(given), hash(token()))) return { actor: "token", role: "admin" } as const;
  const operator = operators.authenticate(given);
  return operator === null ? null : { actor: `operator:${operator.name}`, role: operator.role };
}

function refuse(
  { clock, log, refused }: GuardOptions,
  failures: Throttle,
  given: string,
  address: string,
): Response {
  const waitMs = failures.take(clock.monoMs(), addressKey(address));
  if (waitMs > 0) return errorResponse(fail("rate_limited", "Too many wrong tokens", waitMs));
  if (given !== "") {
    log.warn("admin token refused", { address });
    refused(address);
  }
  return errorResponse(
    fail(
      "unauthorized",
      "Authorization: Bearer <token of roost admin token, or of an operator> is required",
    ),
  );
}

/** Names by which programs of this machine call: the command line, and curl over a socket. */
const OWN_HOSTS: ReadonlySet<string> = new Set(["admin", "localhost"]);

/**
 * Whether a program of this machine asks, and not a browser. A page can make a browser send
 * requests wherever it likes, but not without `Origin` or `Sec-Fetch-Site` to a host of these.
 */
function isProgram({ headers }: Request): boolean {
  const host = (headers.get("host") ?? "").replace(/:\d*$/, "").toLowerCase();
  return OWN_HOSTS.has(host) && !headers.has("origin") && !headers.has("sec-fetch-site");
}

/**
 * What listens on the socket. Its directory is the fence for programs; a browser reaches it where
 * somebody forwards a port to it, and then has to know the token as over the network.
 */
export function guardBrowsers(app: Pick<Hono, "fetch">, guarded: GuardedApp): Pick<Hono, "fetch"> {
  return {
    fetch: (request) =>
      isProgram(request)
        ? app.fetch(request, { via: "admin.sock" } satisfies Arrival)
        : guarded(request, "admin.sock"),
  };
}
