/**
 * What the nodes of a cell have in common of the certificate that they get themselves: it is one value
 * in the store, so that one of them orders it, all serve it, and what an authority allows is kept to
 * across restarts. Pure but for `acmeState`. Times are ms since 1970: they outlive processes, as
 * certificates do, whose own times are of that kind.
 */
import { type CellFormat, cellJson } from "../node/cell_value.ts";

/** An account at an authority. */
export interface AcmeAccount {
  readonly directory: string;
  readonly email: string;
  /** PEM. */
  readonly key: string;
  /** Its URL; null where the authority may not know it yet. */
  readonly url: string | null;
}

/** A certificate with its key, as PEM texts. */
export interface AcmeCertificate {
  readonly cert: string;
  readonly key: string;
  readonly startsAtMs: number;
  readonly expiresAtMs: number;
  /** When the next one is ordered. */
  readonly renewAtMs: number;
}

/** What the authority looks for at a name (http-01, RFC 8555 section 8.3). */
export interface Challenge {
  readonly token: string;
  readonly keyAuthorization: string;
}

/** Which certificate is wanted. */
export interface AcmeGoal {
  readonly directory: string;
  readonly email: string;
  readonly domains: readonly string[];
}

/** See the head of this file. */
export interface AcmeState {
  readonly v: 1;
  readonly account: AcmeAccount | null;
  readonly certificate: AcmeCertificate | null;
  /** What `certificate` or the last order is for. */
  readonly goal: AcmeGoal | null;
  /** Orders since the last one that succeeded. */
  readonly tries: number;
  /** When the last order began. */
  readonly orderedAtMs: number;
  /** Nobody orders before. */
  readonly notBeforeMs: number;
  /** Whether the authority has asked for that. */
  readonly asked: boolean;
  readonly challenges: readonly Challenge[];
}

/** Where nothing was ordered yet. */
export const NO_STATE: AcmeState = {
  v: 1,
  account: null,
  certificate: null,
  goal: null,
  tries: 0,
  orderedAtMs: 0,
  notBeforeMs: 0,
  asked: false,
  challenges: [],
};

/** The value in the store. */
export function acmeState(): CellFormat<AcmeState> {
  return cellJson<AcmeState>("acme", (done) => done(null, NO_STATE));
}

/** Part of a certificate's time that is left when the next one is ordered, and its jitter. */
const LEFT_PART = 1 / 3;
const JITTER_PART = 1 / 30;

/** When to order the certificate that follows one; `random` in [0, 1). */
export function renewAtMs(
  { startsAtMs, expiresAtMs }: Pick<AcmeCertificate, "startsAtMs" | "expiresAtMs">,
  random: number,
): number {
  const lifetimeMs = expiresAtMs - startsAtMs;
  return Math.round(expiresAtMs - lifetimeMs * (LEFT_PART + JITTER_PART * random));
}

function isSame(a: AcmeGoal | null, b: AcmeGoal): boolean {
  return a !== null && a.directory === b.directory && a.domains.join() === b.domains.join();
}

/** Least time between two orders that an operator hurries (ms). */
export const HURRIED_MS = 60_000;

/** When the wanted certificate may be ordered; `hurried`: an operator waits for it. */
export function orderAtMs(state: AcmeState, goal: AcmeGoal, hurried = false): number {
  const { asked, certificate, notBeforeMs, orderedAtMs } = state;
  // Another authority, or another name, does not count what failed before.
  if (!isSame(state.goal, goal)) return 0;
  const dueAtMs = certificate?.renewAtMs ?? 0;
  const mayAtMs = hurried && !asked ? Math.min(notBeforeMs, orderedAtMs + HURRIED_MS) : notBeforeMs;
  return Math.max(dueAtMs, mayAtMs);
}

/**
 * The state with an order begun, which is stored before the authority is asked for anything: a process
 * that dies meanwhile, again and again, does not ask again and again. `waitMs`: as if it had failed.
 */
export function begun(
  state: AcmeState,
  goal: AcmeGoal,
  nowMs: number,
  waitMs: (tries: number) => number,
): AcmeState {
  const same = isSame(state.goal, goal);
  const tries = same ? state.tries + 1 : 1;
  const account = state.account?.directory === goal.directory ? state.account : null;
  return {
    ...state,
    // What was certified for other names is served until there is another.
    account,
    goal,
    tries,
    orderedAtMs: nowMs,
    notBeforeMs: nowMs + waitMs(tries),
    asked: false,
    challenges: [],
  };
}

/** The state with an order that has succeeded. */
export function succeeded(state: AcmeState, certificate: AcmeCertificate): AcmeState {
  return { ...state, certificate, tries: 0, notBeforeMs: 0, asked: false, challenges: [] };
}

/** The state with an order that has failed; `askedMs`: the authority wants to be left alone for it. */
export function failed(state: AcmeState, nowMs: number, askedMs: number): AcmeState {
  const notBeforeMs = Math.max(state.notBeforeMs, nowMs + askedMs);
  return { ...state, notBeforeMs, asked: askedMs > 0, challenges: [] };
}
