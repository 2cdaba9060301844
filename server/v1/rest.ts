/** Protocol v1 over plain HTTP: a Hono app made from the route table. */
import { type Context, Hono } from "hono";
import { getPath } from "hono/utils/url";
import { type ErrorCode, fail, type Failure, type Result } from "../../shard/errors.ts";
import { asyncApiDocument } from "./asyncapi.ts";
import { commandRoutes } from "./command_routes.ts";
import {
  charsOf,
  corsHeaders,
  errorResponse,
  jsonResponse,
  NOT_JSON,
  preflightHeaders,
  readJsonBody,
  SECURITY_HEADERS,
} from "../http/response.ts";
import { exportRoute } from "./export_route.ts";
import { openApiDocument } from "./openapi.ts";
import {
  authenticate,
  type Call,
  type Caller,
  hasBody,
  type RestDeps,
  type Route,
} from "./rest_call.ts";
import { heldRequest } from "./lost_homes.ts";
import { RELAY_HEADER } from "../http/relay_proof.ts";
import { isRelayed, relayRequest } from "./relay_request.ts";
import { type ExchangeLimits, Exchanges } from "./exchanges.ts";
import { OIDC_FINISH, oidcRoutes } from "./oidc_routes.ts";
import { signInRoutes } from "./sign_in_routes.ts";
import { addressKey } from "../auth/throttle.ts";
import { rateKey, takeFrom, TOO_FAST } from "./rates.ts";
import { compressResponse, jsonDocument } from "../text/content_coding.ts";
import { CompressionRate } from "../text/compression_rate.ts";
import { isObject } from "../text/validate.ts";
import { passkeyRoutes } from "./passkey_routes.ts";
import { prefixOf, withoutPrefix } from "../text/path_prefix.ts";
import type { Protocol } from "./protocol.ts";

/** Every route but the documents, of which the OpenAPI one is made from them. */
export function restRoutes(protocol: Protocol, exchanges: Exchanges): readonly Route[] {
  return [
    ...signInRoutes(protocol, exchanges),
    ...oidcRoutes(protocol, exchanges.clock),
    ...passkeyRoutes(protocol),
    ...commandRoutes(protocol),
    exportRoute(),
  ];
}

/**
 * Builds the app. Every answer is JSON, refusals included, whatever comes in; callers may add
 * routes of their own before it serves, which then have the same headers unless they set others.
 */
export function createApp(
  deps: RestDeps,
  exchangeLimits: ExchangeLimits,
): Hono {
  const prefix = prefixOf(deps.publicUrl);
  const app = new Hono({ getPath: (request) => withoutPrefix(prefix, getPath(request)) });
  const exchanges = new Exchanges(exchangeLimits, deps.clock);
  const compressions = new CompressionRate(deps.clock);
  const routes = restRoutes(deps.protocol, exchanges);
  app.use("*", async (c, next) => {
    const refusal = payAddress(deps, deps.addressOf(c.req.raw, c.env), 1);
    if (refusal === null) await next();
    else c.res = errorResponse(refusal);
    addHeaders(deps, c);
  });
  for (const route of routes) {
    app.on(route.method, honoPath(route.path), (c) => serve(deps, route, c, compressions.take));
  }
  const { protocol, publicUrl } = deps;
  addDocument(app, "/openapi.json", () => openApiDocument(routes, protocol, publicUrl));
  addDocument(app, "/v1/asyncapi.json", () => asyncApiDocument(protocol, publicUrl));
  for (const [path, methods] of methodsByPath(routes)) {
    app.all(honoPath(path), (c) => otherMethod(deps, c, methods));
  }
  app.notFound(() => errorResponse(fail("not_found", "There is nothing at this address")));
  app.onError((error) => {
    deps.log.error("rest.bug", { error: String(error), stack: error.stack });
    return errorResponse(fail("unavailable", "The request failed on the server", 1000));
  });
  return app;
}

/** Serves a document, made at the first request: a start does not wait for it. */
function addDocument(app: Hono, path: string, make: () => object): void {
  let document: ReturnType<typeof jsonDocument> | null = null;
  app.get(path, (c) => (document ??= jsonDocument(JSON.stringify(make())))(c.req.raw));
}

/** `/v1/contacts/{contact}` as Hono writes it. */
export function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

function methodsByPath(routes: readonly Route[]): ReadonlyMap<string, string> {
  const methods = new Map<string, string>(DOCUMENTS.map((path) => [path, "GET, HEAD"]));
  for (const { path, method } of routes) {
    const known = methods.get(path);
    const own = method === "GET" && path !== EVENTS_PATH ? "GET, HEAD" : method;
    methods.set(path, known === undefined ? own : `${known}, ${own}`);
  }
  return methods;
}

const DOCUMENTS = ["/openapi.json", "/v1/asyncapi.json"];

/** A HEAD of it would wait, or stream nothing. */
const EVENTS_PATH = "/v1/events";

function addHeaders(deps: RestDeps, c: Context): void {
  const { headers } = c.res;
  const cors = corsHeaders(c.req.header("origin") ?? null, deps.allowedOrigins());
  // What is for every origin stays so.
  if (!headers.has("access-control-allow-origin")) {
    for (const [name, value] of Object.entries(cors)) {
      if (name === "vary") headers.append(name, value);
      else headers.set(name, value);
    }
  }
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
    if (!headers.has(name)) headers.set(name, value);
  }
}

function otherMethod(deps: RestDeps, c: Context, methods: string): Response {
  const allow = `${methods}, OPTIONS`;
  if (c.req.method === "OPTIONS") {
    const origin = c.req.header("origin") ?? null;
    const allowed = "access-control-allow-origin" in corsHeaders(origin, deps.allowedOrigins());
    const cors = allowed ? preflightHeaders(methods) : {};
    return new Response(null, { status: 204, headers: { ...cors, allow } });
  }
  return errorResponse(fail("unsupported", `This address takes ${methods}`), 405, { allow });
}

/** One request from its rate limits to its answer. */
async function serve(
  deps: RestDeps,
  route: Route,
  c: Context,
  mayCompress: (bytes: number) => boolean,
): Promise<Response> {
  const request = c.req.raw;
  if (request.method === "HEAD" && route.path === EVENTS_PATH) {
    return otherMethod(deps, c, "GET");
  }
  const address = deps.addressOf(request, c.env);
  const caller = await identify(deps, route, request, address);
  if (caller !== null && !caller.ok) return await ended(deps, route, c, caller, null);
  const input = await inputOf(deps, route, c);
  if (!input.ok) return refused(deps, route, request, input, input === NOT_JSON ? 415 : undefined);
  const call: Call = { deps, request, address, caller: caller?.value ?? null };
  const full = call.caller !== null && (route.method === "GET" || route.id === "openSession")
    ? deps.unread.refusal({ ...call.caller, address })
    : null;
  const reply = full ?? await route.run(call, input.value);
  if (!(reply instanceof Response) && !reply.ok) {
    return await ended(deps, route, c, reply, input.value);
  }
  const response = reply instanceof Response
    ? reply
    : reply.value === null
    ? new Response(null, { status: 204 })
    : jsonResponse(route.status, reply.value);
  const unread = call.caller === null
    ? null
    : deps.unread.count(request, { ...call.caller, address }, charsOf(response));
  if (unread !== null) return refused(deps, route, request, unread);
  count(deps, route, request, "ok");
  return route.compressed === true
    ? await compressResponse(request, response, mayCompress)
    : response;
}

/** Refuses a request, or passes it on; `input`: its fields, where its body has been read. */
async function ended(
  deps: RestDeps,
  route: Route,
  c: Context,
  failure: Failure,
  input: Readonly<Record<string, unknown>> | null,
): Promise<Response> {
  const request = c.req.raw;
  const waits = route.id === "openSession" && !request.headers.has(RELAY_HEADER);
  const refusal = waits ? await heldRequest(deps.lostHomes, request, failure) : failure;
  const response = refused(deps, route, request, refusal);
  // Only the cell that began a way to an issuer can end it.
  if (route.id === OIDC_FINISH || !isRelayed(deps, request, refusal)) return response;
  return await relayRequest(deps, route, c, refusal, input);
}

function count(deps: RestDeps, route: Route, request: Request, outcome: "ok" | ErrorCode): void {
  deps.observe(route.id, outcome);
  const kind = route.signsInBy?.(request, outcome) ?? null;
  if (kind !== null) deps.signedIn(kind, outcome);
}

function refused(
  deps: RestDeps,
  route: Route,
  request: Request,
  failure: Exclude<Result<unknown>, { ok: true }>,
  status?: number,
): Response {
  count(deps, route, request, failure.code);
  return errorResponse(failure, status);
}

/** Takes from the address's rate of requests; a refusal, counted, where there is too little. */
function payAddress(deps: RestDeps, address: string, cost: number): Failure | null {
  const waitMs = deps.throttles.address.take(deps.clock.monoMs(), addressKey(address), cost);
  if (waitMs === 0) return null;
  const failure = fail("rate_limited", "Too many requests from this address", waitMs);
  deps.observe("request", failure.code);
  deps.limited("address_requests");
  return failure;
}

/**
 * Who calls, within the rate limits: null on public routes. An address has paid 1 for every request
 * and gets it back where somebody is signed in: what a user asks is the user's to pay. It does not
 * where the user asks too much: refusing is work too.
 */
async function identify(
  deps: RestDeps,
  route: Route,
  request: Request,
  address: string,
): Promise<Result<Caller> | null> {
  if (route.access === "public") return payAddress(deps, address, route.cost - 1);
  const caller = await authenticate(deps, request, address);
  if (!caller.ok) return caller;
  const { throttles, clock } = deps;
  const who = rateKey(caller.value);
  const rateMs = takeFrom(throttles.device, route, who, clock.monoMs(), deps.limited);
  if (rateMs > 0) return fail("rate_limited", TOO_FAST[route.rate], rateMs);
  const accountMs = throttles.account.take(clock.monoMs(), caller.value.user, route.cost);
  if (accountMs > 0) {
    deps.limited("frames");
    return fail("rate_limited", "Too many requests of this account", accountMs);
  }
  throttles.address.refund(clock.monoMs(), addressKey(address));
  return caller;
}

const INTEGER = /^-?[0-9]{1,16}$/;

/** Gathers the input's fields from the body, the path, the query and the headers. */
async function inputOf(
  deps: RestDeps,
  route: Route,
  c: Context,
): Promise<Result<Readonly<Record<string, unknown>>>> {
  let fields: Record<string, unknown> = {};
  if (hasBody(route)) {
    const body = await readJsonBody(c.req.raw, deps.protocol.limits);
    if (!body.ok) return body;
    if (!isObject(body.value)) return fail("bad_request", "The body must be a JSON object");
    // A spread, for an assignment would let a field `__proto__` do what its name says.
    fields = { ...body.value };
  }
  for (const [name, source] of Object.entries(route.from)) {
    const text = typeof source === "object"
      ? c.req.header(source.header)
      : source === "path"
      ? c.req.param(name)
      : c.req.query(name);
    if (typeof source === "object" && source.required && text === undefined) {
      return fail("bad_request", `The header ${source.header} is required`);
    }
    fields[name] = source === "number" && text !== undefined && INTEGER.test(text)
      ? Number(text)
      : text;
  }
  return { ok: true, value: Object.assign(fields, route.fixed) };
}
