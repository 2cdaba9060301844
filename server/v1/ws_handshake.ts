/** The response to a usual request to upgrade (RFC 6455 section 4.2.2). */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/**
 * Returns the response to a request that asks for nothing but a WebSocket of version 13; null for
 * every other one, right or wrong: `ws` decides about that.
 */
export function handshakeResponse(request: IncomingMessage): string | null {
  const { method, headers } = request;
  const key = headers["sec-websocket-key"];
  const isUsual = method === "GET" && key !== undefined && KEY.test(key) &&
    headers.upgrade?.toLowerCase() === "websocket" && headers["sec-websocket-version"] === "13" &&
    headers["sec-websocket-protocol"] === undefined;
  if (!isUsual) return null;
  const accept = createHash("sha1").update(key + GUID).digest("base64");
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`;
}
