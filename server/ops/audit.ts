/** Records every action of an administrator: what was done, by which actor, from where. */
import type { Context, MiddlewareHandler } from "hono";
import type { AuditInput } from "../audit/entry.ts";
import type { StoreError } from "../node/ports.ts";
import { ADMIN_OPERATIONS, type AdminOperation } from "./operations.ts";
import { type Arrival, claimedActor, userName } from "./actor.ts";
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
const TAKES: ReadonlySet<string> = new Set(["exportHead", "exportUser"]);

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

/**
 * The text of a small request; `c` gets a request with it again. A copy by `clone` would make the
 * runtime log a warning of its own.
 */
async function readBody(
  c: Context<{ Bindings: Arrival }>,
  { body, id }: AdminOperation,
): Promise<string | null> {
  const { headers, method, url } = c.req.raw;
  const size = headers.get("content-length");
  const small = size === null ? c.env?.via === undefined : Number(size) <= BODY_BYTES_MAX;
  if (body === undefined || !small || UNREAD.has(id)) return null;
  const text = await c.req.raw.text();
  c.req.raw = new Request(url, { method, headers, body: text });
  return text;
}

function fieldsOf(text: string | null): Readonly<Record<string, unknown>> {
  try {
    const given: unknown = JSON.parse(text ?? "null");
    return typeof given === "object" && given !== null ? given as Record<string, unknown> : {};
  } catch {
    // What is no JSON is refused by the operation itself.
    return {};
  }
}

function targetOf(
  { path }: AdminOperation,
  named: readonly string[],
  text: string | null,
  url: string,
): string | undefined {
  const fields = { ...Object.fromEntries(new URL(url).searchParams), ...fieldsOf(text) };
  const told = TARGETS.flatMap((name) => {
    const value = fields[name];
    if (value === undefined || value === null) return [];
    if (name === "user") return [userName(String(value))];
    if (name === "name") return [String(value)];
    return [`${name}=${typeof value === "object" ? JSON.stringify(value) : value}`];
  });
  const [first = "", ...more] = named.map((part) => decoded(part));
  const whom = path.includes("{user}") ? userName(first) : first;
  const all = [whom, ...more, ...told].filter((part) => part !== "").join(" ");
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
    const text = await readBody(c, operation);
    await next();
    const error = await record({
      actor: c.env?.actor ?? claimedActor(c.req.raw),
      address: c.env?.via ?? "this process",
      action: operation.id,
      target: targetOf(operation, named, text, c.req.url),
      outcome: await outcomeOf(c.res),
    });
    if (error !== null && c.res.status < 400) {
      c.res = undefined;
      c.res = errorResponse(NOT_RECORDED);
    }
  };
}
