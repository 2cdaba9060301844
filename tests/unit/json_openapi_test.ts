import { deepEqual, equal, match } from "node:assert/strict";
import { z } from "zod";
import { ERROR_CODES, type ErrorCode } from "../../shard/errors.ts";
import { type AnswerName, ANSWERS } from "../../server/v1/answers.ts";
import { ANSWER_EXAMPLES, FRAME_EXAMPLES, GREETING_EXAMPLES } from "../../server/v1/examples.ts";
import { STATUS_OF } from "../../server/http/response.ts";
import { openApiDocument } from "../../server/v1/openapi.ts";
import { createApp, restRoutes } from "../../server/v1/rest.ts";
import type { RestDeps } from "../../server/v1/rest_call.ts";
import { Exchanges } from "../../server/v1/exchanges.ts";
import type { CommandName } from "../../server/v1/schemas.ts";
import { openNode, PROTOCOL } from "./json_fakes.ts";
import { EXCHANGE_LIMITS } from "../sim/limits.ts";

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { name: string; in: string; schema: object; example?: unknown }[];
  readonly requestBody?: { content: { "application/json": { schema: object; example: unknown } } };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, { examples: unknown[] }>> };
}

const node = openNode();
const exchanges = new Exchanges(EXCHANGE_LIMITS, node.deps.clock);
const ROUTES = restRoutes(PROTOCOL, exchanges);
const DOCUMENT = openApiDocument(ROUTES, PROTOCOL, null) as unknown as Document;

function operations(): [string, Operation][] {
  return Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, op]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      op,
    ])
  );
}

Deno.test("openApiDocument has every route of the app, and no other", () => {
  const app = createApp(
    {
      ...node.deps,
      info: { registration: "open", mechanisms: [], passwordLengthMin: 8 },
      allowedOrigins: () => [],
      publicUrl: null,
    } as unknown as RestDeps,
    EXCHANGE_LIMITS,
  );
  const served = app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  deepEqual(operations().map(([line]) => line).sort(), served.sort());
});

Deno.test("openApiDocument names every operation once", () => {
  const ids = operations().map(([, op]) => op.operationId);
  equal(new Set(ids).size, ids.length);
});

Deno.test("openApiDocument declares exactly the parameters of each path", () => {
  for (const [line, { parameters = [] }] of operations()) {
    const inPath = [...line.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
    deepEqual(parameters.filter((p) => p.in === "path").map((p) => p.name), inPath, line);
  }
});

Deno.test("openApiDocument describes every error code under its status", () => {
  const described = new Set<string>();
  for (const [line, op] of operations()) {
    for (const [status, { description }] of Object.entries(op.responses)) {
      for (const [, code] of description.matchAll(/`(\w+)`:/g)) {
        described.add(code!);
        const others = code === "unsupported" ? ["415", "426"] : [];
        const allowed = [String(STATUS_OF[code as ErrorCode]), ...others];
        equal(allowed.includes(status), true, `${line} ${status} ${code}`);
      }
    }
  }
  deepEqual([...described].sort(), Object.keys(ERROR_CODES).sort());
});

Deno.test("openApiDocument refers only to schemas that it has", () => {
  const names = new Set(Object.keys(DOCUMENT.components.schemas));
  for (const [, name] of JSON.stringify(DOCUMENT).matchAll(/"\$ref":"([^"]+)"/g)) {
    match(name!, /^#\/components\/schemas\//);
    equal(names.has(name!.split("/").at(-1)!), true, name!);
  }
});

Deno.test("examples of requests are valid inputs, and what they publish accepts them", () => {
  for (const route of ROUTES) {
    equal(route.input.safeParse(route.example).success, true, route.id);
    const operation = DOCUMENT.paths[route.path]?.[route.method.toLowerCase()];
    for (const { name, schema, example } of operation?.parameters ?? []) {
      if (example === undefined) continue;
      equal(published(schema).safeParse(example).success, true, `${route.id} ${name}`);
    }
    const json = operation?.requestBody?.content["application/json"];
    if (json === undefined) continue;
    equal(published(json.schema).safeParse(json.example).success, true, route.id);
  }
});

Deno.test("examples of frames are valid, and what they publish accepts them", () => {
  const { greeting, commands } = PROTOCOL.schemas;
  const frames = { ...GREETING_EXAMPLES, ...FRAME_EXAMPLES };
  const schemas: Readonly<Record<string, z.ZodType>> = { ...greeting, ...commands };
  deepEqual(Object.keys(frames).sort(), Object.keys(schemas).sort());
  for (const [name, example] of Object.entries(frames)) {
    equal(example.t, name);
    equal(schemas[name]?.safeParse(example).success, true, name);
    const component = DOCUMENT.components.schemas[`${name[0]!.toUpperCase()}${name.slice(1)}Frame`];
    deepEqual(component?.examples, [example]);
    equal(published(component!).safeParse(example).success, true, name);
    const { t: _, ...nameless } = example;
    equal(published(component!).safeParse(nameless).success, false, name);
  }
});

Deno.test("examples of answers have the shape that is published", () => {
  for (const name of Object.keys(ANSWERS) as AnswerName[]) {
    const strict = ANSWERS[name].safeParse(ANSWER_EXAMPLES[name]);
    equal(strict.success, true, `${name} ${strict.error?.message}`);
    deepEqual(DOCUMENT.components.schemas[name]?.examples, [ANSWER_EXAMPLES[name]]);
  }
});

Deno.test("every command has a REST route, but for bye and ping", () => {
  const commands = Object.keys(PROTOCOL.commands) as CommandName[];
  const routed = new Set(ROUTES.map((route) => route.id));
  deepEqual(commands.filter((name) => !routed.has(name)).sort(), ["bye", "ping"]);
});

/** A schema of the document as something to check with. */
function published(schema: object): z.ZodType {
  return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
}

Deno.test("openApiDocument: every operation says what it needs, in a group that is described (A20)", () => {
  const { tags } = DOCUMENT as unknown as { readonly tags: readonly { readonly name: string }[] };
  const names = tags.map(({ name }) => name);
  const open = new Set(ROUTES.filter(({ access }) => access === "public").map(({ id }) => id));
  for (const [line, op] of operations()) {
    const { security, tags, description } = op as unknown as {
      readonly security: readonly object[];
      readonly tags: readonly string[];
      readonly description: string;
    };
    const isOpen = open.has(op.operationId) || /^(open|async)Api$/.test(op.operationId);
    deepEqual(security, isOpen ? [] : [{ bearer: [] }], line);
    equal(tags.length, 1, line);
    equal(names.includes(tags[0]!), true, line);
    match(description, isOpen ? /Public\./ : /Needs the caller's token\./, line);
    equal(Object.keys(op.responses).some((status) => /^4/.test(status)), true, line);
  }
});
