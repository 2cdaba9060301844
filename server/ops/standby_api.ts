/** The admin API's routes about copies of stores: this cell's own, and those of other cells. */
import type { Hono } from "hono";
import { z } from "zod";
import { type CellName, parseCellName } from "../../shard/name/ids.ts";
import { errorResponse } from "../http/response.ts";
import { fail } from "../../shard/errors.ts";
import { readBody } from "./request_body.ts";
import type { StandbyStation } from "../standby/station.ts";
import type { MemberView } from "../standby/member_options.ts";

/** What the routes need. */
export interface StandbyOperations {
  /** The primary's part in its cell's store; null where that has no standby. */
  own(): Promise<MemberView | null>;
  /** Copies of other cells' stores; null where it keeps none. */
  readonly station: Pick<StandbyStation, "views" | "promote" | "handBack"> | null;
}

const cell = z.string().transform((text, context): CellName => {
  const name = parseCellName(text);
  if (name !== null) return name;
  context.addIssue({ code: "custom", message: "it is no name of a cell" });
  return z.NEVER;
});

/** Whose copy becomes the primary; `force`: although those who vote cannot be reached. */
export const PROMOTE = z.strictObject({ cell, force: z.boolean().default(false) });
/** Which cell is handed back to its own place. */
export const HAND_BACK = z.strictObject({ cell });

/** Where a supervisor says the same of itself to its workers. */
export const OWN_STANDBY_PATH = "/admin/standby/own";

const NONE = "No copies of other cells' stores are kept here";

/**
 * Adds `GET /admin/standby`, `POST /admin/standby/promote`, which replies when the copy has begun to
 * ask for its role, and `POST /admin/standby/handback`, which replies when the other place has it.
 */
export function addStandbyRoutes(app: Hono, { own, station }: StandbyOperations): void {
  app.get(
    "/admin/standby",
    async () => Response.json({ own: await own(), copies: station?.views ?? [] }),
  );
  const reply = (why: string | null) =>
    why === null ? Response.json({}) : errorResponse(fail("conflict", why));
  app.post("/admin/standby/promote", async (c) => {
    const input = await readBody(PROMOTE, c.req.raw);
    if (input instanceof Response) return input;
    return reply(station === null ? NONE : station.promote(input.cell, input.force));
  });
  app.post("/admin/standby/handback", async (c) => {
    const input = await readBody(HAND_BACK, c.req.raw);
    if (input instanceof Response) return input;
    if (station === null) return reply(NONE);
    return await new Promise<Response>((done) =>
      station.handBack(input.cell, (why) => done(reply(why)))
    );
  });
}
