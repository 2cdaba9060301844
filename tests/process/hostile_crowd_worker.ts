/**
 * Many bad connections at once, on a thread of its own. Message in: `Crowd`. Messages out: one
 * `"open"` when all are connected, then a `CrowdReport` when all are gone or `deadlineMs` is over.
 */
import { RawConnection } from "./hostile_client.ts";
import { BAD_KINDS, type BadKind, DRIP_MS } from "./hostile_kinds.ts";

/** What to open. */
export interface Crowd {
  readonly url: string;
  readonly count: number;
  /** Over how long they come (ms). */
  readonly openingMs: number;
  /** Addresses of one's own, used in turn: servers bound what one address may have. */
  readonly from: readonly string[];
  /** Until when all must be gone, from when the last was opened. */
  readonly deadlineMs: number;
}

/** What became of them, by kind. */
export interface CrowdReport {
  readonly kinds: Readonly<Record<string, KindReport>>;
}

/** What became of one kind. */
export interface KindReport {
  opened: number;
  /** Upgrades that were refused. */
  refused: number;
  /** Still there at the deadline. */
  left: number;
  /** The longest-lived. */
  lastedMs: number;
  /** Those that got a reason before the end: an HTTP status, a frame, a close code. */
  told: number;
  /** How those ended that got none. */
  readonly untold: string[];
}

interface Scope {
  onmessage: ((event: MessageEvent<Crowd>) => void) | null;
  postMessage(message: CrowdReport | "open"): void;
}

const scope = self as unknown as Scope;

/** Writes byte after byte until the connection is gone. */
function dripOn(connection: RawConnection, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  let at = 0;
  const timer = setInterval(() => {
    if (connection.over) return clearInterval(timer);
    connection.write(bytes.subarray(at, at + 1));
    at = (at + 1) % bytes.length;
  }, DRIP_MS);
}

async function misbehave(
  url: string,
  from: string,
  kind: BadKind,
  report: KindReport,
): Promise<RawConnection> {
  const connection = await RawConnection.open(url, from);
  report.opened++;
  connection.write(kind.head);
  if (kind.upgrades) {
    await connection.until((text) => text.includes("\r\n\r\n"));
    if (!connection.text.startsWith("HTTP/1.1 101")) {
      report.refused++;
      return connection;
    }
  }
  connection.write(kind.body);
  dripOn(connection, kind.drip);
  return connection;
}

/** Whether the server said something at the end: an answer, or a frame after the upgrade's. */
function wasTold({ text }: RawConnection): boolean {
  const upgraded = text.startsWith("HTTP/1.1 101");
  return upgraded ? text.indexOf("\r\n\r\n") + 4 < text.length : text.startsWith("HTTP/1.1 4");
}

scope.onmessage = async (event) => {
  const { url, count, openingMs, from, deadlineMs } = event.data;
  const kinds: Record<string, KindReport> = {};
  for (const { name } of BAD_KINDS) {
    kinds[name] = { opened: 0, refused: 0, left: 0, lastedMs: 0, told: 0, untold: [] };
  }
  const all = await Promise.all(Array.from({ length: count }, async (_, i) => {
    const kind = BAD_KINDS[i % BAD_KINDS.length]!;
    const report = kinds[kind.name]!;
    await new Promise((resolve) => setTimeout(resolve, openingMs * i / count));
    const address = from[Math.floor(i / BAD_KINDS.length) % from.length]!;
    return { report, connection: await misbehave(url, address, kind, report) };
  }));
  scope.postMessage("open");
  const deadline = new Promise<void>((resolve) => setTimeout(resolve, deadlineMs));
  await Promise.race([Promise.all(all.map((one) => one.connection.closed)), deadline]);
  for (const { report, connection } of all) {
    if (connection.over) {
      report.lastedMs = Math.max(report.lastedMs, Math.round(connection.lastedMs));
    } else report.left++;
    if (wasTold(connection)) report.told++;
    else report.untold.push(`${connection.error || "end"} ${Math.round(connection.lastedMs)} ms`);
    connection.destroy();
  }
  scope.postMessage({ kinds });
};
