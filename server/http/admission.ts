/**
 * When to refuse, and which retryAfter to give. Pure: `nextAdmission` takes the load of the moment
 * (call it whenever the load is sampled, some 20 times a second, and with the fresh count before a
 * new connection) and `admit` answers for one request from what it said.
 *
 * Work is refused in the order of what it costs and of who waits for it: sign-ins first, then
 * connections, then writes of those who are signed in. Reads, and everything that was accepted
 * before, are never refused here.
 *
 * | state of the node | connection | sign-in | write |
 * | --- | --- | --- | --- |
 * | a gauge at its `refuseAt` for the kind | refused | refused | refused |
 * | … until all gauges are below `refuseAt × resume` | refused | refused | refused |
 * | `connections ≥ connectionsMax` | refused | – | – |
 * | draining (about to stop) | refused | refused | – |
 * | the store fails or is full | – | – | refused |
 */

/** What is asked for. A sign-in by an existing token is one too. */
export type AdmissionKind = "connection" | "signIn" | "write";

/** Why something is refused. */
export type RefusalReason = "overload" | "full" | "draining" | "storeFailing";

/** How loaded the node is at a moment. */
export interface Load {
  /** Moving average of how late the event loop runs, ms. */
  readonly loopLagMs: number;
  /** Requests that wait for a commit, the one under way included. */
  readonly commitQueue: number;
  /** Time of the last commit, or the age of the one under way where that is more, ms. */
  readonly commitLatencyMs: number;
  readonly connections: number;
  readonly connectionsMax: number;
  /** The node is stopping. */
  readonly draining: boolean;
  /** The last commit failed, for want of space or otherwise. */
  readonly storeFailing: boolean;
}

/** The gauges that say "overload" beyond a threshold. */
export interface Gauges {
  readonly loopLagMs: number;
  readonly commitQueue: number;
  readonly commitLatencyMs: number;
}

/** Thresholds. */
export interface AdmissionOptions {
  /** For each kind: at this much of any gauge it is refused. */
  readonly refuseAt: Readonly<Record<AdmissionKind, Gauges>>;
  /** Part of `refuseAt` that all gauges must fall below until the kind is admitted again. */
  readonly resume: number;
  /** Least wait that is asked for, per reason, ms: at most half of `retryAfterMaxMs`. */
  readonly retryAfterMs: Readonly<Record<RefusalReason, number>>;
  /** Bound of every answer, ms. */
  readonly retryAfterMaxMs: number;
}

/** What is refused at the moment. */
export interface Admission {
  readonly load: Load;
  /** Kinds that are refused for overload until the load has fallen. */
  readonly overloaded: Readonly<Record<AdmissionKind, boolean>>;
}

/** The answer for one request. */
export type AdmissionVerdict =
  | { readonly admit: true }
  | { readonly admit: false; readonly reason: RefusalReason; readonly retryAfterMs: number };

const KINDS = ["connection", "signIn", "write"] as const;
const GAUGES = ["loopLagMs", "commitQueue", "commitLatencyMs"] as const;

/**
 * Throws where the options contradict themselves: a threshold or a wait that is not positive,
 * `resume` outside (0, 1), or writes refused before connections, or those before sign-ins.
 */
export function checkAdmissionOptions(options: AdmissionOptions): void {
  const { refuseAt, resume, retryAfterMs, retryAfterMaxMs } = options;
  if (!(resume > 0 && resume < 1)) throw new Error(`resume is ${resume}, wants 0 < resume < 1`);
  for (const gauge of GAUGES) {
    const [signIn, connection, write] = [
      refuseAt.signIn[gauge],
      refuseAt.connection[gauge],
      refuseAt.write[gauge],
    ];
    if (!(signIn > 0 && signIn <= connection && connection <= write)) {
      throw new Error(
        `${gauge}: refuses sign-ins at ${signIn}, connections at ${connection}, writes at ` +
          `${write}; wants positive numbers in this order`,
      );
    }
  }
  for (const [reason, waitMs] of Object.entries(retryAfterMs)) {
    if (!(waitMs >= 1 && waitMs <= retryAfterMaxMs / 2)) {
      throw new Error(
        `retryAfterMs.${reason} is ${waitMs}, wants 1 to half of retryAfterMaxMs ` +
          `(${retryAfterMaxMs})`,
      );
    }
  }
}

/**
 * How loaded the node is for a kind: the worst of its gauges over its threshold. 1 and more
 * refuses; a gauge that is not a number counts as the worst.
 */
export function pressure(load: Gauges, refuseAt: Gauges): number {
  let worst = 0;
  for (const gauge of GAUGES) {
    const part = load[gauge] / refuseAt[gauge];
    if (!(part <= worst)) worst = Number.isNaN(part) ? Infinity : part;
  }
  return worst;
}

/** The state after a sample of the load; `previous` is null at the start. */
export function nextAdmission(
  previous: Admission | null,
  load: Load,
  options: AdmissionOptions,
): Admission {
  const overloaded = { connection: false, signIn: false, write: false };
  for (const kind of KINDS) {
    const limit = previous?.overloaded[kind] === true ? options.resume : 1;
    overloaded[kind] = pressure(load, options.refuseAt[kind]) >= limit;
  }
  return { load, overloaded };
}

/**
 * For which reasons each kind can be refused, here or where connections and sessions are counted.
 */
export const REFUSALS: Readonly<Record<AdmissionKind, readonly RefusalReason[]>> = {
  connection: ["overload", "full", "draining"],
  signIn: ["overload", "full", "draining"],
  write: ["overload", "storeFailing"],
};

/** Why a kind is refused now, or null. */
function refusal(state: Admission, kind: AdmissionKind): RefusalReason | null {
  const { load, overloaded } = state;
  if (load.draining && kind !== "write") return "draining";
  if (load.storeFailing && kind === "write") return "storeFailing";
  if (kind === "connection" && load.connections >= load.connectionsMax) return "full";
  return overloaded[kind] ? "overload" : null;
}

/**
 * Answers one request. `random` is uniform in [0, 1): refused clients must not return all at
 * once. The wait is the reason's, times the pressure under overload (at most 4), times
 * `1 + random`.
 */
export function admit(
  state: Admission,
  kind: AdmissionKind,
  random: number,
  options: AdmissionOptions,
): AdmissionVerdict {
  const reason = refusal(state, kind);
  if (reason === null) return { admit: true };
  const factor = reason === "overload"
    ? Math.min(4, Math.max(1, pressure(state.load, options.refuseAt[kind])))
    : 1;
  // Half of the bound, so that the jitter is not cut off by it.
  const waitMs = Math.min(options.retryAfterMs[reason] * factor, options.retryAfterMaxMs / 2);
  return { admit: false, reason, retryAfterMs: Math.round(waitMs * (1 + random)) };
}
