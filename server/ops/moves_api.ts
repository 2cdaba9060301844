/** The admin API's routes that move accounts to other cells: one of them, or all of this cell's. */
import type { Context, Hono } from "hono";
import { z } from "zod";
import { type AccountName, type CellName, newId, parseCellName } from "../../shard/name/ids.ts";
import { ALONE } from "./cells_api.ts";
import { type Evacuation, type EvacuationOrder, remainingOf } from "../node/evacuation.ts";
import { errorResponse } from "../http/response.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import { parseAddress } from "../../shard/name/name.ts";
import type { Random } from "../node/ports.ts";
import { readBody } from "./request_body.ts";
import type { Router } from "../node/router.ts";

/** A cell's name. */
const cellText = z.string().transform((text, context): CellName => {
  const name = parseCellName(text);
  if (name !== null) return name;
  context.addIssue({ code: "custom", message: "it is no name of a cell" });
  return z.NEVER;
});

/** Which account moves, and to which cell. */
export const MOVE_USER = z.strictObject({ user: z.string(), cell: cellText });
/** Which account is asked about. */
export const MOVED_USER = z.object({ user: z.string().describe("Name of the account") });
/** Which cell is evacuated: this one. */
export const EVACUATE = z.strictObject({
  cell: cellText,
  /** All others that have users, where it is absent. */
  to: z.array(cellText).min(1).optional(),
  perSecond: z.number().min(0.1).max(10_000).default(20),
});
/** What of an evacuation is to change. */
export const EVACUATION = z.strictObject({
  state: z.enum(["running", "paused", "stopped"]).optional(),
  perSecond: z.number().min(0.1).max(10_000).optional(),
});

/** What the routes need of a node that has other cells. */
export interface MovesHost {
  readonly domain: string;
  readonly self: CellName;
  readonly random: Pick<Random, "bytes">;
  readonly router: Pick<Router, "request">;
  readonly evacuation: Evacuation;
  /** Members of the federation that have users, but for this cell. */
  others(): readonly CellName[];
}

function once<T>(start: (done: (result: Result<T>) => void) => void): Promise<Response> {
  return new Promise((done) =>
    start((result) => done(result.ok ? Response.json(result.value) : errorResponse(result)))
  );
}

/** An order, and about how many accounts it has still to move. */
function shown(
  start: (done: (result: Result<EvacuationOrder | null>) => void) => void,
): Promise<Response> {
  return once((done) =>
    start((result) => {
      if (!result.ok || result.value === null) return done(result);
      done(ok({ ...result.value, remaining: remainingOf(result.value) }));
    })
  );
}

function nameOf(host: MovesHost, text: string): Result<AccountName> {
  const check = parseAddress(text, host.domain);
  if (check.ok) return ok(check.name);
  return fail("bad_request", `${JSON.stringify(text)} is no account name: ${check.reason}`);
}

/** The account that the query names, or the response that refuses it. */
function queried(host: MovesHost, c: Context): Result<AccountName> {
  const user = c.req.query("user");
  return user === undefined ? fail("bad_request", "The query has no user") : nameOf(host, user);
}

function addUserRoutes(app: Hono, host: MovesHost): void {
  const { random, router } = host;
  app.post("/admin/cells/move-user", async (c) => {
    const input = await readBody(MOVE_USER, c.req.raw);
    if (input instanceof Response) return input;
    const name = nameOf(host, input.user);
    if (!name.ok) return errorResponse(name);
    const move: string = newId(random.bytes(12));
    return await once((done) =>
      router.request(name.value, "move.begin", { to: input.cell, move }, done)
    );
  });
  app.get("/admin/cells/move-user", async (c) => {
    const name = queried(host, c);
    if (!name.ok) return errorResponse(name);
    return await once((done) => router.request(name.value, "move.state", {}, done));
  });
  app.delete("/admin/cells/move-user", async (c) => {
    const name = queried(host, c);
    if (!name.ok) return errorResponse(name);
    return await once((done) => router.request(name.value, "move.cancel", {}, done));
  });
}

/** Why a cell cannot be evacuated to these; null where it can. */
function refusal(
  host: MovesHost,
  cell: CellName,
  to: readonly CellName[],
): Failure | null {
  const { self } = host;
  if (cell !== self) {
    return fail("conflict", `This is cell ${self}: evacuate ${cell} at one of its own nodes`);
  }
  if (to.length === 0) return fail("conflict", "No other member of the federation has users");
  const others = host.others();
  const unknown = to.find((name) => !others.includes(name));
  if (unknown === undefined) return null;
  return fail("not_found", `There is no member ${unknown} of the federation that has users`);
}

function addEvacuationRoutes(app: Hono, host: MovesHost): void {
  const { evacuation } = host;
  app.get("/admin/cells/evacuate", () => shown((done) => evacuation.view(done)));
  app.post("/admin/cells/evacuate", async (c) => {
    const input = await readBody(EVACUATE, c.req.raw);
    if (input instanceof Response) return input;
    const { cell, to = host.others(), perSecond } = input;
    const refused = refusal(host, cell, to);
    if (refused !== null) return errorResponse(refused);
    return await shown((done) => evacuation.order(to, perSecond, done));
  });
  app.put("/admin/cells/evacuate", async (c) => {
    const input = await readBody(EVACUATION, c.req.raw);
    if (input instanceof Response) return input;
    const { state = null, perSecond = null } = input;
    return await shown((done) => evacuation.set(state, perSecond, done));
  });
}

/** Adds `/admin/cells/move-user` and `/admin/cells/evacuate`. `host`: null for a lone cell. */
export function addMoveRoutes(app: Hono, host: MovesHost | null): void {
  if (host !== null) {
    addUserRoutes(app, host);
    return addEvacuationRoutes(app, host);
  }
  const alone = () => errorResponse(ALONE);
  app.post("/admin/cells/move-user", alone);
  app.get("/admin/cells/move-user", alone);
  app.delete("/admin/cells/move-user", alone);
  app.get("/admin/cells/evacuate", alone);
  app.post("/admin/cells/evacuate", alone);
  app.put("/admin/cells/evacuate", alone);
}
