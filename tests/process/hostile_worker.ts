/**
 * A flood on a thread of its own, so that it does not disturb the measuring thread: `connections`
 * sockets that are written to as fast as the server takes it, and opened again when they end.
 * Message in: `Flood`; message out: what became of it, after a second message that stops it.
 */
import { RawConnection } from "./hostile_client.ts";

/** What to send. */
export interface Flood {
  readonly url: string;
  /** The address to connect from. */
  readonly from: string;
  readonly connections: number;
  /** Sent once, at the beginning of each connection. */
  readonly head: Uint8Array;
  /** Sent again and again; empty: the connection is closed after its head. */
  readonly body: Uint8Array;
  /** Pause before a connection is opened again (ms). */
  readonly againMs: number;
}

/** What it did. */
export interface FloodReport {
  readonly opened: number;
  readonly writtenBytes: number;
}

interface Scope {
  onmessage: ((event: MessageEvent<Flood | "stop">) => void) | null;
  postMessage(report: FloodReport): void;
}

const scope = self as unknown as Scope;
const live = new Set<RawConnection>();
let stopped = false;
let opened = 0;
let writtenBytes = 0;

async function flood(options: Flood): Promise<void> {
  while (!stopped) {
    const connection = await RawConnection.open(options.url, options.from);
    opened++;
    live.add(connection);
    connection.write(options.head);
    if (options.body.length === 0) {
      connection.reset();
      await connection.closed;
    }
    while (!stopped && !connection.over) {
      await connection.drained(options.body);
      writtenBytes += options.body.length;
    }
    live.delete(connection);
    connection.destroy();
    await new Promise((resolve) => setTimeout(resolve, options.againMs));
  }
}

scope.onmessage = async (event) => {
  if (event.data === "stop") {
    stopped = true;
    for (const connection of live) connection.destroy();
    return;
  }
  const options = event.data;
  await Promise.all(Array.from({ length: options.connections }, () => flood(options)));
  scope.postMessage({ opened, writtenBytes });
};
