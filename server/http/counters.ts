/**
 * What a node counts that no part of it counts for itself. Hot paths add to plain numbers;
 * `series.ts` registers them for the metrics, so that a delivery costs one addition whether or not
 * anything reads them.
 */
import type { AdmissionKind, RefusalReason } from "./admission.ts";
import { DAMAGE_KINDS } from "../node/damage.ts";
import { MOVE_OUTCOMES, SILENT_CAUSES } from "../../shard/effects.ts";
import { ERROR_CODES, type ErrorCode } from "../../shard/errors.ts";

/** How many observations fell between fixed bounds, and their sum. */
export class Histogram {
  /** Upper ends, inclusive, ascending; what is above the last has a bucket of its own. */
  readonly bounds: readonly number[];
  /** One more than bounds; not cumulative. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Counts `value`; `times` where several were equal. Finite values only. */
  observe(value: number, times = 1): void {
    const { bounds } = this;
    let i = 0;
    while (i < bounds.length && value > bounds[i]!) i++;
    this.counts[i]! += times;
    this.sum += value * times;
  }
}

/** Outcomes by name, for names that are fixed in the code (commands, routes, greetings). */
export class OutcomeCounts {
  readonly #counts = new Map<string, Map<"ok" | ErrorCode, number>>();

  /** Counts one outcome of `name`, which must never come from a client. */
  add(name: string, outcome: "ok" | ErrorCode): void {
    let outcomes = this.#counts.get(name);
    if (outcomes === undefined) this.#counts.set(name, outcomes = new Map());
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }

  /** Everything counted so far. */
  *entries(): IterableIterator<readonly [name: string, outcome: string, count: number]> {
    for (const [name, outcomes] of this.#counts) {
      for (const [outcome, count] of outcomes) yield [name, outcome, count];
    }
  }
}

/** Ways to prove who one is. */
export const SIGN_IN_KINDS = [
  "password",
  "scram",
  "token",
  "issuer",
  "second",
  "passkey",
  "register",
] as const;
/** A way to prove who one is. */
export type SignInKind = (typeof SIGN_IN_KINDS)[number];
/** How a sign-in can end: refused is a wrong proof, limited a rate, failed our own fault. */
export const SIGN_IN_RESULTS = ["ok", "refused", "limited", "busy", "failed"] as const;
/**
 * Rate limits that apply: the classes of commands, what an address asks for, requests for
 * subscriptions, wrong proofs, registrations, exports, and what services ask for.
 */
export const RATE_LIMITS = [
  "frames",
  "sends",
  "presence",
  "signals",
  "address_requests",
  "address_connections",
  "subscription_requests",
  "searches",
  "sign_in_failures",
  "registrations",
  "exports",
  "services",
] as const;
/** A rate limit that applies. */
export type RateLimit = (typeof RATE_LIMITS)[number];
const ADMISSION_KINDS = [
  "connection",
  "signIn",
  "write",
] as const satisfies readonly AdmissionKind[];
const REFUSAL_REASONS = [
  "overload",
  "full",
  "draining",
  "storeFailing",
] as const satisfies readonly RefusalReason[];

type Counts<K extends string> = { [key in K]: number };

function zeros<K extends string>(keys: readonly K[]): Counts<K> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Counts<K>;
}

function tables<A extends string, B extends string>(
  rows: readonly A[],
  columns: readonly B[],
): Readonly<Record<A, Counts<B>>> {
  return Object.fromEntries(rows.map((row) => [row, zeros(columns)])) as Record<A, Counts<B>>;
}

/** Bounds of durations, ms: dense around the promise of 100 ms. */
const LATENCY_MS = [1, 2.5, 5, 10, 25, 50, 75, 100, 150, 250, 500, 1000, 2500, 10_000, 60_000];
const FAN_OUT = [0, 1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 5000];
const COMMIT_ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000];
const COMMIT_BYTES = [1, 4, 16, 64, 128, 256, 512, 800].map((kib) => kib * 1024);

const errorCodes = Object.keys(ERROR_CODES) as readonly ErrorCode[];

function messageCounters() {
  return {
    /** Committed with their sender. */
    accepted: 0,
    /** By the code the sender was answered with. */
    refused: zeros(errorCodes),
    /** Refused without telling the sender. */
    refusedSilently: zeros(SILENT_CAUSES),
    /** From the sender's frame to the frame at the recipient's transport. */
    latencyMs: new Histogram(LATENCY_MS),
    /** From a send's frame to its ack, over WebSockets. */
    ackMs: new Histogram(LATENCY_MS),
  };
}

/**
 * These counters of one node; they only rise. Durations are observed in milliseconds.
 */
export function createCounters() {
  return {
    presence: {
      /** Changes of somebody's presence that a shard has published. */
      changes: 0,
      /** Local sessions told of one change. */
      fanOut: new Histogram(FAN_OUT),
      /** From the change at its shard to the frame at the transport. */
      latencyMs: new Histogram(LATENCY_MS),
    },
    messages: messageCounters(),
    signals: { accepted: 0 },
    commits: {
      rows: new Histogram(COMMIT_ROWS),
      bytes: new Histogram(COMMIT_BYTES),
      latencyMs: new Histogram(LATENCY_MS),
    },
    /** Damaged rows that were read, each counted once. */
    damaged: zeros(DAMAGE_KINDS),
    /** Accounts that have moved between cells, or stay after all. */
    moves: zeros(MOVE_OUTCOMES),
    loopLagMs: new Histogram(LATENCY_MS),
    admissionRefused: tables(ADMISSION_KINDS, REFUSAL_REASONS),
    rateLimited: zeros(RATE_LIMITS),
    signIns: tables(SIGN_IN_KINDS, SIGN_IN_RESULTS),
    outcomes: new OutcomeCounts(),
  };
}

/** One node's counters; its numbers are added to where things happen. */
export type Counters = ReturnType<typeof createCounters>;

/**
 * What a sign-in that was answered with `code` counts as; null: it was not understood as one, or
 * waits for a second factor.
 */
export function signInResult(code: "ok" | ErrorCode): (typeof SIGN_IN_RESULTS)[number] | null {
  switch (code) {
    case "ok":
      return "ok";
    case "bad_request":
    case "unsupported":
    case "too_large":
    case "second_factor_required":
      return null;
    case "rate_limited":
      return "limited";
    case "busy":
      return "busy";
    case "unavailable":
      return "failed";
    default:
      return "refused";
  }
}
