/** The admin API's part for operators, and what a caller may do. */
import type { Hono } from "hono";
import { z } from "zod";
import { type Arrival, claimedActor } from "./actor.ts";
import type { Clock } from "../node/ports.ts";
import { errorResponse, readJsonBody } from "../http/response.ts";
import type { Operators } from "./operators.ts";
import { OPERATIONS_OF, ROLES } from "./roles.ts";
import type { Result } from "../../shard/errors.ts";
import { validate } from "../text/validate.ts";

const DAY_MS = 86_400_000;
const BODY = { frameBytesMax: 4096, jsonDepthMax: 4 };
const expiresDays = z.int().min(1).max(36_500).nullable();

/** The body of a new operator. */
export const ADD_OPERATOR = z.strictObject({
  name: z.string().max(100),
  role: z.enum(ROLES),
  expiresDays,
});
/** The body of a change of one. */
export const CHANGE_OPERATOR = z.strictObject({
  role: z.enum(ROLES).optional(),
  disabled: z.boolean().optional(),
});
/** The body of a new token. */
export const ROTATE_OPERATOR = z.strictObject({ expiresDays });

async function bodyOf<S extends z.ZodType>(
  schema: S,
  request: Request,
): Promise<Result<z.output<S>>> {
  const body = await readJsonBody(request, BODY);
  return body.ok ? validate(schema, body.value) : body;
}

function told<T>(
  status: number,
  run: (done: (result: Result<T>) => void) => void,
): Promise<Response> {
  return new Promise((done) =>
    run((result) =>
      done(result.ok ? Response.json(result.value, { status }) : errorResponse(result))
    )
  );
}

/** Adds the routes to the admin API. */
export function addOperatorRoutes(
  app: Hono,
  operators: Operators,
  clock: Pick<Clock, "wallMs">,
): void {
  const endOf = (days: number | null) => days === null ? null : clock.wallMs() + days * DAY_MS;
  app.get("/admin/me", (c) => {
    const { actor, role = "admin" } = (c.env ?? {}) as Partial<Arrival>;
    const may = ROLES.slice(0, ROLES.indexOf(role) + 1).flatMap((each) => OPERATIONS_OF[each]);
    return c.json({ actor: actor ?? claimedActor(c.req.raw), role, may });
  });
  app.get("/admin/operators", (c) => c.json({ operators: operators.list() }));
  app.post("/admin/operators", async (c) => {
    const input = await bodyOf(ADD_OPERATOR, c.req.raw);
    if (!input.ok) return errorResponse(input);
    const { name, role } = input.value;
    return await told(
      201,
      (done) => operators.add(name, role, endOf(input.value.expiresDays), done),
    );
  });
  app.put("/admin/operators/:name", async (c) => {
    const input = await bodyOf(CHANGE_OPERATOR, c.req.raw);
    if (!input.ok) return errorResponse(input);
    return await told(200, (done) => operators.change(c.req.param("name"), input.value, done));
  });
  app.delete(
    "/admin/operators/:name",
    (c) => told(200, (done) => operators.remove(c.req.param("name"), done)),
  );
  app.post("/admin/operators/:name/rotate", async (c) => {
    const input = await bodyOf(ROTATE_OPERATOR, c.req.raw);
    if (!input.ok) return errorResponse(input);
    const expiresAt = endOf(input.value.expiresDays);
    return await told(200, (done) => operators.rotate(c.req.param("name"), expiresAt, done));
  });
}
