/** Routes of webhooks. */
import { fail, ok, type Result } from "../../shard/errors.ts";
import { parseTarget } from "../config/target.ts";
import type { HookRecord } from "./hook_events.ts";
import type { HookStatus } from "./hooks.ts";
import { type GatewayCall, type GatewayRoute, type In, nameOf, once, route } from "./route.ts";
import type { GatewaySchemas } from "./schemas.ts";

/** The rows. */
export function webhookRoutes(schemas: GatewaySchemas): readonly GatewayRoute[] {
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
  const target = parseTarget(input.url, deps.targets);
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
