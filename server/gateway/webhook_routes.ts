/** Routes of webhooks. */
import { fail, ok, type Result } from "../../shard/errors.ts";
import { parseTarget } from "../config/target.ts";
import type { HookPut, HookView } from "./hook_calls.ts";
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
        once((done) => deps.gateway.hookCalls.remove({ service: service.name, id }, done)),
    ),
  ];
}

async function listHooks({ deps, service }: GatewayCall): Promise<Result<unknown>> {
  type Listed = Result<readonly HookView[]>;
  const all = await once<Listed>((done) => deps.gateway.hookCalls.list(service.name, done));
  if (!all.ok) return all;
  const webhooks = all.value.map(({ service: _, ...view }) => view);
  return ok({ webhooks });
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
  const record = { service: service.name, id, url: target.value.url, topics, users };
  const put = await once<Result<HookPut>>((done) => deps.gateway.hookCalls.put(record, done));
  if (!put.ok) return put;
  const { made, record: { service: _, secret, ...view } } = put.value;
  return ok({ ...view, ...(made ? { secret } : {}) });
}
