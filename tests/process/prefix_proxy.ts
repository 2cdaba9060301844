/** A reverse proxy that serves another server below a path, WebSockets included. */
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A proxy that runs. */
export interface PrefixProxy extends AsyncDisposable {
  /** The origin it listens at. */
  readonly origin: string;
  /** Requests elsewhere than below the prefix. */
  readonly strays: readonly string[];
}

/** What a proxy does. */
export interface PrefixProxyOptions {
  /** For example `/a/roost`. */
  readonly prefix: string;
  /** Takes the prefix off, and names it in `X-Forwarded-Prefix`; else hands requests on as they are. */
  readonly strips: boolean;
  /** The port of the server on this machine, known once there is one. */
  port(): number;
}

/** Asks the other server for the same upgrade, and joins both connections. */
function forwardUpgrade(to: RequestOptions, socket: Socket): void {
  const sent = httpRequest(to);
  sent.on("upgrade", (answer, upstream, head) => {
    const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("\r\n")}\r\n\r\n`);
    socket.write(head);
    upstream.pipe(socket).pipe(upstream);
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  sent.on("response", () => socket.destroy());
  sent.on("error", () => socket.destroy());
  sent.end();
}

/** Starts a proxy on a free port of loopback. */
export async function startPrefixProxy(options: PrefixProxyOptions): Promise<PrefixProxy> {
  const { prefix, strips } = options;
  const strays: string[] = [];
  const onward = (request: IncomingMessage): RequestOptions | null => {
    const target = request.url ?? "/";
    const below = target === prefix || target.startsWith(`${prefix}/`);
    if (!below) {
      strays.push(target);
      return null;
    }
    const path = target.slice(prefix.length);
    const { headers, method = "GET" } = request;
    const to = { host: "127.0.0.1", port: options.port(), method };
    if (!strips) return { ...to, path: target, headers };
    return {
      ...to,
      path: path.startsWith("/") ? path : `/${path}`,
      headers: { ...headers, "x-forwarded-prefix": prefix },
    };
  };
  const server = createServer((request, response) => {
    const to = onward(request);
    if (to === null) return void response.writeHead(404).end();
    const sent = httpRequest(to, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    sent.on("error", () => response.destroy());
    response.on("close", () => sent.destroy());
    request.pipe(sent);
  });
  const upgraded = new Set<Socket>();
  server.on("upgrade", (request: IncomingMessage, socket: Socket) => {
    upgraded.add(socket);
    socket.once("close", () => upgraded.delete(socket));
    const to = onward(request);
    if (to === null) return void socket.destroy();
    forwardUpgrade(to, socket);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    strays,
    [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      // A server does not count connections that were upgraded among its own.
      for (const socket of upgraded) socket.destroy();
      return Promise.resolve();
    },
  };
}
