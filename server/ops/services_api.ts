/** The admin API's part for services, their webhooks, and experiments. */
import type { Hono } from "hono";
import { z } from "zod";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { errorResponse, readJsonBody } from "../http/response.ts";
import { validate } from "../text/validate.ts";
import type { Experiments } from "../gateway/experiments.ts";
import type { HookStatus } from "../gateway/hooks.ts";
import type { HookView } from "../gateway/hook_calls.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { parseScopes, type ServiceRecord } from "../gateway/service.ts";

const DAY_MS = 86_400_000;
const DEAD_PAGE = 100;
const BODY = { frameBytesMax: 65_536, jsonDepthMax: 8 };

/** The body of a new service. */
export const ADD = z.strictObject({
  name: z.string(),
  scopes: z.array(z.string()).max(20),
  expiresDays: z.int().min(1).max(36_500).nullable(),
});
/** The body of the arms of an experiment. */
export const SET = z.strictObject({ arms: z.string().max(1000) });
const AFTER = z.coerce.number().int().min(0).default(0);

/** A service without its secrets; `all`: how webhooks do. */
function view(gateway: Gateway, service: ServiceRecord, all: readonly HookStatus[]) {
  const { tokenHash, ...told } = service;
  const hooks = all.filter((hook) => hook.service === service.name);
  const state = tokenHash === null
    ? "revoked"
    : gateway.registry.active(service)
    ? "active"
    : "expired";
  const sum = (of: "waiting" | "dead") => hooks.reduce((all, hook) => all + hook[of], 0);
  return { ...told, state, webhooks: hooks.length, waiting: sum("waiting"), dead: sum("dead") };
}

function once<T>(start: (done: (value: T) => void) => void): Promise<T> {
  return new Promise(start);
}

function answer(result: Result<unknown>, status = 200): Response {
  return result.ok ? Response.json(result.value, { status }) : errorResponse(result);
}

async function bodyOf<S extends z.ZodType>(
  schema: S,
  request: Request,
): Promise<Result<z.output<S>>> {
  const body = await readJsonBody(request, BODY);
  return body.ok ? validate(schema, body.value) : body;
}

/** Adds the routes to the admin API. */
export function addServiceRoutes(app: Hono, gateway: Gateway, experiments: Experiments): void {
  const { registry, ports: { clock } } = gateway;
  app.get(
    "/admin/services",
    () =>
      new Promise<Response>((done) =>
        gateway.hookCalls.status((all, missing) => {
          const services = registry.list().map((service) => view(gateway, service, all));
          done(answer(ok({ services, missing })));
        })
      ),
  );
  app.post("/admin/services", async (c) => {
    const input = await bodyOf(ADD, c.req.raw);
    if (!input.ok) return answer(input);
    const { name, expiresDays } = input.value;
    const parsed = parseScopes(input.value.scopes);
    if (typeof parsed === "string") return answer(fail("bad_request", parsed));
    const expiresAt = expiresDays === null ? null : clock.wallMs() + expiresDays * DAY_MS;
    type Added = Parameters<Parameters<typeof registry.add>[3]>[0];
    const added = await once<Added>((done) => registry.add(name, parsed.scopes, expiresAt, done));
    if (!added.ok) return answer(added);
    const { token, service } = added.value;
    return answer(ok({ token, ...view(gateway, service, []) }), 201);
  });
  app.delete("/admin/services/:name", async (c) => {
    return answer(await once<Result<null>>((done) => registry.revoke(c.req.param("name"), done)));
  });
  addWebhookRoutes(app, gateway);
  addExperimentRoutes(app, experiments);
}

function addWebhookRoutes(app: Hono, { registry, hookCalls }: Gateway): void {
  app.get("/admin/services/:name/webhooks", async (c) => {
    const name = c.req.param("name");
    const known = registry.list().some((service) => service.name === name);
    if (!known) return answer(fail("not_found", `There is no service ${JSON.stringify(name)}`));
    const all = await once<Result<readonly HookView[]>>((done) => hookCalls.list(name, done));
    return answer(all.ok ? ok({ webhooks: all.value }) : all);
  });
  app.get("/admin/services/:name/webhooks/:id/dead", async (c) => {
    const after = AFTER.safeParse(c.req.query("after"));
    if (!after.success) return answer(fail("bad_request", "after must be a position"));
    const { name, id } = c.req.param();
    const page = { service: name, id, after: after.data, limit: DEAD_PAGE };
    const dead = await once<Result<unknown>>((done) => hookCalls.dead(page, done));
    return answer(dead.ok ? ok({ dead: dead.value }) : dead);
  });
  app.post("/admin/services/:name/webhooks/:id/replay", async (c) => {
    const { name: service, id } = c.req.param();
    const count = await once<Result<number>>((done) => hookCalls.replay({ service, id }, done));
    return answer(count.ok ? ok({ replayed: count.value }) : count);
  });
}

function addExperimentRoutes(app: Hono, experiments: Experiments): void {
  app.get("/admin/experiments", () => answer(ok({ experiments: experiments.list() })));
  app.put("/admin/experiments/:name", async (c) => {
    const input = await bodyOf(SET, c.req.raw);
    if (!input.ok) return answer(input);
    const { arms } = input.value;
    return answer(await once((done) => experiments.set(c.req.param("name"), arms, done)));
  });
}
