/** The port through which synthetic users reach a server; `sockets.ts` has the real side. */
import type { Target } from "./target.ts";

/**
 * What happens on a WebSocket. `closed` is called once and last, also where no connection was
 * made; nothing is called after `destroy`.
 */
export interface SocketHandler {
  opened(): void;
  /** One whole message; the bytes are only valid during the call. */
  message(bytes: Uint8Array): void;
  /** The server responded with this status in place of the upgrade; `closed` follows. */
  notUpgraded(status: number, body: Uint8Array): void;
  closed(why: string): void;
}

/** One WebSocket. */
export interface MessageSocket {
  /** Sends a text message; only between `opened` and `closed`. */
  send(text: string): void;
  /** Finishes writing and closes with the code 1000. */
  end(): void;
  /** Drops the connection at once. */
  destroy(): void;
}

/** One request; `body` is JSON text. */
export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** A whole response. */
export interface HttpResponse {
  readonly status: number;
  readonly body: Uint8Array;
}

/** A response, or why there is none: then it is unknown whether the server acted on the request. */
export type HttpResult =
  | { readonly ok: true; readonly response: HttpResponse }
  | { readonly ok: false; readonly why: string };

/** A kept-alive connection to one server, made when needed: one request at a time. */
export interface HttpConnection {
  /** Requests without a response yet. */
  readonly pending: number;
  /** Sends a request after those before it; `done` is called once. */
  ask(request: HttpRequest, done: (result: HttpResult) => void): void;
  /** Drops the connection and its requests, without calling back. */
  drop(): void;
}

/** Makes connections from the address `from`, or as the system chooses where it is null. */
export interface Network {
  /** Connects to the server's WebSocket. */
  webSocket(target: Target, from: string | null, handler: SocketHandler): MessageSocket;
  http(target: Target, from: string | null): HttpConnection;
}
