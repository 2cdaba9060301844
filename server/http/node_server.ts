/** Makes the server of the listener for clients: node:http, or node:https with TLS that can change. */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";

/** Headers of one request, together. */
export const HEADER_BYTES_MAX = 16_384;
const KEEP_ALIVE_MS = 20_000;
/** How often node:http looks for requests that take too long (ms). */
const CHECK_MS = 1000;

/** PEM texts; without them handshakes fail until there are some. */
export interface TlsTexts {
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Whether a request is handed to `upgrade`: any other protocol than WebSocket is not known here,
 * and a request that asks for it is answered as HTTP/1.1 (RFC 9110 section 7.8).
 */
function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.trim().toLowerCase() === "websocket";
}

/** What node:http bounds itself. */
function httpLimits(requestTimeoutMs: number): ServerOptions {
  const limits: ServerOptions & { shouldUpgradeCallback(request: IncomingMessage): boolean } = {
    requireHostHeader: false,
    shouldUpgradeCallback: asksForWebSocket,
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs * 2,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CHECK_MS,
  };
  return limits;
}

/** Makes one that does not listen yet; `requestTimeoutMs` is for a request's head, twice that for all. */
export function makeServer(
  { requestTimeoutMs, tls }: { readonly requestTimeoutMs: number; readonly tls: TlsTexts | null },
  listener: RequestListener,
): Server {
  const limits = httpLimits(requestTimeoutMs);
  if (tls === null) return createServer(limits, listener);
  const secure = { ...limits, ...textsOf(tls), handshakeTimeout: requestTimeoutMs };
  return createTlsServer(secure, listener);
}

/**
 * Gives new handshakes another certificate; connections that exist go on with theirs. The platform
 * takes anything, and fails the handshakes: check the texts first. Throws where it has no way.
 */
export function changeTls(server: Server, tls: TlsTexts): void {
  const { setSecureContext } = server as Partial<TlsServer>;
  // Deno before 2.9, where node:https is not made of node:tls.
  if (setSecureContext === undefined) {
    throw new Error("this build cannot change the certificate of a listener: restart the server");
  }
  setSecureContext.call(server, textsOf(tls));
}

function textsOf({ cert, key }: TlsTexts): TlsTexts {
  return cert === undefined || key === undefined ? {} : { cert, key };
}
