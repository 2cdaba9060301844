/** Answers on sockets where no HTTP server answers any more, or not yet. */
import type { Socket } from "node:net";
import { type ServerResponse, STATUS_CODES } from "node:http";
import { fail, type Failure } from "../../shard/errors.ts";
import { STATUS_OF } from "./response.ts";

/** When a client whose request did not come to its end may repeat it (ms). */
const LATE_RETRY_MS = 1000;

/** Ends a socket at once, with all that waits to be sent on it: by a reset where it can. */
export function cut(socket: Socket): void {
  // TLS cannot reset, and Deno 2.4 does not know how.
  if ("encrypted" in socket || typeof socket.resetAndDestroy !== "function") socket.destroy();
  else socket.resetAndDestroy();
}

/** Sends a whole HTTP answer with the refusal as JSON, and ends the socket. Never throws. */
export function refuseRaw(socket: Socket, status: number, failure: Failure): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { code, message, retryAfterMs } = failure;
  const body = JSON.stringify({ code, message, retryAfterMs });
  const retry = retryAfterMs === undefined
    ? ""
    : `Retry-After: ${Math.ceil(retryAfterMs / 1000)}\r\n`;
  // Whatever goes wrong with the socket from here on is nobody's concern.
  socket.on("error", () => {});
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n` +
      `Connection: close\r\nContent-Type: application/json\r\n${retry}` +
      `Content-Length: ${new TextEncoder().encode(body).length}\r\n\r\n${body}`,
  );
}

/** Answers, and ends the connection: another one costs the client as much as the server. */
export function refuse(response: ServerResponse, { code, message, retryAfterMs }: Failure): void {
  response.statusCode = STATUS_OF[code];
  response.setHeader("connection", "close");
  response.setHeader("content-type", "application/json");
  if (retryAfterMs !== undefined) {
    response.setHeader("retry-after", Math.ceil(retryAfterMs / 1000));
  }
  response.end(JSON.stringify({ code, message, retryAfterMs }));
}

/** What is answered to what is not HTTP, or does not come to its end; null: nothing. */
export function clientFault(
  code: string,
  headerBytesMax: number,
): { status: number; failure: Failure } | null {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    // A server that reads late is a cause as well: the request may be repeated as it is.
    const failure = fail("busy", "The request did not come to its end in time", LATE_RETRY_MS);
    return { status: 408, failure };
  }
  if (code === "HPE_HEADER_OVERFLOW") {
    const failure = fail("too_large", `The headers have more than ${headerBytesMax} bytes`);
    return { status: 431, failure };
  }
  if (!code.startsWith("HPE_")) return null;
  return { status: 400, failure: fail("bad_request", "This is not an HTTP request") };
}
