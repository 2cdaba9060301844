/** The path that a proxy has taken off the address of a request. */
import type { IncomingMessage } from "node:http";
import type { TrustedProxies } from "./http_server.ts";
import { parsePathPrefix } from "../config/address.ts";

/** Returns the prefix that a trusted proxy names in `X-Forwarded-Prefix`; "" for none. */
export function forwardedPrefix(proxies: TrustedProxies, env: unknown): string {
  const { incoming } = env as { readonly incoming: IncomingMessage };
  const header = incoming.headers["x-forwarded-prefix"];
  if (typeof header !== "string" || !proxies.trusts(incoming.socket.remoteAddress ?? "")) return "";
  return parsePathPrefix(header) ?? "";
}
