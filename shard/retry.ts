/**
 * When something that failed is tried again: full jitter (M. Brooker, "Exponential Backoff And
 * Jitter"), between a least wait and a cap. Every part that repeats anything takes its waits from
 * here; the client library has the same formula in `server/web/client/backoff.js`. Pure: random
 * numbers are passed in. All times are ms.
 */

import { POINT_SPACE, pointOf } from "./name/ids.ts";

/** The bounds of one kind of repetition. */
export interface RetryPolicy {
  /** Part of every wait that is not random: the time in which a reply may still arrive. */
  readonly leastMs: number;
  /** Bound of the random part after the first try; it doubles with every further one. */
  readonly baseMs: number;
  /** Largest bound of the random part. */
  readonly capMs: number;
  /** The other side's own wish (`retryAfterMs`) counts up to this. */
  readonly askedMaxMs: number;
}

/** Multiples of it fall evenly between whole numbers: the golden ratio's fraction. */
const GOLDEN = 0.618_033_988_749_895;
/** Doublings after which a wait grows no more, whatever the cap: 2 ** 30 ms are 12 days. */
const DOUBLINGS_MAX = 30;

/**
 * The wait before the next try, after `tries` (≥ 1) of them. It is at least `leastMs` and what the
 * other side asks for (up to `askedMaxMs`), and less than that plus `capMs`; `random` in [0, 1).
 */
export function retryWaitMs(
  { leastMs, baseMs, capMs, askedMaxMs }: RetryPolicy,
  tries: number,
  random: number,
  retryAfterMs = 0,
): number {
  const doublings = Math.min(Math.max(tries - 1, 0), DOUBLINGS_MAX);
  const boundMs = Math.min(capMs, baseMs * 2 ** doublings);
  return Math.max(leastMs, Math.min(askedMaxMs, retryAfterMs)) + random * boundMs;
}

/** A number in [0, 1) for the waits of a shard, which has no randomness: other accounts have others. */
export function spreadOf(name: string, tries: number): number {
  return pointOf(`${name}#${tries}`) / POINT_SPACE;
}

/** As `spreadOf`, for numbers that follow each other: without the cost of a hash for each. */
export function spreadOfNumber(n: number): number {
  return n * GOLDEN % 1;
}

/** Longest wait that another side may ask for where nothing else is said (ms). */
const ASKED_MAX_MS = 600_000;

function policy(leastMs: number, baseMs: number, capMs: number): RetryPolicy {
  return { leastMs, baseMs, capMs, askedMaxMs: ASKED_MAX_MS };
}

/** What a node repeats, with the bounds of each. */
export const RETRY_POLICIES = {
  /** Packets of the outbox and receipts that were not acked: the ack may still be on its way. */
  outbox: policy(1000, 1000, 29_000),
  receipts: policy(1000, 1000, 29_000),
  /** Questions which account has a name; the request that waits is given up after 9 s. */
  resolve: policy(500, 500, 4000),
  /** Votes on the home of a name, and what other cells are to learn of it. */
  home: policy(300, 300, 4000),
  told: policy(1000, 4000, 4000),
  /** What the two cells of an account that moves say to each other; another try of the move. */
  move: policy(1000, 500, 4000),
  move_again: policy(500, 1000, 60_000),
  /** An account or a log that could not be read, and a shard that bugs have stopped. */
  load: policy(250, 500, 5000),
  reload: policy(250, 500, 30_000),
  /** A store that takes no writes: whether it takes them again. */
  probe: policy(500, 500, 2000),
  /** Links to other nodes of the cell. */
  link: policy(50, 100, 2000),
  /** Links to nodes of other cells. */
  cell_link: policy(100, 400, 4000),
  /** Proposals to change the members of the federation that others have overtaken. */
  members: policy(50, 200, 2000),
  /** What the owner of a shard does not serve, because it waits for the store or is none any more. */
  owner: policy(2, 10, 1000),
  /** Processes of this server that have ended: the first is replaced at once. */
  worker: policy(0, 200, 10_000),
  /** Claims of shards. */
  claim: policy(100, 200, 5000),
  /**
   * What an edge asks shards: ends of sessions, announcements, pages of mailboxes. A shard that serves
   * again waits 15 s for the announcements that it has refused before.
   */
  detach: policy(250, 500, 30_000),
  announce: policy(250, 500, 10_000),
  read: policy(250, 500, 10_000),
  /** Push messages that a push service did not take: it may ask for more time than that. */
  push: { leastMs: 5000, baseMs: 10_000, capMs: 600_000, askedMaxMs: 86_400_000 },
  /** Push services that fail all the time. */
  push_service: policy(1000, 4000, 60_000),
  /**
   * Orders of certificates: an authority such as Let's Encrypt refuses a name after five failures in
   * an hour, and says for how long, up to days.
   */
  acme: { leastMs: 720_000, baseMs: 240_000, capMs: 21_600_000, askedMaxMs: 604_800_000 },
  /** A service's session, its event stream's reads, and what its webhooks write to the store. */
  service: policy(500, 1000, 60_000),
  stream: policy(500, 1000, 30_000),
  webhook_store: policy(500, 500, 3500),
} as const satisfies Readonly<Record<string, RetryPolicy>>;

/** A kind of repetition; the bounds of requests to a webhook's receiver are settings. */
export type RetryKind = keyof typeof RETRY_POLICIES | "webhook";

/** The waits of one node, and how often each kind was tried again. */
export class Retries {
  /** Repetitions so far; only ever counted up. */
  readonly counts: { [kind in RetryKind]: number };
  readonly #policies: Readonly<Record<RetryKind, RetryPolicy>>;

  constructor(webhook: RetryPolicy) {
    this.#policies = { ...RETRY_POLICIES, webhook };
    const none = Object.keys(this.#policies).map((kind) => [kind, 0]);
    this.counts = Object.fromEntries(none) as typeof this.counts;
  }

  /** The wait after try number `tries`; for a try that is not known to have failed. */
  waitMs(kind: RetryKind, tries: number, random: number): number {
    return retryWaitMs(this.#policies[kind], tries, random);
  }

  /** Counts that something is tried again; returns the wait before it. See `retryWaitMs`. */
  againMs(kind: RetryKind, tries: number, random: number, retryAfterMs = 0): number {
    this.counts[kind]++;
    return retryWaitMs(this.#policies[kind], tries, random, retryAfterMs);
  }
}
