/** The gateway's HTTP API: a table of routes, which the app and the document are made from. */
import type { z } from "zod";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { parseCursor } from "../../shard/name/ids.ts";
import { parseAddress } from "../../shard/name/name.ts";
import { type ErrorCode, fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { AdmissionKind } from "../http/admission.ts";
import type { Throttle } from "../auth/throttle.ts";
import type { Clock, Random, Timers } from "../node/ports.ts";
import type { Retries } from "../../shard/retry.ts";
import type { Router } from "../node/router.ts";
import type { ProtocolLimits } from "../v1/limits.ts";
import { validate } from "../text/validate.ts";
import type { Gateway } from "./gateway.ts";
import type { HookRecord } from "./hook_events.ts";
import type { HookStatus } from "./hooks.ts";
import { unseen } from "./outcome.ts";
import { GATEWAY_ANSWERS, type GatewaySchemas } from "./schemas.ts";
import type { Scope, ServiceRecord } from "./service.ts";
import { outcomeStream, presenceStream, readOutcomes } from "./streams.ts";
import { parseTarget } from "../config/target.ts";

/** What the API needs. */
export interface GatewayApiDeps {
  readonly gateway: Gateway;
  readonly router: Pick<Router, "request">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly retries: Retries;
  readonly domain: string;
  readonly limits: ProtocolLimits;
  /** By service: requests, where names of a batch count a part. */
  readonly throttle: Throttle;
  /** Webhooks may go to private networks. */
  readonly privateTargets: boolean;
  /** As in `RestDeps`. */
  readonly publicUrl: string | null;
  /** Streams one service may have open. */
  readonly streamsMax: number;
  admit(kind: AdmissionKind): Failure | null;
  /** Counts an outcome for metrics: a route's id, `ok` or an error code. */
  observe(name: string, outcome: "ok" | ErrorCode): void;
  /** Counts that a rate has held a service back. Needs no `this`. */
  limited(limit: "services" | "subscription_requests"): void;
  /** A service has proved itself: the address gets back what the request cost it. */
  refundAddress(request: Request, env: unknown): void;
}

/** One request of a service. */
export interface GatewayCall {
  readonly deps: GatewayApiDeps;
  readonly service: ServiceRecord;
  readonly account: AccountName;
  readonly request: Request;
}

/** A row of the table. */
export interface GatewayRoute {
  readonly id: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly summary: string;
  /** null: any service. Of several, one is enough. */
  readonly scopes: readonly Scope[] | null;
  readonly input: z.ZodType;
  /** Where fields come from that are not in the body. */
  readonly from: Readonly<Record<string, "path" | "query" | "number" | "idempotency-key">>;
  readonly status: 200 | 204;
  readonly answer: keyof typeof GATEWAY_ANSWERS | null;
  /** Also as server-sent events. */
  readonly streams?: boolean;
  readonly write: boolean;
  run(call: GatewayCall, input: unknown): Promise<Result<unknown> | Response>;
}

type In<K extends keyof GatewaySchemas> = z.output<GatewaySchemas[K]>;

/** One name costs this part of a request. */
const NAME_COST = 0.1;

/** Makes a row whose `run` gets checked input. */
function route<K extends keyof GatewaySchemas>(
  schemas: GatewaySchemas,
  schema: K,
  row: Omit<GatewayRoute, "input" | "run" | "from" | "write"> & Partial<GatewayRoute>,
  run: (call: GatewayCall, input: In<K>) => Promise<Result<unknown> | Response>,
): GatewayRoute {
  const input: z.ZodType = schemas[schema];
  return {
    from: {},
    write: row.method !== "GET",
    ...row,
    input,
    run(call, raw) {
      const checked = validate(input, raw);
      return checked.ok ? run(call, checked.value as In<K>) : Promise.resolve(checked);
    },
  };
}

function once<T>(start: (done: (value: T) => void) => void): Promise<T> {
  return new Promise(start);
}

/** The normalised name, or null where it cannot be anybody's. */
function nameOf({ deps }: GatewayCall, text: string): AccountName | null {
  const check = parseAddress(text, deps.domain);
  return check.ok ? check.name : null;
}

/** Takes what a batch costs beyond the request itself. */
function payBatch({ deps, service }: GatewayCall, names: number): Failure | null {
  const waitMs = deps.throttle.take(deps.clock.monoMs(), service.name, names * NAME_COST);
  if (waitMs === 0) return null;
  deps.limited("services");
  return fail("rate_limited", "Too many names: wait retryAfterMs", waitMs);
}

/** What a service's messages are sent by. */
const DEVICE = "gateway" as DeviceId;
const NO_STREAM = fail("limit_reached", "The service has too many streams open");
const ABSENT = fail("unavailable", "The service is being attached: try again", 500);

/** All routes. */
export function gatewayRoutes(schemas: GatewaySchemas): readonly GatewayRoute[] {
  return [
    route(
      schemas,
      "none",
      {
        id: "gatewayService",
        method: "GET",
        path: "/gateway/v1/service",
        summary: "Who the token is of, and what it may do",
        scopes: null,
        status: 200,
        answer: "Service",
      },
      ({ service: { name, scopes, expiresAt }, account }) =>
        Promise.resolve(ok({ service: name, account, scopes, expiresAt })),
    ),
    route(schemas, "message", {
      id: "gatewaySend",
      method: "POST",
      path: "/gateway/v1/messages",
      summary: "Sends a message from the service's account; durable when it is answered",
      scopes: ["send"],
      from: { key: "idempotency-key" },
      status: 200,
      answer: "Accepted",
    }, send),
    route(schemas, "outcomes", {
      id: "gatewayOutcomes",
      method: "GET",
      path: "/gateway/v1/outcomes",
      summary: "What became of messages, after a cursor: a page, or as events from then on",
      scopes: ["outcomes"],
      from: { after: "query", limit: "number" },
      status: 200,
      answer: "Outcomes",
      streams: true,
    }, outcomes),
    ...presenceRoutes(schemas),
    ...webhookRoutes(schemas),
  ];
}

function presenceRoutes(schemas: GatewaySchemas): readonly GatewayRoute[] {
  return [
    route(schemas, "users", {
      id: "gatewayContacts",
      method: "POST",
      path: "/gateway/v1/contacts",
      summary: "Asks users to let the service see their presence; nothing tells who exists",
      scopes: ["presence.read", "watch", "presence.set"],
      status: 200,
      answer: "Results",
    }, contacts),
    route(schemas, "setPresence", {
      id: "gatewaySetPresence",
      method: "PUT",
      path: "/gateway/v1/presence",
      summary: "Sets presence of users, as a further device of theirs that ends by itself",
      scopes: ["presence.set"],
      status: 200,
      answer: "Results",
    }, setPresence),
    route(schemas, "users", {
      id: "gatewayPresence",
      method: "POST",
      path: "/gateway/v1/presence/query",
      summary: "Presence of users, one answer for each name; who may not be seen is offline",
      scopes: ["presence.read"],
      status: 200,
      answer: "Presence",
      write: false,
    }, queryPresence),
    route(schemas, "watch", {
      id: "gatewayWatch",
      method: "GET",
      path: "/gateway/v1/presence/events",
      summary: "Presence of users now, and every change, as server-sent events",
      scopes: ["watch"],
      from: { users: "query" },
      status: 200,
      answer: "Presence",
      streams: true,
    }, watch),
  ];
}

function webhookRoutes(schemas: GatewaySchemas): readonly GatewayRoute[] {
  const path = "/gateway/v1/webhooks/{id}";
  const scopes = ["watch", "outcomes"] as const;
  return [
    route(schemas, "none", {
      id: "gatewayWebhooks",
      method: "GET",
      path: "/gateway/v1/webhooks",
      summary: "The service's webhooks and how they do",
      scopes,
      status: 200,
      answer: "Webhooks",
    }, listHooks),
    route(schemas, "webhook", {
      id: "gatewayPutWebhook",
      method: "PUT",
      path,
      summary: "Makes or changes a webhook; a new one's secret is shown here",
      scopes,
      from: { id: "path" },
      status: 200,
      answer: "Webhook",
    }, putHook),
    route(
      schemas,
      "webhookId",
      {
        id: "gatewayDeleteWebhook",
        method: "DELETE",
        path,
        summary: "Removes a webhook with all that waits for it",
        scopes,
        from: { id: "path" },
        status: 204,
        answer: null,
      },
      ({ deps, service }, { id }) =>
        once((done) => deps.gateway.hooks.remove(service.name, id, done)),
    ),
  ];
}

// ---- messages

async function send(call: GatewayCall, input: In<"message">): Promise<Result<unknown>> {
  const to = nameOf(call, input.to);
  if (to === null) return fail("not_found", "There is no such user");
  const message = {
    device: DEVICE,
    to,
    id: input.key,
    body: input.body,
    ext: input.ext ?? "",
  };
  const { router } = call.deps;
  type Sent = Result<{ readonly num: number; readonly at: number }>;
  const sent = await once<Sent>((done) =>
    router.request(call.account, "message.send", message, done)
  );
  return sent.ok ? ok({ num: sent.value.num, at: sent.value.at }) : sent;
}

async function outcomes(call: GatewayCall, input: In<"outcomes">) {
  // A client that reconnects by itself repeats the address, with what it had when it began.
  const after = call.request.headers.get("last-event-id") ?? input.after ?? null;
  const cursor = after === null ? null : parseCursor(after);
  if (after !== null && cursor === null) return fail("bad_request", "Last-Event-ID is no cursor");
  const { deps, service, account } = call;
  if (!wantsStream(call)) {
    return await once<Result<unknown>>((done) =>
      readOutcomes(deps.router, account, cursor, input.limit, done)
    );
  }
  if (deps.gateway.listening(service.name) >= deps.streamsMax) return NO_STREAM;
  return outcomeStream(deps, service.name, account, cursor);
}

function wantsStream({ request }: GatewayCall): boolean {
  return /\btext\/event-stream\b/.test(request.headers.get("accept") ?? "");
}

// ---- presence

interface BatchResult {
  readonly user: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly retryAfterMs?: number;
}

/** One answer for each name, in their order. */
async function batch<T extends { readonly user: string }>(
  call: GatewayCall,
  items: readonly T[],
  run: (user: AccountName, item: T, done: (result: Result<null>) => void) => void,
): Promise<Result<{ readonly results: readonly BatchResult[] }>> {
  const unpaid = payBatch(call, items.length);
  if (unpaid !== null) return unpaid;
  const results = await Promise.all(items.map(async (item): Promise<BatchResult> => {
    const user = nameOf(call, item.user);
    if (user === null) return { user: item.user, ok: false, code: "not_found" };
    const result = await once<Result<null>>((done) => run(user, item, done));
    if (result.ok) return { user, ok: true };
    const { code, retryAfterMs } = result;
    return { user, ok: false, code, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }));
  return ok({ results });
}

function contacts(call: GatewayCall, { users }: In<"users">) {
  const { gateway, limited } = call.deps;
  return batch(
    call,
    users.map((user) => ({ user })),
    (user, _item, done) =>
      gateway.ask(call.account, user, (result) => {
        if (!result.ok && result.code === "rate_limited") limited("subscription_requests");
        done(result);
      }),
  );
}

function setPresence(call: GatewayCall, { users }: In<"setPresence">) {
  const { presences } = call.deps.gateway;
  const { name } = call.service;
  return batch(call, users, (user, item, done) => {
    if ("clear" in item) return presences.set(name, user, null, 0, done);
    const { show = "online", status = "", priority = 0, ext = "", ttlSeconds } = item;
    presences.set(name, user, { show, status, priority, ext }, ttlSeconds * 1000, done);
  });
}

function queryPresence(call: GatewayCall, { users }: In<"users">): Promise<Result<unknown>> {
  const unpaid = payBatch(call, users.length);
  if (unpaid !== null) return Promise.resolve(unpaid);
  const hub = call.deps.gateway.hub(call.service.name);
  if (hub === null || !hub.ready) return Promise.resolve(ABSENT);
  const presence = users.map((text) => {
    const user = nameOf(call, text) ?? text;
    return hub.seen.get(user) ?? unseen(user);
  });
  return Promise.resolve(ok({ presence }));
}

function watch(call: GatewayCall, { users }: In<"watch">): Promise<Result<unknown> | Response> {
  const { deps, service } = call;
  if (deps.gateway.hub(service.name)?.ready !== true) return Promise.resolve(ABSENT);
  if (deps.gateway.listening(service.name) >= deps.streamsMax) return Promise.resolve(NO_STREAM);
  const names = users === undefined
    ? null
    : users.split(",").map((user) => nameOf(call, user) ?? user);
  return Promise.resolve(presenceStream(deps, service.name, names));
}

// ---- webhooks

function hookView({ id, url, topics, users }: HookRecord) {
  return { id, url, topics, users };
}

function listHooks({ deps, service }: GatewayCall): Promise<Result<unknown>> {
  const { hooks } = deps.gateway;
  const how = new Map<string, HookStatus>(hooks.status(service.name).map((s) => [s.id, s]));
  const webhooks = hooks.of(service.name).map((record) => {
    const { waiting, dead, failures, trouble } = how.get(record.id)!;
    return { ...hookView(record), waiting, dead, failures, trouble };
  });
  return Promise.resolve(ok({ webhooks }));
}

async function putHook(call: GatewayCall, input: In<"webhook">): Promise<Result<unknown>> {
  const { deps, service } = call;
  const target = parseTarget(input.url, deps.privateTargets);
  if (!target.ok) return target;
  const { id, topics } = input;
  for (const [topic, scope] of [["outcomes", "outcomes"], ["presence", "watch"]] as const) {
    if (topics.includes(topic) && !service.scopes.includes(scope)) {
      return fail("forbidden", `The token has not the scope ${scope}`);
    }
  }
  const users = input.users?.map((user) => nameOf(call, user) ?? user) ?? null;
  const made = !deps.gateway.hooks.of(service.name).some((hook) => hook.id === id);
  const record = { service: service.name, id, url: target.value.url, topics, users };
  const put = await once<Result<HookRecord>>((done) => deps.gateway.putHook(record, done));
  if (!put.ok) return put;
  return ok({ ...hookView(put.value), ...(made ? { secret: put.value.secret } : {}) });
}
