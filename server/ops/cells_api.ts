/** The admin API's route about the other cells of the federation. */
import type { Hono } from "hono";
import type { CellMesh } from "../peer/cells/mesh.ts";
import type { CellsView } from "../peer/cells/view.ts";
import { type Asks, question } from "../node/asks.ts";
import { errorResponse } from "../http/response.ts";
import { fail, ok } from "../../shard/errors.ts";

const VIEW = question<null, CellsView>("cells.view");

const ALONE = fail("conflict", "This cell is the only one: it has no cells.name, see roost cells");

/**
 * Adds `GET /admin/cells`: the federation as the node that is asked sees it, and as the other nodes
 * of its cell do.
 */
export function addCellsRoute(
  app: Hono,
  asks: Pick<Asks, "on" | "all">,
  mesh: CellMesh | null,
): void {
  if (mesh !== null) asks.on(VIEW, (_, done) => done(ok(mesh.view())));
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
