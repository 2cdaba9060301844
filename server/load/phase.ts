/**
 * What a process does with its users, as data: phases follow each other, in step in all
 * processes; within a phase everything goes on at once.
 */

/** Operations per second of all users together; each at its own even pace. */
export interface Traffic {
  readonly presence: number;
  readonly messages: number;
  readonly signals: number;
  /** Opened conversations: a page of history and a read mark each. */
  readonly queries: number;
  /** Sessions that vanish and are taken up again soon. */
  readonly flaps: number;
}

/** No operations. */
export const QUIET: Traffic = { presence: 0, messages: 0, signals: 0, queries: 0, flaps: 0 };

/** Users signing in. */
export interface Arrivals {
  readonly perSecond: number;
  /** Shares of the users, in the order of their turns: from 0, to 1. */
  readonly from: number;
  readonly to: number;
  /**
   * Sign-ins under way at most, to bring users online without a storm; then it is no longer an
   * open-loop schedule, and latencies count from the start of each. null: open-loop.
   */
  readonly inFlightMax: number | null;
}

/** Sessions that vanish all at once and return over time. */
export interface Drop {
  /** Share of the users, the last ones in the order of their turns. */
  readonly share: number;
  /** They return at even intervals within this time. */
  readonly returnSeconds: number;
}

/** The server stops, by somebody else's doing, and all users return once it serves again. */
export interface Outage {
  /** How long to wait for the first session to break (s); then it counts as not having come. */
  readonly waitSeconds: number;
}

/** One phase. */
export interface Phase {
  /** For people. */
  readonly name: string;
  /** How long; null: until all users who are to come (back) have. */
  readonly seconds: number | null;
  /** Whether its latencies and counts are the result of the run. */
  readonly measured: boolean;
  readonly traffic: Traffic;
  /** Whether traffic follows the course of a day. */
  readonly day: boolean;
  readonly arrivals: Arrivals | null;
  readonly drop: Drop | null;
  readonly outage: Outage | null;
  /** Share of the users that are to be online at the busiest time of the day; null: unchanged. */
  readonly population: number | null;
}

/** A quiet phase that ends at once, to be spread into others. */
export const NO_PHASE: Phase = {
  name: "",
  seconds: 0,
  measured: false,
  traffic: QUIET,
  day: false,
  arrivals: null,
  drop: null,
  outage: null,
  population: null,
};

/** How long a phase that waits for users goes on without any of them making progress (s). */
export const STUCK_SECONDS = 30;
