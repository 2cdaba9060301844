/** Hands the connections of one Unix socket on to another one, byte by byte. */
import { connect, createServer, type Socket } from "node:net";
import { listenPrivately } from "./framed_socket.ts";
import { removeIfThere } from "./small_file.ts";

/** A socket whose connections are handed on. */
export interface SocketProxy {
  /** Ends all connections and removes the socket. */
  close(): void;
}

/**
 * Listens at `path`, for this user only; hands each connection on to the first of `targets` that
 * accepts it, and writes `refusal` where none does.
 */
export async function proxySocket(
  path: string,
  targets: () => readonly string[],
  refusal: string,
): Promise<SocketProxy> {
  const open = new Set<Socket>();
  const keep = (socket: Socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
  };
  const server = createServer((client) => {
    keep(client);
    handOn(client, targets(), refusal, keep);
  });
  await listenPrivately(server, path);
  return {
    close() {
      server.close();
      for (const socket of open) socket.destroy();
      removeIfThere(path);
    },
  };
}

function handOn(
  client: Socket,
  [target, ...others]: readonly string[],
  refusal: string,
  keep: (socket: Socket) => void,
): void {
  if (target === undefined) return void client.end(refusal);
  const served = connect({ path: target });
  keep(served);
  let accepted = false;
  served.once("connect", () => {
    accepted = true;
    client.pipe(served);
    served.pipe(client);
  });
  served.once("close", () => {
    if (accepted) client.destroySoon();
    else handOn(client, others, refusal, keep);
  });
  client.once("close", () => {
    if (accepted) served.destroy();
  });
}
