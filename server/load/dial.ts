/** Sockets: the one file here that knows them. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Timers } from "../ports.ts";
import type { Target } from "./target.ts";

/** How long a connection may take to be made (ms). */
const CONNECT_TIMEOUT_MS = 20_000;

/** What happens on a connection. `closed` comes once and last, also where none was made. */
export interface WireHandler {
  opened(): void;
  /** The bytes are only valid during the call. */
  data(chunk: Uint8Array): void;
  closed(why: string): void;
}

/** One connection. */
export interface Wire {
  /** Writes a string of bytes (latin1). */
  send(bytes: string): void;
  /** Finishes writing; the other side then closes. */
  end(): void;
  /** Drops it at once; `closed` comes soon. */
  destroy(): void;
}

/** Makes connections. */
export type Dial = (target: Target, from: string | null, handler: WireHandler) => Wire;

/** Connects from the address `from`, or as the system chooses where it is null. */
export function socketDial(timers: Timers): Dial {
  return (target, from, handler) => {
    const { host, port, secure } = target;
    const source = from === null ? {} : { localAddress: from };
    const socket: Socket = secure
      ? connectTls({ host, port, servername: host, ...source })
      : connectTcp({ host, port, ...source });
    let why = "the server closed the connection";
    let deaf = false;
    const cancelTimeout = timers.after(CONNECT_TIMEOUT_MS, () => {
      why = `no connection within ${CONNECT_TIMEOUT_MS / 1000} s`;
      socket.destroy();
    });
    socket.setNoDelay(true);
    socket.once(secure ? "secureConnect" : "connect", () => {
      cancelTimeout();
      if (!deaf) handler.opened();
    });
    socket.on("data", (chunk: Uint8Array) => {
      if (!deaf) handler.data(chunk);
    });
    socket.on("error", (error) => why = error.message);
    socket.once("close", () => {
      cancelTimeout();
      handler.closed(why);
    });
    return {
      send: (bytes) => void socket.write(bytes, "latin1"),
      end: () => void socket.end(),
      destroy: () => {
        deaf = true;
        socket.destroy();
      },
    };
  };
}
