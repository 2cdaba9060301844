/**
 * A flood of sign-ins by password, on a thread of its own: each connection sends the next one as
 * soon as the one before has its response, but not more often than `periodMs`, whatever the
 * response asks for. Message in: `FloodOrder`, later `"stop"`; out: a `FloodReport`.
 */
import { RawConnection } from "./hostile_client.ts";
import { postBytes } from "./post_from.ts";

/** What to send. */
export interface FloodOrder {
  readonly url: string;
  /** Connections at once; they use the addresses in turn. */
  readonly count: number;
  readonly from: readonly string[];
  readonly periodMs: number;
  /** The account and password of each address; null: names that differ, and wrong passwords. */
  readonly accounts: readonly { readonly user: string; readonly password: string }[] | null;
}

/** Responses by their status. */
export type FloodReport = Readonly<Record<string, number>>;

interface Scope {
  onmessage: ((event: MessageEvent<FloodOrder | "stop">) => void) | null;
  postMessage(message: FloodReport): void;
}

const scope = self as unknown as Scope;
const report: Record<string, number> = {};
let stopped = false;
let names = 0;

async function goOn(order: FloodOrder, index: number): Promise<void> {
  const from = order.from[index % order.from.length]!;
  let connection = await RawConnection.open(order.url, from);
  let read = 0;
  while (!stopped) {
    const beganMs = performance.now();
    const body = order.accounts?.[index % order.from.length] ??
      { user: `victim${names++ % 500}`, password: "not the right one" };
    connection.write(postBytes("/v1/auth/password", body, false));
    await connection.until((text) => text.length > read && text.endsWith("}"));
    const status = /^HTTP\/1\.1 (\d{3})/.exec(connection.text.slice(read))?.[1] ?? "none";
    report[status] = (report[status] ?? 0) + 1;
    read = connection.text.length;
    const restMs = Math.max(0, order.periodMs - (performance.now() - beganMs));
    await new Promise((resolve) => setTimeout(resolve, restMs));
    // What came is kept up to a bound: a new connection begins anew.
    if (connection.over || read > 32_768) {
      connection.destroy();
      connection = await RawConnection.open(order.url, from);
      read = 0;
    }
  }
  connection.destroy();
}

scope.onmessage = async (event) => {
  if (event.data === "stop") return void (stopped = true);
  const order = event.data;
  await Promise.all(Array.from({ length: order.count }, (_, i) => goOn(order, i)));
  scope.postMessage(report);
};
