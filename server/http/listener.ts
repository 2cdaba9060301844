/** Opens the listener for clients, and opens it anew where it no longer accepts. */
import { type ListenOptions, Server as NetServer } from "node:net";
import { ListenerWatch, type WatchDeps } from "./listener_watch.ts";

/** Where to listen. */
export interface ListenAt {
  readonly host: string;
  readonly port: number;
  /** Whether other processes of this machine listen there too, and the system shares clients out. */
  readonly shared: boolean;
}

/**
 * Connections that the system holds until they are looked at. Over it a client's attempt is dropped
 * without a word, and made again after one, three, seven … seconds: a crowd that returns would
 * be kept out by that alone. The system may allow fewer (`net.core.somaxconn`).
 */
const BACKLOG = 4096;

/** Listens; resolves with the port, rejects with a message that says what to change. */
export function listen(server: NetServer, { host, port, shared }: ListenAt): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) =>
      reject(new Error(`Cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
    server.once("error", failed);
    server.listen({ host, port, backlog: BACKLOG, reusePort: shared } as ListenOptions, () => {
      server.removeListener("error", failed);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/**
 * Closes connections from addresses that are refused before node:net and node:http make objects of
 * them, which costs several times as much: where node:net looks at a list of blocked addresses (not
 * Deno 2.4).
 */
export function blockAddresses(server: NetServer, refused: (address: string) => boolean): void {
  Object.assign(server, { blockList: { check: refused } });
}

/**
 * How long the system may take to give the port back, and before another try (ms): a fixed period,
 * not a policy of `shard/retry.ts`, for no other node waits for this port, and clients do.
 */
const REOPEN_MS = 100;

/**
 * Opens the listener anew whenever it no longer accepts; the connections that exist go on.
 * `reopened` is called whenever that begins.
 */
export function watchListener(
  server: NetServer,
  at: ListenAt,
  deps: Pick<WatchDeps, "timers" | "accepted" | "probed">,
  reopened: () => void,
): ListenerWatch {
  const { host, port, shared } = at;
  const open = (): void => {
    deps.timers.after(REOPEN_MS, () => {
      if (!watch.stopped) listen(server, at).catch(open);
    });
  };
  const watch = new ListenerWatch({
    timers: deps.timers,
    host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host,
    port,
    shared,
    accepted: deps.accepted,
    probed: deps.probed,
    deaf() {
      reopened();
      // Only the listener: node:http's own close ends connections, too.
      NetServer.prototype.close.call(server);
      open();
    },
  });
  return watch;
}
