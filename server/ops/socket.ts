/** The admin API over a Unix socket. */
import { type IncomingMessage, request as httpRequest } from "node:http";
import type { Hono } from "hono";
import type { AdminTransport } from "./transport.ts";
import { actorHeaders } from "./actor.ts";

/** How long the server may take for one request: a password's keys take tenths of a second. */
const ANSWER_TIMEOUT_MS = 60_000;

/** Nobody listens there: the server does not run, or not with this data directory. */
export class NoServerError extends Error {
  override readonly name = "NoServerError";
}

/** A listening admin socket. */
export interface AdminListener {
  /** Stops listening, finishes open requests and removes the socket. */
  close(): Promise<void>;
}

/**
 * Serves the app at `path`, for this user only; the path must be free. Not by node:http, whose
 * `listen(path)` opens a TCP port for everybody on Deno 2.4.
 */
export async function listenAdmin(
  app: Pick<Hono, "fetch">,
  path: string,
): Promise<AdminListener> {
  // It listens when the call returns, and throws where it cannot.
  const server = Deno.serve({ path, onListen: () => {} }, (request) => app.fetch(request));
  // Until here the directory, which only its owner can enter, is the only fence.
  await Deno.chmod(path, 0o600);
  return {
    close: async () => {
      await server.shutdown();
      await removeSocket(path);
    },
  };
}

/** The text of a page that the admin socket at `path` serves; null where it does not within `ms`. */
export function readSocketText(path: string, page: string, ms: number): Promise<string | null> {
  return new Promise((resolve) => {
    const headers = { host: "admin", connection: "close" };
    const message = httpRequest({ socketPath: path, path: page, headers, timeout: ms });
    message.on("error", () => resolve(null));
    message.once("timeout", () => message.destroy());
    message.once("response", async (response) => {
      try {
        const chunks: Uint8Array[] = [];
        for await (const chunk of response) chunks.push(chunk);
        resolve(response.statusCode === 200 ? await new Blob(chunks as BlobPart[]).text() : null);
      } catch {
        // It has ended meanwhile.
        resolve(null);
      }
    });
    message.end();
  });
}

async function removeSocket(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    // Some versions remove it themselves.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function readBody(message: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return JSON.parse(await new Blob(chunks as BlobPart[]).text());
}

/**
 * Talks to the server that listens at `path`, in the name of `user`; rejects with `NoServerError`
 * where none does.
 */
export function socketTransport(path: string, user: string): AdminTransport {
  return (request) =>
    new Promise((resolve, reject) => {
      const body = request.body === undefined ? "" : JSON.stringify(request.body);
      const message = httpRequest({
        socketPath: path,
        method: request.method,
        path: request.path,
        headers: {
          ...actorHeaders(user),
          host: "admin",
          connection: "close",
          "content-type": "application/json",
          "content-length": new TextEncoder().encode(body).length,
        },
        timeout: ANSWER_TIMEOUT_MS,
      });
      // More than once on some versions; the first settles the promise.
      message.on("error", (cause: Error & { readonly code?: string }) => {
        const absent = cause.code === "ENOENT" || cause.code === "ECONNREFUSED";
        reject(absent ? new NoServerError(`Nobody listens at ${path}`, { cause }) : cause);
      });
      message.once("timeout", () => message.destroy(new Error(`No answer from ${path} in time`)));
      message.once("response", (response) => {
        const status = response.statusCode ?? 500;
        readBody(response).then((parsed) => resolve({ status, body: parsed }), reject);
      });
      message.end(body);
    });
}
