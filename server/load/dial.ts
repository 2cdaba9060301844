/** Sockets: the one file here that knows them. */
import { connect as connectTcp, type Socket, type TcpNetConnectOpts } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Timers } from "../node/ports.ts";
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

/** What all sockets read into, one at a time; larger than what a kernel has for one as a rule. */
const READ_BYTES = 65_536;

/**
 * Connects from the address `from`, or as the system chooses where it is null. Reading into a
 * buffer that all sockets share costs 11 µs a read where a chunk of its own costs 14 (Deno 2.9.6).
 */
export function socketDial(timers: Timers): Dial {
  const shared = new Uint8Array(READ_BYTES);
  /** False once the platform has said that it cannot (Deno before 2.5). */
  let sharing = true;
  const tcp = (options: TcpNetConnectOpts, read: (chunk: Uint8Array) => void): Socket => {
    if (sharing) {
      const callback = (count: number) => {
        read(shared.subarray(0, count));
        return true;
      };
      try {
        return connectTcp({ ...options, onread: { buffer: shared, callback } });
      } catch {
        sharing = false;
      }
    }
    return connectTcp(options).on("data", read);
  };
  return (target, from, handler) => {
    const { host, port, secure } = target;
    const options = { host, port, ...(from === null ? {} : { localAddress: from }) };
    let why = "the server closed the connection";
    let deaf = false;
    const read = (chunk: Uint8Array) => {
      if (!deaf) handler.data(chunk);
    };
    const socket = secure
      ? connectTls({ ...options, servername: host }).on("data", read)
      : tcp(options, read);
    const cancelTimeout = timers.after(CONNECT_TIMEOUT_MS, () => {
      why = `no connection within ${CONNECT_TIMEOUT_MS / 1000} s`;
      socket.destroy();
    });
    socket.setNoDelay(true);
    socket.once(secure ? "secureConnect" : "connect", () => {
      cancelTimeout();
      if (!deaf) handler.opened();
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
