/** A port that several processes of this machine accept connections at. */
import { createServer as createHttpServer } from "node:http";
import { createServer, type ListenOptions, Server } from "node:net";

/** A port, and what keeps it from others until somebody listens there. */
export interface SharedPort {
  readonly port: number;
  /** Nobody but the sharers can have it from now on: they listen. */
  release(): void;
}

/** How long those that had the port before may take to end, and between two looks (ms). */
const FREE_MS = 5000;
const LOOK_MS = 100;

/** Whether servers can share a port here: not on Deno before node:http is made of node:net. */
export function canShare(): boolean {
  const server: unknown = createHttpServer();
  return server instanceof Server;
}

/**
 * Makes sure that nobody has the port, which a sharer would not notice; where `port` is 0 the system
 * chooses one. Rejects with a message that says what to change.
 */
export async function takeSharedPort(
  { host, port }: { readonly host: string; readonly port: number },
): Promise<SharedPort> {
  if (port !== 0) {
    await untilFree(host, port);
    return { port, release: () => {} };
  }
  // Kept until the first sharer listens: nobody knows it before.
  const kept = createServer();
  await new Promise<void>((resolve, reject) => {
    kept.once("error", (cause) => reject(refused(host, port, cause)));
    kept.listen({ host, port, reusePort: true } as ListenOptions, resolve);
  });
  const { port: chosen } = kept.address() as { readonly port: number };
  return { port: chosen, release: () => void kept.close() };
}

function refused(host: string, port: number, cause: Error): Error {
  return new Error(`Cannot listen on ${host}:${port}: ${cause.message}`, { cause });
}

async function untilFree(host: string, port: number): Promise<void> {
  for (let leftMs = FREE_MS;; leftMs -= LOOK_MS) {
    try {
      return Deno.listen({ hostname: host, port }).close();
    } catch (cause) {
      if (!(cause instanceof Deno.errors.AddrInUse) || leftMs <= 0) {
        throw refused(host, port, cause as Error);
      }
    }
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}
