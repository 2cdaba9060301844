/**
 * Connections that are all open before any of them writes, and then write at once: on a thread of
 * its own. Message in: `BurstOrder`; out: `"open"` when all are open; in: `"go"`; out: a
 * `BurstReport` when all are gone or the deadline is over.
 */
import { RawConnection } from "./hostile_client.ts";

/** What to open, and what each writes then. */
export interface BurstOrder {
  readonly url: string;
  readonly count: number;
  /** Addresses to connect from, used in turn. */
  readonly from: readonly string[];
  /** Written while the connections are opened; where it is not empty, an answer is awaited. */
  readonly head: Uint8Array;
  /** Written at once by all. */
  readonly body: Uint8Array;
  /** How long the connections are kept after they have written (ms). */
  readonly keptMs: number;
}

/** What became of them. */
export interface BurstReport {
  readonly opened: number;
  readonly receivedBytes: number;
  /** Ended by the server. */
  readonly ended: number;
}

interface Scope {
  onmessage: ((event: MessageEvent<BurstOrder | "go">) => void) | null;
  postMessage(message: BurstReport | "open"): void;
}

const scope = self as unknown as Scope;
/** Connections opened side by side: fewer than wait for a listener's accept. */
const SIDE_BY_SIDE = 50;

async function openAll(order: BurstOrder): Promise<RawConnection[]> {
  const open: RawConnection[] = [];
  let next = 0;
  const openOne = async () => {
    const connection = await RawConnection.open(order.url, order.from[next++ % order.from.length]);
    if (order.head.length > 0) {
      connection.write(order.head);
      await connection.until((text) => text.includes("\r\n\r\n"));
    }
    if (!connection.over) open.push(connection);
  };
  while (next < order.count) {
    const some = Math.min(SIDE_BY_SIDE, order.count - next);
    await Promise.all(Array.from({ length: some }, openOne));
  }
  return open;
}

scope.onmessage = async (event) => {
  const order = event.data as BurstOrder;
  const open = await openAll(order);
  const go = new Promise<void>((resolve) => scope.onmessage = () => resolve());
  scope.postMessage("open");
  await go;
  for (const connection of open) connection.write(order.body);
  const kept = new Promise<void>((resolve) => setTimeout(resolve, order.keptMs));
  await Promise.race([Promise.all(open.map(({ closed }) => closed)), kept]);
  const ended = open.filter(({ over }) => over).length;
  const receivedBytes = open.reduce((sum, one) => sum + one.receivedBytes, 0);
  for (const connection of open) connection.destroy();
  scope.postMessage({ opened: open.length, receivedBytes, ended });
};
