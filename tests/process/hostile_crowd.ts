/** Bad connections beside ordinary users: what they were, and what the ordinary users noticed. */
import type { Crowd, CrowdReport, KindReport } from "./hostile_crowd_worker.ts";
import { BAD_KINDS, type CountedAs } from "./hostile_kinds.ts";
import { Metrics } from "./metrics.ts";
import type { Pulse, Stretch } from "./pulse.ts";
import type { ServerProcess } from "./server.ts";

/** Settings under which bad connections are gone soon: `group.name=value`. */
export const CROWD_SETTINGS: readonly string[] = [
  "timeouts.helloTimeoutMs=2000",
  "timeouts.requestTimeoutMs=2000",
  "timeouts.drainMs=2000",
];

/**
 * Until when all must be gone under `CROWD_SETTINGS`: a request's time is twice requestTimeoutMs,
 * looked at each second, and a closing handshake is waited for 2 s.
 */
export const GONE_MS = 7000;

/** What was seen. */
export interface CrowdFigures {
  readonly kinds: Readonly<Record<string, KindReport>>;
  /** What the ordinary users noticed while the crowd was there. */
  readonly during: Stretch;
  /** Bad connections by what the server counted them as, and as what they were to be counted. */
  readonly counted: Readonly<Record<CountedAs, number>>;
  readonly expected: Readonly<Record<CountedAs, number>>;
  /** From the first connection until all were gone. */
  readonly tookMs: number;
}

const COUNTED: Readonly<Record<CountedAs, string>> = {
  http: 'roost_connections_bad_total{fault="http"}',
  malformed: 'roost_connections_bad_total{fault="malformed"}',
  too_large: 'roost_connections_bad_total{fault="too_large"}',
  hello_timeout: 'roost_connections_bad_total{fault="hello_timeout"}',
  unauthorized: 'roost_requests_total{name="hello",outcome="unauthorized"}',
};

/** Sends a crowd of `count` within `openingMs` to a server started with `CROWD_SETTINGS`. */
export async function crowd(
  server: ServerProcess,
  pulse: Pulse,
  count: number,
  openingMs: number,
): Promise<CrowdFigures> {
  const before = await Metrics.of(server.url);
  pulse.cut();
  const began = performance.now();
  const report = await runCrowd({
    url: server.url,
    count,
    openingMs,
    from: ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"],
    deadlineMs: GONE_MS,
  });
  const tookMs = Math.round(performance.now() - began);
  const during = pulse.cut();
  const since = (await Metrics.of(server.url)).since(before);
  const counted = {} as Record<CountedAs, number>;
  const expected = {} as Record<CountedAs, number>;
  for (const [as, metric] of Object.entries(COUNTED) as [CountedAs, string][]) {
    counted[as] = since[metric] ?? 0;
    expected[as] = BAD_KINDS.filter((kind) => kind.countedAs === as)
      .reduce((sum, kind) => sum + report.kinds[kind.name]!.opened, 0);
  }
  return { kinds: report.kinds, during, counted, expected, tookMs };
}

function runCrowd(crowd: Crowd): Promise<CrowdReport> {
  const worker = new Worker(new URL("hostile_crowd_worker.ts", import.meta.url), {
    type: "module",
  });
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.onmessage = (event: MessageEvent<CrowdReport | "open">) => {
      if (event.data === "open") return;
      worker.terminate();
      resolve(event.data);
    };
    worker.postMessage(crowd);
  });
}
