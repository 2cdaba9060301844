/** The admin API over the network. */
import type { IncomingMessage } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { AdminListener } from "./socket.ts";
import { changeTls, makeServer, type TlsTexts } from "../http/node_server.ts";
import { formatBind } from "../config/address.ts";
import type { GuardedApp } from "./guard.ts";
import { listen } from "../http/listener.ts";
import { plainAddress } from "../http/plain_address.ts";

/** How long a request's head may take. */
const REQUEST_TIMEOUT_MS = 60_000;

/** A listening admin API on the network. */
export interface NetworkListener extends AdminListener {
  readonly url: string;
  /** Gives new connections another certificate; nothing where there is no TLS. */
  changeTls(tls: TlsTexts): void;
}

/**
 * The request as one of the platform: what node-server makes is none, and `new Request` of it, which
 * Hono's limit of bodies needs where a request has no length, throws.
 */
function platformRequest({ body, headers, method, signal, url }: Request): Request {
  const none = method === "GET" || method === "HEAD";
  return new Request(url, { method, headers, signal, body: none ? null : body });
}

/** Serves the app at an address, over TLS where there are keys. */
export async function listenAdminNetwork(
  app: GuardedApp,
  at: { readonly host: string; readonly port: number },
  tls: TlsTexts | null,
): Promise<NetworkListener> {
  const listener = getRequestListener((request, { incoming }) => {
    const { remoteAddress = "" } = (incoming as IncomingMessage).socket;
    return app(platformRequest(request), plainAddress(remoteAddress));
  }, { overrideGlobalObjects: false, hostname: "localhost" });
  const server = makeServer({ requestTimeoutMs: REQUEST_TIMEOUT_MS, tls }, listener);
  let port: number;
  try {
    port = await listen(server, { ...at, shared: false });
  } catch (cause) {
    const actual = cause instanceof Error && cause.cause instanceof Error
      ? cause.cause.message
      : String(cause);
    throw new Error(`Cannot listen at admin.listen ${formatBind(at)}: ${actual}`, { cause });
  }
  return {
    url: `${tls === null ? "http" : "https"}://${formatBind({ ...at, port })}`,
    changeTls: (next) => tls === null || changeTls(server, next),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeIdleConnections();
      }),
  };
}
