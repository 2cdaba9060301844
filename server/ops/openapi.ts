/** The OpenAPI 3.1 document of the admin API, made of the schemas that check its requests. */
import type { Hono } from "hono";
import { z } from "zod";
import { ERROR_CODES, type ErrorCode } from "../../shard/errors.ts";
import { ADMIN_OPERATIONS, type AdminOperation, TAGS } from "./operations.ts";
import { leastRole } from "./roles.ts";
import { STATUS_OF } from "../http/response.ts";

/** Where the document is served, to those who have the token. */
export const DOCUMENT_PATH = "/admin/openapi.json";

type Json = { readonly [key: string]: unknown };
interface ObjectSchema {
  readonly properties?: Readonly<Record<string, Json>>;
  readonly required?: readonly string[];
}

/** A route of the admin app: `METHOD /path/:parameter`. */
export type AdminRoute = `${string} ${string}`;

/** The routes of an admin app, without those of HTTP in general. */
export function routesOf(app: Hono): readonly AdminRoute[] {
  const routes = app.routes.filter(({ method, path }) => method !== "ALL" && !path.includes("*"));
  return [...new Set(routes.map(({ method, path }): AdminRoute => `${method} ${path}`))];
}

/** The same of an operation. */
export function routeOf({ method, path }: AdminOperation): AdminRoute {
  return `${method} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`;
}

/** Describes those of the operations that `routes` has. */
export function adminDocument(routes: readonly AdminRoute[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of ADMIN_OPERATIONS) {
    if (!routes.includes(routeOf(operation))) continue;
    paths[operation.path] ??= {};
    paths[operation.path]![operation.method.toLowerCase()] = describe(operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Roost admin API",
      version,
      license: { name: "MIT", identifier: "MIT" },
      description: "What operators ask of a running server, at the socket in its data directory " +
        "or at admin.listen. Any node of a cell replies for all.",
    },
    servers: [{ url: "/" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          description:
            "The admin token of the server, or one of an operator; the socket needs none",
        },
      },
      schemas: { Error: ERROR },
    },
  };
}

const ERROR: Json = {
  type: "object",
  required: ["code", "message"],
  properties: {
    code: { enum: Object.keys(ERROR_CODES) },
    message: { type: "string" },
    retryAfterMs: { type: "integer", minimum: 0, description: "Wait this long before repeating" },
  },
  examples: [{ code: "not_found", message: "There is no such account" }],
};

/** As the side that writes it sees it. */
function objectSchema(schema: z.ZodType): Json & ObjectSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return json as Json & ObjectSchema;
}

function describe(operation: AdminOperation): Json {
  const { id, path, summary, detail, tag, query, body, errors = [] } = operation;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const parameters = [
    ...inPath.map((name) => ({
      name,
      in: "path",
      required: true,
      description: PATH_PARTS[name] ?? name,
      schema: { type: "string" },
    })),
    ...query === undefined ? [] : queryOf(query),
  ];
  const content = body === undefined
    ? null
    : { "application/json": { schema: objectSchema(body) } };
  return {
    operationId: id,
    summary,
    description: `${detail ?? `${summary}.`} Least role: ${leastRole(id)}.`,
    tags: [tag],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(content === null ? {} : { requestBody: { required: true, content } }),
    responses: responsesOf({ path, errors, hasBody: content !== null }),
  };
}

const PATH_PARTS: Readonly<Record<string, string>> = {
  user: "Name of an account",
  device: "One of its devices",
  id: "As lists name it",
  name: "Name of a service, an experiment or an operator",
  trace: "Id of a trace, 16 hexadecimal digits",
};

function queryOf(query: z.ZodType): readonly Json[] {
  const { properties = {}, required = [] } = objectSchema(query);
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: "query",
    required: required.includes(name),
    description: description ?? name,
    schema,
  }));
}

function responsesOf(
  { path, errors, hasBody }: Required<Pick<AdminOperation, "path" | "errors">> & {
    readonly hasBody: boolean;
  },
): Json {
  const codes = new Set<ErrorCode>([
    "unauthorized",
    "forbidden",
    "rate_limited",
    "unavailable",
    ...errors ?? [],
  ]);
  if (hasBody) codes.add("bad_request").add("too_large");
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    byStatus.set(STATUS_OF[code], [...byStatus.get(STATUS_OF[code]) ?? [], code]);
  }
  const text = path.startsWith("/admin/metrics") || path === "/metrics";
  const type = text ? "text/plain" : "application/json";
  const schema = { type: text ? "string" : "object" };
  const result: Record<string, Json> = {
    "2XX": { description: "Done", content: { [type]: { schema } } },
  };
  for (const [status, some] of [...byStatus].sort(([a], [b]) => a - b)) {
    result[status] = {
      description: some.map((code) => `\`${code}\`: ${ERROR_CODES[code]}`).join(" "),
      content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
    };
  }
  return result;
}

/** Adds the document, after all other routes: each of them must be described. */
export function addDocumentRoute(app: Hono, version: string): void {
  app.get(DOCUMENT_PATH, () => Response.json(adminDocument(routesOf(app), version)));
  const described = new Set(ADMIN_OPERATIONS.map(routeOf));
  const others = routesOf(app).filter((route) => !described.has(route));
  if (others.length > 0) throw new Error(`operations.ts does not describe ${others.join(", ")}`);
}
