/** Serves the gateway's routes, and the OpenAPI 3.1 document about them. */
import type { Context, Hono } from "hono";
import { z } from "zod";
import { ERROR_CODES, type ErrorCode, fail, ok, type Result } from "../../shard/errors.ts";
import {
  errorResponse,
  jsonResponse,
  NOT_JSON,
  readJsonBody,
  STATUS_OF,
} from "../http/response.ts";
import { honoPath } from "../v1/rest.ts";
import { LICENSE } from "../v1/openapi.ts";
import { jsonDocument } from "../text/content_coding.ts";
import { isObject } from "../text/validate.ts";
import type { GatewayApiDeps, GatewayRoute } from "./route.ts";
import { gatewayRoutes } from "./routes.ts";
import { GATEWAY_ANSWERS, gatewaySchemas } from "./schemas.ts";
import { accountOf, type ServiceRecord } from "./service.ts";

const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;
const INTEGER = /^-?[0-9]{1,16}$/;

/** Adds the gateway to an app that serves; its refusals are those of protocol v1. */
export function addGateway(app: Hono, deps: GatewayApiDeps): void {
  const routes = gatewayRoutes(gatewaySchemas(deps.limits));
  for (const route of routes) {
    app.on(route.method, honoPath(route.path), (c) => serve(deps, route, c));
  }
  const document = jsonDocument(JSON.stringify(gatewayDocument(routes, deps.publicUrl)));
  app.get("/gateway/v1/openapi.json", (c) => document(c.req.raw));
}

async function serve(deps: GatewayApiDeps, route: GatewayRoute, c: Context): Promise<Response> {
  const reply = await replyTo(deps, route, c);
  if (reply instanceof Response || reply.ok) {
    deps.observe(route.id, "ok");
    if (reply instanceof Response) return reply;
    if (reply.value === null) return new Response(null, { status: 204 });
    return jsonResponse(route.status, JSON.stringify(reply.value));
  }
  deps.observe(route.id, reply.code);
  return errorResponse(reply, reply === NOT_JSON ? 415 : undefined);
}

async function replyTo(
  deps: GatewayApiDeps,
  route: GatewayRoute,
  c: Context,
): Promise<Result<unknown> | Response> {
  const service = identify(deps, route, c);
  if (!service.ok) return service;
  const busy = route.write ? deps.admit("write") : null;
  if (busy !== null) return busy;
  const input = await inputOf(deps, route, c);
  if (!input.ok) return input;
  const account = accountOf(service.value.name);
  const call = { deps, service: service.value, account, request: c.req.raw };
  const reply = await route.run(call, input.value);
  if (route.scopes?.includes("users.manage") !== true) return reply;
  return await deps.gateway.backend.recorded() ?? reply;
}

/** Whose request it is, within its scopes and rate. */
function identify(deps: GatewayApiDeps, route: GatewayRoute, c: Context): Result<ServiceRecord> {
  const token = BEARER.exec(c.req.header("authorization") ?? "")?.[1];
  if (token === undefined) {
    return fail("unauthorized", "Authorization: Bearer <a service's token> is required");
  }
  const service = deps.gateway.registry.authenticate(token);
  if (!service.ok) return service;
  deps.refundAddress(c.req.raw, c.env);
  const { name, scopes } = service.value;
  const waitMs = deps.throttle.take(deps.gateway.ports.clock.monoMs(), name);
  if (waitMs > 0) {
    deps.limited("services");
    return fail("rate_limited", "Too many requests: wait retryAfterMs", waitMs);
  }
  if (route.scopes === null || route.scopes.some((scope) => scopes.includes(scope))) return service;
  return fail("forbidden", `The token has not the scope ${route.scopes.join(" or ")}`);
}

async function inputOf(
  deps: GatewayApiDeps,
  route: GatewayRoute,
  c: Context,
): Promise<Result<Readonly<Record<string, unknown>>>> {
  let fields: Record<string, unknown> = {};
  if (hasBody(route)) {
    const body = await readJsonBody(c.req.raw, deps.limits);
    if (!body.ok) return body;
    if (!isObject(body.value)) return fail("bad_request", "The body must be a JSON object");
    fields = { ...body.value };
  }
  for (const [name, source] of Object.entries(route.from)) {
    const text = source === "path"
      ? c.req.param(name)
      : source === "idempotency-key"
      ? c.req.header("idempotency-key")
      : c.req.query(name);
    if (source === "idempotency-key" && text === undefined) {
      return fail("bad_request", "The header Idempotency-Key is required");
    }
    fields[name] = source === "number" && text !== undefined && INTEGER.test(text)
      ? Number(text)
      : text;
  }
  return ok(fields);
}

function hasBody({ method }: GatewayRoute): boolean {
  return method === "POST" || method === "PUT";
}

// ---- the document

type Json = { [key: string]: unknown };

function schemaOf(schema: z.ZodType): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input" });
  return json;
}

/** The groups of operations. */
const TAGS = {
  "Service": "The service whose token is used.",
  "Messages": "Messages from the service's account, and what became of them.",
  "Presence": "Consent of users, their presence, and presence that the service sets.",
  "Webhooks": "Where the server posts outcomes and presence.",
  "Backend":
    "For those who have users of their own: accounts, tokens, contacts, messages of users.",
} as const;

/** The group of a path, by its part after `/gateway/v1/`. */
const TAG_OF: Readonly<Record<string, keyof typeof TAGS>> = {
  service: "Service",
  messages: "Messages",
  outcomes: "Messages",
  contacts: "Presence",
  presence: "Presence",
  webhooks: "Webhooks",
  backend: "Backend",
};

function tagOf(path: string): keyof typeof TAGS {
  const tag = TAG_OF[path.split("/")[3] ?? ""];
  if (tag === undefined) throw new Error(`Cannot document ${path}: it has no tag`);
  return tag;
}

/** Builds the document. */
export function gatewayDocument(routes: readonly GatewayRoute[], publicUrl: string | null): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) };
  }
  const schemas: Json = Object.fromEntries(
    Object.entries(GATEWAY_ANSWERS).map(([name, schema]) => [name, schemaOf(schema)]),
  );
  schemas["Error"] = schemaOf(z.object({
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    retryAfterMs: z.int().optional(),
  }));
  return {
    openapi: "3.1.0",
    info: {
      title: "Roost gateway v1",
      version: "1.0.0",
      license: LICENSE,
      description:
        "For other systems: messages, presence, outcomes and webhooks, by the tokens of " +
        "`roost service add`.",
    },
    servers: [{ url: publicUrl ?? "/" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        service: { type: "http", scheme: "bearer", description: "The token of a service" },
      },
      schemas,
    },
  };
}

function operation(route: GatewayRoute): Json {
  const { properties = {}, required = [] } = schemaOf(route.input) as {
    readonly properties?: Readonly<Record<string, Json>>;
    readonly required?: readonly string[];
  };
  const elsewhere = Object.entries(route.from);
  const parameters = elsewhere.map(([name, source]) => {
    const { description, ...schema } = properties[name] ?? {};
    return {
      name: source === "idempotency-key" ? "Idempotency-Key" : name,
      in: source === "path" ? "path" : source === "idempotency-key" ? "header" : "query",
      required: required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema,
    };
  });
  const names = Object.keys(properties).filter((name) => !(name in route.from));
  const body = {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, properties[name]])),
    required: required.filter((name) => names.includes(name)),
  };
  const hasFields = hasBody(route) && names.length > 0;
  const scopes = route.scopes === null ? "" : ` Scope: ${route.scopes.join(" or ")}.`;
  return {
    operationId: route.id,
    summary: route.summary,
    description: `${route.summary}.${scopes}`,
    tags: [tagOf(route.path)],
    security: [{ service: [] }],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(hasFields
      ? { requestBody: { required: true, content: { "application/json": { schema: body } } } }
      : {}),
    responses: responses(route),
  };
}

const REFUSALS: readonly ErrorCode[] = [
  "bad_request",
  "unauthorized",
  "forbidden",
  "not_found",
  "conflict",
  "reset",
  "too_large",
  "limit_reached",
  "rate_limited",
  "busy",
  "unavailable",
];

function responses(route: GatewayRoute): Json {
  const content: Json = {};
  if (route.answer !== null) {
    content["application/json"] = { schema: { $ref: `#/components/schemas/${route.answer}` } };
  }
  if (route.streams === true) content["text/event-stream"] = { schema: { type: "string" } };
  const done = Object.keys(content).length === 0
    ? { description: "Done" }
    : { description: "Done", content };
  const byStatus = Map.groupBy(REFUSALS, (code) => STATUS_OF[code]);
  const refused = [...byStatus].map(([status, codes]) => [status, {
    description: codes.map((code) => `\`${code}\`: ${ERROR_CODES[code]}`).join(" "),
    content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
  }]);
  return { [route.status]: done, ...Object.fromEntries(refused) };
}
