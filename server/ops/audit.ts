/** Records every action of an administrator: what was done, by which actor, from where. */
import type { MiddlewareHandler } from "hono";
import type { AuditInput } from "../audit/entry.ts";
import type { StoreError } from "../node/ports.ts";
import { ADMIN_OPERATIONS, type AdminOperation } from "./operations.ts";
import { type Arrival, claimedActor } from "./actor.ts";
import { errorResponse } from "../http/response.ts";
import { fail } from "../../shard/errors.ts";

/** Records an action; resolves once it is durable, or with why it may not be. */
export type RecordAction = (input: AuditInput) => Promise<StoreError | null>;

/** Operations by method and path. */
const OPERATIONS = ADMIN_OPERATIONS.map((operation) => ({
  operation,
  path: new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, "([^/]+)")}$`),
}));

/** The operation of a request, and what its path names; null where there is none. */
export function operationOf(
  method: string,
  path: string,
): { readonly operation: AdminOperation; readonly named: readonly string[] } | null {
  for (const { operation, path: pattern } of OPERATIONS) {
    const found = operation.method === method ? pattern.exec(path) : null;
    if (found !== null) return { operation, named: found.slice(1) };
  }
  return null;
}

/** Requests that change nothing, or a part of what another one has begun. */
const LOOKS: ReadonlySet<string> = new Set(["planShards", "lookImport", "appendImport"]);
/** Those that take data away. */
const TAKES: ReadonlySet<string> = new Set(["exportHead", "exportUser", "exportAudit"]);

function looks({ id, method }: AdminOperation): boolean {
  return LOOKS.has(id) || (method === "GET" && !TAKES.has(id));
}

/** Fields of requests that say what is acted on; none of them is a secret. */
const TARGETS = [
  "user",
  "name",
  "node",
  "shard",
  "id",
  "count",
  "level",
  "to",
  "cell",
  "role",
  "scopes",
  "action",
  "arms",
] as const;
/** Bodies that are looked at (bytes; requests of this process do not say), and whose are not. */
const BODY_BYTES_MAX = 4096;
const UNREAD: ReadonlySet<string> = new Set(["setPassword", "provision", "beginImport"]);

async function targetOf(
  { body, id }: AdminOperation,
  named: readonly string[],
  request: Request,
  sizeUnknown: number,
): Promise<string | undefined> {
  const fields = new Map<string, unknown>(new URL(request.url).searchParams);
  const size = Number(request.headers.get("content-length") ?? sizeUnknown);
  if (body !== undefined && size > 0 && size <= BODY_BYTES_MAX && !UNREAD.has(id)) {
    // What is no JSON is refused by the operation itself.
    const given: unknown = await request.json().catch(() => null);
    if (typeof given === "object") {
      for (const [name, value] of Object.entries(given ?? {})) fields.set(name, value);
    }
  }
  const told = TARGETS.flatMap((name) => {
    const value = fields.get(name);
    if (value === undefined || value === null) return [];
    if (name === "user" || name === "name") return [String(value)];
    return [`${name}=${typeof value === "object" ? JSON.stringify(value) : value}`];
  });
  const all = [...named.map((part) => decoded(part)), ...told].join(" ");
  return all === "" ? undefined : all;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // Not UTF-8: no such thing exists.
    return part;
  }
}

async function outcomeOf(response: Response): Promise<string> {
  if (response.status < 400) return "ok";
  const body: unknown = await response.clone().json().catch(() => null);
  const code = typeof body === "object" && body !== null && "code" in body ? body.code : null;
  return typeof code === "string" ? code : `status ${response.status}`;
}

const NOT_RECORDED = fail(
  "unavailable",
  "It was done, but is not recorded durably: the store takes no writes now. The log has it",
  1000,
);

/**
 * Records every request that changes something, or takes data away, with its outcome. The caller learns
 * that it was done once the record is durable.
 */
export function auditActions(record: RecordAction): MiddlewareHandler<{ Bindings: Arrival }> {
  return async (c, next) => {
    const found = operationOf(c.req.method, c.req.path);
    if (found === null || looks(found.operation)) return await next();
    const { operation, named } = found;
    const copy = c.req.raw.clone();
    await next();
    const error = await record({
      actor: c.env?.actor ?? claimedActor(c.req.raw),
      address: c.env?.via ?? "this process",
      action: operation.id,
      target: await targetOf(operation, named, copy, c.env?.via === undefined ? 1 : NaN),
      outcome: await outcomeOf(c.res),
    });
    if (error !== null && c.res.status < 400) {
      c.res = undefined;
      c.res = errorResponse(NOT_RECORDED);
    }
  };
}
