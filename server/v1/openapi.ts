/** The OpenAPI 3.1 document, made from the schemas and routes that serve the requests. */
import { z } from "zod";
import { ERROR_CODES, type ErrorCode } from "../../shard/errors.ts";
import { type AnswerName, ANSWERS } from "./answers.ts";
import { ANSWER_EXAMPLES, FRAME_EXAMPLES, GREETING_EXAMPLES } from "./examples.ts";
import { STATUS_OF } from "../http/response.ts";
import { type Protocol, PROTOCOL_VERSION } from "./protocol.ts";
import { hasBody, type Route, type Source } from "./rest_call.ts";

import type { CommandName } from "./schemas.ts";

/** A JSON value that is built up here. */
type Json = { [key: string]: unknown };
/** The part of a JSON Schema of an object that matters here. */
interface ObjectSchema {
  readonly properties: Readonly<Record<string, Json>>;
  readonly required: readonly string[];
}

/** Builds the document for the given routes; every frame of the WebSocket is a schema in it too. */
export function openApiDocument(
  routes: readonly Route[],
  protocol: Protocol,
  publicUrl: string | null,
): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = operation(route);
  }
  paths["/openapi.json"] = { get: documentOperation("openApi", "OpenAPI document of this server") };
  paths["/v1/asyncapi.json"] = {
    get: documentOperation("asyncApi", "AsyncAPI document of the WebSocket"),
  };
  return {
    openapi: "3.1.0",
    info: {
      title: "Roost protocol v1",
      version: `${PROTOCOL_VERSION}.0.0`,
      license: LICENSE,
      description: "Presence and instant messages. The same commands travel as frames of the " +
        "WebSocket at /v1/ws; their schemas are the ones whose names end in Frame, and " +
        "/v1/asyncapi.json describes it.",
    },
    servers: [{ url: publicUrl ?? "/" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "A token of this server or a JWT" },
      },
      schemas: { ...answerSchemas(), ...frameSchemas(protocol) },
    },
  };
}

/** The license of the program, in every document. */
export const LICENSE = { name: "MIT", identifier: "MIT" } as const;

/** The groups of operations. */
const TAGS = {
  "Sign-in": "Accounts and tokens: public, and the way to the token that all others need.",
  "Sessions": "Sessions and their events, over WebSocket, long-poll or server-sent events.",
  "Messages": "Messages, receipts, history and the state of the mailbox.",
  "Contacts": "The roster, subscriptions and blocking.",
  "Presence": "The presence of the caller's session.",
  "Account": "Devices, password, second factors, settings and data of the caller's account.",
  "Document": "This document, and that of the WebSocket.",
} as const;

/** The group of a path, by its part after `/v1/`. */
const TAG_OF: Readonly<Record<string, keyof typeof TAGS>> = {
  info: "Sign-in",
  register: "Sign-in",
  auth: "Sign-in",
  ws: "Sessions",
  sessions: "Sessions",
  events: "Sessions",
  messages: "Messages",
  conversations: "Messages",
  signals: "Messages",
  search: "Messages",
  snapshot: "Messages",
  ack: "Messages",
  contacts: "Contacts",
  blocked: "Contacts",
  presence: "Presence",
  devices: "Account",
  password: "Account",
  push: "Account",
  factors: "Account",
  passkeys: "Account",
  settings: "Account",
  export: "Account",
};

function tagOf(path: string): keyof typeof TAGS {
  const tag = TAG_OF[path.split("/")[2] ?? ""];
  if (tag === undefined) throw new Error(`Cannot document ${path}: it has no tag`);
  return tag;
}

function descriptionOf({ summary, access, cost }: Route): string {
  const who = access === "bearer" ? "Needs the caller's token." : "Public.";
  const price = cost === 1 ? "" : ` It counts as ${cost} requests.`;
  return `${summary}. ${who}${price}`;
}

function operation(route: Route): Json {
  const input = objectSchema(route.input);
  const parameters = Object.entries(route.from)
    .map(([name, source]) => parameter(name, source, input, route.example[name]));
  return {
    operationId: route.id,
    summary: route.summary,
    description: descriptionOf(route),
    tags: [tagOf(route.path)],
    security: route.access === "bearer" ? [{ bearer: [] }] : [],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...bodyOf(route, input),
    responses: responses(route),
  };
}

function parameter(name: string, source: Source, input: ObjectSchema, example: unknown): Json {
  const { description, ...schema } = input.properties[name] ?? {};
  const place = typeof source === "object"
    ? { name: source.header, in: "header", required: source.required }
    : source === "path"
    ? { name, in: "path", required: true }
    : { name, in: "query", required: input.required.includes(name) };
  const told = description === undefined ? {} : { description };
  return { ...place, ...told, schema, ...(example === undefined ? {} : { example }) };
}

function bodyOf(route: Route, input: ObjectSchema): Json {
  const elsewhere = new Set([...Object.keys(route.from), ...Object.keys(route.fixed)]);
  const names = Object.keys(input.properties).filter((name) => !elsewhere.has(name));
  if (names.length === 0) return {};
  const required = input.required.filter((name) => !elsewhere.has(name));
  const schema = {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, input.properties[name]])),
    ...(required.length > 0 ? { required } : {}),
  };
  const example = Object.fromEntries(
    Object.entries(route.example).filter(([name]) => names.includes(name)),
  );
  return {
    requestBody: {
      required: required.length > 0,
      content: { "application/json": { schema, example } },
    },
  };
}

/** Refusals that a route has by its kind. */
function commonErrors(route: Route): readonly ErrorCode[] {
  const bearer: readonly ErrorCode[] = route.access === "bearer" ? ["unauthorized", "moved"] : [];
  const body: readonly ErrorCode[] = hasBody(route) ? ["too_large", "limit_reached"] : [];
  return ["bad_request", ...bearer, ...body, "rate_limited", "busy", "unavailable"];
}

function responses(route: Route): Json {
  const codes = new Set([...commonErrors(route), ...route.errors]);
  const byStatus = new Map<number, ErrorCode[]>(
    // What is not JSON is refused with a status of its own.
    hasBody(route) ? [[415, ["unsupported"]]] : [],
  );
  for (const code of codes) {
    const status = route.status === 101 && code === "unsupported" ? 426 : STATUS_OF[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const result: Json = { [route.status]: success(route) };
  if (route.status === 101) result["default"] = refusal("Anything else refuses the upgrade");
  for (const [status, some] of [...byStatus].sort(([a], [b]) => a - b)) {
    result[status] = {
      ...refusal(some.map((code) => `\`${code}\`: ${ERROR_CODES[code]}`).join(" ")),
      ...(status === 429 || status === 503 ? { headers: RETRY_AFTER } : {}),
    };
  }
  return result;
}

function refusal(description: string): Json {
  return { description, content: { "application/json": { schema: ref("Error") } } };
}

const RETRY_AFTER = {
  "Retry-After": { description: "Whole seconds, rounded up", schema: { type: "integer" } },
};

function success(route: Route): Json {
  if (route.status === 101) {
    const description = "The WebSocket protocol follows; the client's messages have this schema";
    return { description, content: { "application/json": { schema: CLIENT_FRAME } } };
  }
  if (route.answer === null) return { description: "Done" };
  const schema = typeof route.answer === "string"
    ? ref(route.answer)
    : { type: "array", items: ref(route.answer.listOf) };
  const streams = route.answer === "Events"
    ? { "text/event-stream": { schema: { type: "string" } } }
    : {};
  return { description: "Done", content: { "application/json": { schema }, ...streams } };
}

function documentOperation(operationId: string, summary: string): Json {
  return {
    operationId,
    summary,
    description: `The ${summary}, with its limits. Public.`,
    tags: ["Document"],
    security: [],
    responses: {
      200: { description: "Done", content: { "application/json": { schema: { type: "object" } } } },
      429: {
        ...refusal(`\`rate_limited\`: ${ERROR_CODES.rate_limited}`),
        headers: RETRY_AFTER,
      },
    },
  };
}

function ref(name: AnswerName): Json {
  return { $ref: `#/components/schemas/${name}` };
}

function objectSchema(schema: z.ZodType): ObjectSchema {
  const json = jsonSchema(schema);
  return {
    properties: (json["properties"] ?? {}) as ObjectSchema["properties"],
    required: (json["required"] ?? []) as readonly string[],
  };
}

/** As the side that writes it sees it: unknown fields are allowed. */
function jsonSchema(schema: z.ZodType): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input" });
  return json;
}

/** The answers by name, with references among them. */
function answerSchemas(): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(ANSWERS)) registry.add(schema, { id });
  const uri = (id: string) => `#/components/schemas/${id}`;
  const { schemas } = z.toJSONSchema(registry, { uri, io: "input" });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _, $id: __, ...json }]) => [
      id,
      { ...json, examples: [ANSWER_EXAMPLES[id as AnswerName]] },
    ]),
  );
}

function frameSchemas({ schemas }: Protocol): Json {
  const frames: Json = {};
  for (const [name, schema] of Object.entries(schemas.greeting)) {
    const examples = [GREETING_EXAMPLES[name as keyof typeof GREETING_EXAMPLES]];
    frames[frameName(name)] = { ...jsonSchema(schema), examples };
  }
  const id = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
  for (const [name, schema] of Object.entries(schemas.commands)) {
    const { properties, required } = objectSchema(schema);
    frames[frameName(name)] = {
      type: "object",
      properties: { t: { type: "string", const: name }, id, ...properties },
      required: ["t", "id", ...required],
      examples: [FRAME_EXAMPLES[name as CommandName]],
    };
  }
  const oneOf = Object.keys(frames).map((name) => ({ $ref: `#/components/schemas/${name}` }));
  return { ...frames, ClientFrame: { oneOf } };
}

const CLIENT_FRAME = { $ref: "#/components/schemas/ClientFrame" } as const;

function frameName(name: string): string {
  return `${name[0]!.toUpperCase()}${name.slice(1)}Frame`;
}
