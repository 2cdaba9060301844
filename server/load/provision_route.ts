/** The admin route that `provision` is reached by. */
import type { Hono } from "hono";
import { provision, PROVISION_SCHEMA, type ProvisionDeps } from "./provision.ts";
import { fail, type Failure } from "../../shard/errors.ts";

/** Adds `POST /admin/provision`; refusals are `{code, message}` like the other routes'. */
export function addProvisionRoute(app: Hono, deps: ProvisionDeps): void {
  app.post("/admin/provision", async (c) => {
    const input = PROVISION_SCHEMA.safeParse(await c.req.json().catch(() => null));
    if (!input.success) {
      const [issue] = input.error.issues;
      const where = issue?.path.join(".") || "body";
      return refusal(fail("bad_request", `Request field ${where}: ${issue?.message}`));
    }
    const result = await provision(deps, input.data);
    return result.ok ? Response.json(result.value) : refusal(result);
  });
}

function refusal({ code, message }: Failure): Response {
  return Response.json({ code, message }, { status: 400 });
}
