/** Sockets: the one file here that knows them. WebSockets by `ws`, requests by node:http. */
import { Agent as HttpAgent, type ClientRequest, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { WebSocket } from "ws";
import type { HttpConnection, HttpRequest, HttpResult, Network, SocketHandler } from "./network.ts";
import type { MessageSocket } from "./network.ts";
import type { Target } from "./target.ts";
import type { Cancel, Timers } from "../node/ports.ts";

/** Longest time that connecting and upgrading may take (ms). */
const CONNECT_TIMEOUT_MS = 20_000;
/** Longest time until a response, over the longest that a poll may wait (ms). */
const RESPONSE_TIMEOUT_MS = 60_000;
/** Longest message or body that is accepted; a server of this protocol sends far less. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;

/** The sockets of this machine. */
export function systemNetwork(timers: Timers): Network {
  return {
    webSocket: (target, from, handler) => openSocket(timers, target, from, handler),
    http: (target, from) => new KeptConnection(timers, target, from),
  };
}

function openSocket(
  timers: Timers,
  target: Target,
  from: string | null,
  handler: SocketHandler,
): MessageSocket {
  const socket = new WebSocket(`${target.url.replace(/^http/, "ws")}/v1/ws`, {
    perMessageDeflate: false,
    maxPayload: BODY_BYTES_MAX,
    ...(from === null ? {} : { localAddress: from }),
  });
  let over = false;
  const close = (why: string) => {
    cancelTimeout();
    if (over) return;
    over = true;
    handler.closed(why);
  };
  // Not the timeout of `ws`: Deno before 2.5 lets it end requests that have succeeded.
  const cancelTimeout = timers.after(CONNECT_TIMEOUT_MS, () => {
    close(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`);
    socket.terminate();
  });
  socket.on("open", () => {
    cancelTimeout();
    if (!over) handler.opened();
  });
  // The default `binaryType` gives each message as one Buffer.
  socket.on("message", (message: Uint8Array) => {
    if (!over) handler.message(message);
  });
  socket.on("unexpected-response", (_request, response) => {
    collect(response, (body) => {
      if (!over) handler.notUpgraded(response.statusCode ?? 0, body ?? new Uint8Array());
      close(`the server responded with status ${response.statusCode}`);
      socket.terminate();
    });
  });
  socket.on("error", (error) => close(error.message));
  socket.on("close", (code) => close(`the server closed the connection with code ${code}`));
  return {
    send: (text) => socket.send(text),
    end: () => socket.close(1000),
    destroy: () => {
      cancelTimeout();
      over = true;
      socket.terminate();
    },
  };
}

/** What reading a body needs of a response: the types of `ws` and of node:http differ in the rest. */
interface BodySource {
  /** Whether all of it has come. */
  readonly complete: boolean;
  on(event: "data", run: (part: Uint8Array) => void): unknown;
  on(event: "error", run: () => void): unknown;
  once(event: "close" | "end", run: () => void): unknown;
  destroy(): unknown;
}

/** Reads a whole body; null where it breaks off or is longer than `BODY_BYTES_MAX`. */
function collect(response: BodySource, done: (body: Uint8Array | null) => void): void {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  response.on("data", (part: Uint8Array) => {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) response.destroy();
    else parts.push(part);
  });
  response.on("error", () => {});
  let ended = false;
  response.once("end", () => ended = true);
  // Before, Deno 2.4 does not say yet whether the body is complete.
  response.once("close", () => {
    if (!ended || !response.complete) return done(null);
    const body = new Uint8Array(bytes);
    let at = 0;
    for (const part of parts) {
      body.set(part, at);
      at += part.length;
    }
    done(body);
  });
}

/** Requests that the agent sends one after the other on one connection. */
class KeptConnection implements HttpConnection {
  readonly #timers: Timers;
  readonly #target: Target;
  readonly #agent: HttpAgent;
  readonly #from: string | null;
  /** Requests without a result, each with what cancels its timeout. */
  readonly #requests = new Map<ClientRequest, Cancel>();

  constructor(timers: Timers, target: Target, from: string | null) {
    this.#timers = timers;
    this.#target = target;
    this.#from = from;
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent = target.secure ? new HttpsAgent(options) : new HttpAgent(options);
  }

  get pending(): number {
    return this.#requests.size;
  }

  ask({ method, path, headers, body }: HttpRequest, done: (result: HttpResult) => void): void {
    const { host, port, secure } = this.#target;
    const bytes = body === null ? null : new TextEncoder().encode(body);
    const content = bytes === null
      ? {}
      : { "content-type": "application/json", "content-length": bytes.length };
    const request = (secure ? httpsRequest : httpRequest)({
      host,
      port,
      method,
      path,
      agent: this.#agent,
      headers: { ...headers, ...content },
      ...(this.#from === null ? {} : { localAddress: this.#from }),
    });
    const finish = (result: HttpResult) => {
      const cancelTimeout = this.#requests.get(request);
      // `drop` forgets its requests, so that nothing is called afterwards.
      if (cancelTimeout === undefined) return;
      cancelTimeout();
      this.#requests.delete(request);
      done(result);
    };
    // Deno before 2.5 is silent where a connection ends before the response.
    const timeoutMs = RESPONSE_TIMEOUT_MS * (this.#requests.size + 1);
    const cancel = this.#timers.after(timeoutMs, () => {
      finish({ ok: false, why: `no response within ${timeoutMs / 1000} s` });
      request.destroy();
    });
    this.#requests.set(request, cancel);
    request.on("error", (error) => finish({ ok: false, why: error.message }));
    let responded = false;
    request.on("close", () => {
      if (!responded) finish({ ok: false, why: "the server closed the connection" });
    });
    request.on("response", (response) => {
      responded = true;
      const status = response.statusCode ?? 0;
      collect(response, (body) => {
        if (body === null) finish({ ok: false, why: "the response broke off, or is too long" });
        else finish({ ok: true, response: { status, body } });
      });
    });
    request.end(bytes ?? undefined);
  }

  drop(): void {
    const dropped = [...this.#requests];
    this.#requests.clear();
    for (const [request, cancelTimeout] of dropped) {
      cancelTimeout();
      request.destroy();
    }
    this.#agent.destroy();
  }
}
