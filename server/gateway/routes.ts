/** The gateway's HTTP API: a table of routes, which the app and the document are made from. */
import { ok } from "../../shard/errors.ts";
import { backendRoutes } from "./backend_routes.ts";
import { messageRoutes } from "./message_routes.ts";
import { presenceRoutes } from "./presence_routes.ts";
import { type GatewayRoute, route } from "./route.ts";
import type { GatewaySchemas } from "./schemas.ts";
import { webhookRoutes } from "./webhook_routes.ts";

/** All routes. */
export function gatewayRoutes(schemas: GatewaySchemas): readonly GatewayRoute[] {
  return [
    route(
      schemas,
      "none",
      {
        id: "gatewayService",
        method: "GET",
        path: "/gateway/v1/service",
        summary: "Who the token is of, and what it may do",
        scopes: null,
        status: 200,
        answer: "Service",
      },
      ({ service: { name, scopes, expiresAt }, account }) =>
        Promise.resolve(ok({ service: name, account, scopes, expiresAt })),
    ),
    ...messageRoutes(schemas),
    ...presenceRoutes(schemas),
    ...webhookRoutes(schemas),
    ...backendRoutes(schemas),
  ];
}
