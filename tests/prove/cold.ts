/** A start with an empty cache while everybody reconnects. */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { crowd, type PoolFixture, withPools } from "./provisioned.ts";
import { Figures, p99Ms, percentiles } from "./figures.ts";
import { Metrics } from "../process/metrics.ts";
import { OUTAGE_NOTE } from "../../server/load/perform.ts";
import type { RunResult } from "../../server/load/result.ts";

/** All have to be back after this time, with nobody's help (s). */
const BACK_SECONDS_MAX = 60;
/** Bounds of the histogram of loop lag (s), and the highest that may be filled. */
const LAG_BOUNDS = [0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60] as const;
const LAG_SECONDS_MAX = 2.5;
/** Traffic before the kill (ms). */
const BEFORE_MS = 2000;

/** The bound (s) that no lag of the loop was above. */
async function lagBound(url: string): Promise<number> {
  const metrics = await Metrics.of(url);
  const upTo = (le: number | string) => metrics.get(`roost_loop_lag_seconds_bucket{le="${le}"}`);
  return LAG_BOUNDS.find((bound) => upTo(bound) === upTo("+Inf")) ?? Infinity;
}

/** Kills the server under load and starts it again; what the clients and the new server say. */
async function restarted(fixture: PoolFixture, options: ProofOptions) {
  const pool = crowd(options);
  let server = await fixture.start();
  const seconds = options.scale < 1 ? 5 : 20;
  options.say(`roost load restart: ${pool.users} users`);
  const run = fixture.begin(server, "restart", pool, { seconds });
  try {
    await run.said(OUTAGE_NOTE);
    await new Promise((resolve) => setTimeout(resolve, BEFORE_MS));
    await server.kill();
    options.say("killed; started again");
    const began = performance.now();
    server = await fixture.start();
    const startSeconds = (performance.now() - began) / 1000;
    const result = await run.result;
    const errors = server.log.match(/^\S+ ERROR.*$/gm) ?? [];
    return { result, startSeconds, lag: await lagBound(server.url), errors };
  } finally {
    run.stop();
    await server.stop();
  }
}

/** Time from the first look at which somebody was missing to the last (s); looks are 1 s apart. */
function missingSeconds({ points, phases }: RunResult, users: number): number {
  const storm = phases.find((phase) => phase.measured);
  if (storm === undefined) return Infinity;
  const missing = points.filter((point) => point.at >= storm.from && point.online < users);
  return missing.length === 0 ? 0 : missing.at(-1)!.at - missing[0]!.at;
}

/** What a restart under load has shown. */
export interface Restarted {
  readonly result: RunResult;
  readonly startSeconds: number;
  /** Errors in the log of the server that was started again. */
  readonly errors: readonly string[];
}

/** Notes how all clients reconnected after a restart. `backSeconds`: all have to be back after it. */
export function noteReturn(
  figures: Figures,
  { result, startSeconds, errors }: Restarted,
  users: number,
  backSeconds: number,
): void {
  const { counts, messages, latencies } = result;
  figures.run("restart", result);
  for (const error of errors) figures.fault(error);
  figures.atLeast("sessions broken", counts.broken, users, "");
  figures.note("the server's start", startSeconds, "s");
  const back = Math.max(result.awayMaxMs / 1000, missingSeconds(result, users));
  figures.atMost("all back after", back, backSeconds, "s");
  figures.atLeast("online at the end", counts.online, users, "");
  figures.atMost("mailboxes read anew", counts.begunAnew, 0, "");
  figures.atMost("messages lost", messages.missing + messages.gaps, 0, "");
  figures.note("messages sent again", counts.sendsRepeated);
  figures.note("refused, tried again", counts.signInsRefused);
  figures.note("time away", percentiles(latencies.resumed));
}

/** kill -9 under load with 15,000 online; all are back by themselves. */
export const coldProof: Proof = {
  name: "cold",
  claim: "kill -9 with 15,000 online: started again, it takes all back by itself, its loop on time",
  seconds: 250,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    const pool = crowd(options);
    await withPools(options, [pool], async (fixture) => {
      const restart = await restarted(fixture, options);
      const { lag, result: { latencies, points } } = restart;
      noteReturn(figures, restart, pool.users, BACK_SECONDS_MAX);
      figures.atMost("loop lag, no more than", lag, LAG_SECONDS_MAX, "s");
      const after = points.filter((point) => point.phase === "traffic after");
      figures.atLeast("presence afterwards", after.at(-1)?.presence ?? 0, 1, "/s");
      figures.atLeast("messages afterwards", after.at(-1)?.messages ?? 0, 1, "/s");
      figures.note("presence from kill to settled", `p99 ${p99Ms(latencies.presence)} ms`);
    });
    return figures.verdict;
  },
};
