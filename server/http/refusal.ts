/** Answers on sockets where no HTTP server answers any more, or not yet. */
import type { Socket } from "node:net";
import { STATUS_CODES } from "node:http";
import type { Failure } from "../../shard/errors.ts";

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
