/** Routes of presence: consent, reading, setting and watching. */
import type { AccountName } from "../../shard/name/ids.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { unseen } from "./outcome.ts";
import {
  type GatewayCall,
  type GatewayRoute,
  type In,
  nameOf,
  NO_STREAM,
  once,
  payBatch,
  readerOf,
  route,
  streamsOf,
} from "./route.ts";
import type { GatewaySchemas } from "./schemas.ts";
import { presenceStream } from "./streams.ts";

const ABSENT = fail("unavailable", "The service is being attached: try again", 500);

/** The rows. */
export function presenceRoutes(schemas: GatewaySchemas): readonly GatewayRoute[] {
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

async function queryPresence(call: GatewayCall, { users }: In<"users">): Promise<Result<unknown>> {
  const unpaid = payBatch(call, users.length);
  if (unpaid !== null) return unpaid;
  const hub = await readerOf(call);
  if (hub === null) return ABSENT;
  const presence = users.map((text) => {
    const user = nameOf(call, text) ?? text;
    return hub.seen.get(user) ?? unseen(user);
  });
  return ok({ presence });
}

async function watch(
  call: GatewayCall,
  { users }: In<"watch">,
): Promise<Result<unknown> | Response> {
  const { deps, service } = call;
  if (await readerOf(call) === null) return ABSENT;
  if (await streamsOf(call) >= deps.streamsMax) return NO_STREAM;
  const names = users === undefined
    ? null
    : users.split(",").map((user) => nameOf(call, user) ?? user);
  return presenceStream(deps.gateway, service.name, names);
}
