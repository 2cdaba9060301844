/** The admin API's route about the nodes of the cell. */
import type { Hono } from "hono";
import type { Node } from "../node/node.ts";

/** Adds the route to the admin app of a running node. */
export function addClusterRoutes(app: Hono, node: Pick<Node, "nodes">): void {
  app.get("/admin/cluster", () => Response.json({ nodes: node.nodes }));
}
