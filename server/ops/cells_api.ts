/** The admin API's routes about the federation: its cells, and whether this one is a member. */
import type { Hono } from "hono";
import { z } from "zod";
import { type CellName, parseCellName } from "../../shard/name/ids.ts";
import type { CellMesh } from "../peer/cells/mesh.ts";
import type { CellsView } from "../peer/cells/view.ts";
import { type Asks, question } from "../node/asks.ts";
import { errorResponse } from "../http/response.ts";
import type { NameReport } from "../peer/cells/name_check.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { Members } from "../../shard/federation/members.ts";
import { CellsHistory } from "./live/cells_history.ts";
import { readBody } from "./request_body.ts";
import type { Runtime } from "../node/ports.ts";

const VIEW = question<null, CellsView>("cells.view");

/** Which cell leaves. */
export const LEAVE = z.strictObject({
  /** This one where it is absent. */
  cell: z.string().transform((text, context): CellName => {
    const name = parseCellName(text);
    if (name !== null) return name;
    context.addIssue({ code: "custom", message: "it is no name of a cell" });
    return z.NEVER;
  }).optional(),
  force: z.boolean().default(false),
});

/** What a cell says that has no others. */
export const ALONE = fail(
  "conflict",
  "This cell is the only one: it has no cells.name, see roost cells",
);

const HAS_NAMES = fail(
  "conflict",
  "This cell has accounts, which stay here when it leaves: other cells keep their names for it, and " +
    "it can create no others. Use --force if that is meant.",
);

function changed(run: (done: (result: Result<Members>) => void) => void): Promise<Response> {
  return new Promise((done) =>
    run((result) => done(result.ok ? Response.json(result.value) : errorResponse(result)))
  );
}

/** Why the names of a cell keep it from joining; null where none does. */
function conflictOf(report: NameReport, members: Members): Failure | null {
  const { cells, conflicts, conflictsFound } = report;
  const unlinked = members.cells.find(({ cell }) => !cells.includes(cell))?.cell;
  const fault = report.fault ??
    (unlinked === undefined ? null : `The cell ${unlinked} is not linked`);
  if (fault !== null) return fail("unavailable", `The names cannot be compared: ${fault}`, 1000);
  if (conflictsFound === 0) return null;
  const [{ name, cell }] = conflicts as [NameReport["conflicts"][number]];
  return fail(
    "conflict",
    `${conflictsFound} names are taken in other cells as well, such as ${name} in ${cell}: ` +
      "see roost cells check, and remove or rename one account of each",
  );
}

/**
 * A cell with accounts joins only where no other cell has one of their names: the members decide that
 * they are this cell's first, so that none of them is given meanwhile.
 */
function join(mesh: CellMesh, done: (result: Result<Members>) => void): void {
  mesh.settled.look((hasNames) => {
    if (!hasNames) return mesh.membership.join(true, done);
    const { current, joined } = mesh.membership;
    if (joined) return done(ok(current));
    mesh.nameCheck.run(current.cells[0]?.cell ?? null, (report) => {
      const conflict = conflictOf(report, current);
      if (conflict !== null) return done(conflict);
      mesh.membership.join(true, done);
    });
  });
}

/** The same routes of the only cell. */
function addLoneRoutes(app: Hono): void {
  const alone = () => errorResponse(ALONE);
  app.get("/admin/cells/check", alone);
  app.get("/admin/cells/history", alone);
  app.post("/admin/cells/join", alone);
  app.post("/admin/cells/leave", alone);
}

/**
 * Adds `GET /admin/cells/check`, `POST /admin/cells/join` and `/admin/cells/leave`: the reply is the
 * members then. The outcome of a change that is `unavailable` is unknown: it may be decided later.
 */
function addMemberRoutes(app: Hono, mesh: CellMesh): void {
  const { membership } = mesh;
  app.get(
    "/admin/cells/check",
    () =>
      new Promise<Response>((done) =>
        mesh.nameCheck.run(null, (report) => done(Response.json(report)))
      ),
  );
  app.post("/admin/cells/join", () => changed((done) => join(mesh, done)));
  app.post("/admin/cells/leave", async (c) => {
    const input = await readBody(LEAVE, c.req.raw);
    if (input instanceof Response) return input;
    const { cell = mesh.self, force } = input;
    return await changed((done) =>
      mesh.settled.look((hasNames) => {
        if (cell === mesh.self && hasNames && !force) return done(HAS_NAMES);
        membership.remove(cell, force, done);
      })
    );
  });
}

/**
 * Adds `GET /admin/cells`: the federation as the node that is asked sees it, and as the other nodes
 * of its cell do; `/admin/cells/history`, its last quarter of an hour as the node that is asked has
 * seen it; and the routes that change who is a member.
 */
export function addCellsRoute(
  app: Hono,
  asks: Pick<Asks, "on" | "all">,
  mesh: CellMesh | null,
  runtime: Pick<Runtime, "clock" | "timers">,
): void {
  if (mesh === null) addLoneRoutes(app);
  else {
    const history = new CellsHistory(runtime, () => mesh.view());
    history.start();
    app.get("/admin/cells/history", () => Response.json(history.columns));
    asks.on(VIEW, (_, done) => done(ok(mesh.view())));
    addMemberRoutes(app, mesh);
  }
  app.get("/admin/cells", () => {
    if (mesh === null) return errorResponse(ALONE);
    return new Promise<Response>((done) =>
      asks.all(VIEW, null, ({ replies, missing }) => {
        const [own, ...others] = replies.map(({ value }) => value);
        done(Response.json({ ...own, others, missing }));
      })
    );
  });
}
