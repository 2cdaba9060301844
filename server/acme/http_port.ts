/** What is served without TLS: challenges of the kind http-01 (RFC 8555 section 8.3), and the way to https. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Bind } from "../config/address.ts";
import type { Challenge } from "./state.ts";
import { listen } from "../http/listener.ts";

const CHALLENGES = "/.well-known/acme-challenge/";
/** It serves so little that a slow client needs no more. */
const REQUEST_MS = 10_000;
const CONNECTIONS_MAX = 256;
const HEADER_BYTES_MAX = 8192;

/** What it needs. */
export interface HttpPortDeps {
  /** Names of the server. */
  readonly domains: readonly string[];
  /** The port for https. */
  readonly httpsPort: number;
  /** What the authority looks for; null: nobody can say. */
  challenges(done: (challenges: readonly Challenge[] | null) => void): void;
}

/** Where a request for `host` and `path` is sent; null: the host is none of this server. */
export function httpsUrl(
  { domains, httpsPort }: Pick<HttpPortDeps, "domains" | "httpsPort">,
  host: string | undefined,
  path: string,
): string | null {
  const name = (host ?? "").toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
  // Elsewhere it would send people wherever the request says.
  if (!domains.includes(name) || !path.startsWith("/")) return null;
  return `https://${name}${httpsPort === 443 ? "" : `:${httpsPort}`}${path}`;
}

/** Listens; rejects where it cannot, with a message that says why. */
export async function listenHttp(
  at: Bind & { readonly shared: boolean },
  deps: HttpPortDeps,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const limits = { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: REQUEST_MS };
  const server = createServer({ ...limits, requestTimeout: REQUEST_MS, keepAlive: false });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("request", (request, response) => reply(deps, request, response));
  const port = await listen(server, at);
  return { port, close: () => close(server) };
}

function reply(deps: HttpPortDeps, request: IncomingMessage, response: ServerResponse): void {
  const { headers: { host }, method, url: path = "/" } = request;
  const end = (status: number, text: string, headers: Record<string, string> = {}) => {
    response.writeHead(status, { ...headers, "connection": "close", "content-type": "text/plain" });
    response.end(method === "HEAD" ? undefined : text);
  };
  if (!path.startsWith(CHALLENGES)) {
    const to = httpsUrl(deps, host, path);
    if (to === null) return end(421, "This server is not known by that name.\n");
    return end(308, `See ${to}\n`, { location: to });
  }
  if (method !== "GET" && method !== "HEAD") return end(405, "Read it.\n", { allow: "GET, HEAD" });
  const token = path.slice(CHALLENGES.length);
  deps.challenges((challenges) => {
    if (challenges === null) return end(503, "The store does not reply.\n");
    const found = challenges.find((each) => each.token === token);
    if (found === undefined) end(404, "There is no such challenge.\n");
    else end(200, found.keyAuthorization);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });
}
