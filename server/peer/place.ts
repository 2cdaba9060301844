/** Where nodes listen for each other: an address of the network, or a socket of this machine. */
import { connect, type Server, type Socket } from "node:net";
import { type Bind, formatBind, isLoopback, parseBind } from "../config/address.ts";
import { listenPrivately } from "../system/framed_socket.ts";

/** One such place. */
export type Place = Bind | { readonly path: string };

const UNIX = "unix:";

/** As nodes tell it to each other: `host:port`, or `unix:` and a path. */
export function formatPlace(place: Place): string {
  return "path" in place ? `${UNIX}${place.path}` : formatBind(place);
}

/** Reads what `formatPlace` makes; null where it is something else. */
export function parsePlace(text: string): Place | null {
  return text.startsWith(UNIX) ? { path: text.slice(UNIX.length) } : parseBind(text);
}

/** Begins to connect. */
export function connectTo(place: Place): Socket {
  return "path" in place ? connect({ path: place.path }) : connect(place.port, place.host);
}

/** Whether only this machine can listen there, so that its own system knows who does. */
export function isOfThisMachine(place: Place): boolean {
  return "path" in place || isLoopback(place.host);
}

/**
 * Whether an error of a connection proves that nobody listens there. Of another machine none does: a
 * firewall, or a proxy that starts again, refuses connections for an owner that lives.
 */
export function isNobody(place: Place, { code }: { readonly code?: string }): boolean {
  if (!isOfThisMachine(place)) return false;
  return code === "ECONNREFUSED" || "path" in place && code === "ENOENT";
}

/** Listens; resolves with the place, where the system has chosen the port with that one. */
export function listenAt(server: Server, place: Place): Promise<Place> {
  const failed = (error: Error) =>
    new Error(`Cannot listen for other nodes at ${formatPlace(place)}: ${error.message}`);
  if ("path" in place) {
    return listenPrivately(server, place.path).then(() => place, (error) => {
      throw failed(error);
    });
  }
  return new Promise((resolve, reject) => {
    server.once("error", (error: Error) => reject(failed(error)));
    server.listen(place.port, place.host, () => {
      const { port } = server.address() as { readonly port: number };
      resolve({ ...place, port });
    });
  });
}
