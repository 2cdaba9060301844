/** What can be seen of the server from outside: its process, and its metrics. */
import type { HttpResult, Network } from "./network.ts";
import { isLoopback, type Target } from "./target.ts";
import type { Machine } from "./machine.ts";
import { parseMetrics, type ProcessUse } from "./probe.ts";

/** A view of one server. */
export interface ServerView {
  /** null where the process cannot be seen: another machine, or another user's. */
  readonly pid: number | null;
  use(): ProcessUse | null;
  /** null where they cannot be read. */
  metrics(): Promise<ReadonlyMap<string, number> | null>;
}

/** Looks for the server that a target reaches. `pid`: as told, else it is looked for. */
export function viewServer(
  options: {
    readonly machine: Pick<Machine, "use" | "serverPid">;
    readonly network: Network;
    readonly target: Target;
    readonly pid: number | null;
    readonly dataDir: string | null;
  },
): ServerView {
  const { machine, network, target, dataDir } = options;
  const found = isLoopback(target) ? machine.serverPid({ dataDir, port: target.port }) : null;
  const pid = options.pid ?? found;
  const ask = (): Promise<HttpResult> => {
    const connection = network.http(target, null);
    return new Promise((resolve) =>
      connection.ask({ method: "GET", path: "/metrics", headers: {}, body: null }, (result) => {
        connection.drop();
        resolve(result);
      })
    );
  };
  return {
    pid,
    use: () => pid === null ? null : machine.use(pid),
    async metrics() {
      const result = await ask();
      if (!result.ok || result.response.status !== 200) return null;
      return parseMetrics(new TextDecoder().decode(result.response.body));
    },
  };
}

const COUNTER = /_(total|sum|count)$/;

/** Metrics after a run; counters less what they were before. Only those that are not 0. */
export function metricsDelta(
  before: ReadonlyMap<string, number> | null,
  after: ReadonlyMap<string, number> | null,
): Readonly<Record<string, number>> {
  const delta: Record<string, number> = {};
  for (const [name, value] of after ?? []) {
    const gained = COUNTER.test(name) ? value - (before?.get(name) ?? 0) : value;
    if (gained !== 0) delta[name] = gained;
  }
  return delta;
}
