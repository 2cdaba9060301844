/** Watches how loaded the node is, and decides by it what new work is taken. */
import type { Counters } from "./counters.ts";
import type { Node } from "../node/node.ts";
import type { Ports } from "../node/ports.ts";
import {
  type Admission,
  type AdmissionKind,
  type AdmissionOptions,
  admit,
  nextAdmission,
} from "./admission.ts";
import { fail, type Failure } from "../../shard/errors.ts";
import { sampleLoopLag } from "../system/loop_lag.ts";

const LAG_PERIOD_MS = 20;
const LAG_TAU_MS = 500;
/** For so long after the start lag is not taken for overload (ms). */
const START_MS = 5000;
/** How long the duration of the last commit says something about the next one. */
const COMMIT_NEWS_MS = 1000;

const NOTHING_OVERLOADED = { connection: false, signIn: false, write: false } as const;

/** When new work is refused. */
export interface AdmissionControlOptions extends AdmissionOptions {
  /** Connections that the node keeps open at most. */
  readonly connectionsMax: number;
}

/** Says whether new work is taken. */
export interface AdmissionControl {
  /** A refusal with a jittered wait, or null where work of this kind is taken. */
  admit(kind: AdmissionKind): Failure | null;
  /** What is refused for overload at the moment. */
  overloaded(): Admission["overloaded"];
  /** How late the event loop runs (ms). */
  lagMs(): number;
  /** From now on nothing new is taken. */
  drain(): void;
  readonly draining: boolean;
  stop(): void;
}

/** Starts to watch. `connections` returns how many are open. */
export function admissionControl(
  options: AdmissionControlOptions,
  node: Node,
  ports: Ports,
  counters: Counters,
  connections: () => number,
): AdmissionControl {
  const startedMs = ports.clock.monoMs();
  let draining = false;
  let admission: Admission | null = null;
  let commits = 0;
  let committedAtMs = 0;
  const lag = sampleLoopLag(ports, {
    periodMs: LAG_PERIOD_MS,
    tauMs: LAG_TAU_MS,
    observe(lagMs) {
      counters.loopLagMs.observe(lagMs);
      const { committer } = node;
      const since = committer.writingSinceMs;
      const now = ports.clock.monoMs();
      const writingMs = since === 0 ? 0 : now - since;
      if (committer.stats.commits !== commits) {
        commits = committer.stats.commits;
        committedAtMs = now;
      }
      // Without a bound in time, one slow commit would keep everybody out who could cause another.
      const lastMs = now - committedAtMs < COMMIT_NEWS_MS ? committer.stats.lastCommitMs : 0;
      admission = nextAdmission(admission, {
        // A program that has just started is slow for a moment, not overloaded.
        loopLagMs: ports.clock.monoMs() - startedMs < START_MS ? 0 : lag.lagMs(),
        commitQueue: node.pending,
        commitLatencyMs: Math.max(lastMs, writingMs),
        connections: connections(),
        connectionsMax: options.connectionsMax,
        draining,
        storeFailing: committer.failingSinceMs !== 0,
      }, options);
    },
  });
  return {
    admit(kind) {
      if (admission === null) return null;
      const verdict = admit(admission, kind, ports.random.number(), options);
      if (verdict.admit) return null;
      counters.admissionRefused[kind][verdict.reason]++;
      return fail("busy", `Refused for now: ${verdict.reason}`, verdict.retryAfterMs);
    },
    overloaded: () => admission?.overloaded ?? NOTHING_OVERLOADED,
    lagMs: () => lag.lagMs(),
    drain: () => draining = true,
    get draining() {
      return draining;
    },
    stop: () => lag.stop(),
  };
}
