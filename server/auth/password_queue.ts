/**
 * The queue of everything that hashes a password. Few run at a time, because each costs
 * milliseconds of a core, and few wait, because clients do not wait for ever.
 *
 * A flood must not keep others out. Each entry gets a rank when it is pushed: how much the networks
 * of its client have used lately (fading by half in `HALF_LIFE_MS`) and have waiting, and how much
 * its account has in the queue. Wider networks have a larger share. The lowest rank is served first;
 * where the queue is full, a lower rank replaces the highest. A client whose network has used
 * nothing lately is therefore served soon, however many others wait. Of equal ranks the oldest and the
 * newest have turns alternately: where as many networks as in a flood have one entry each, one that
 * is pushed later does not wait for all of them.
 *
 * Entries from places that the account has signed in from (see `KnownPlace`) have a queue of their
 * own, which gets `KNOWN_TURNS` of `KNOWN_TURNS` + 1 turns while both have entries: accounts made for
 * a flood cannot keep unknown places out either. The account and its place decide, not whether an
 * account exists: strangers all wait in the same queue.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import { networksOf } from "../config/address.ts";
import { fail, type Failure } from "../../shard/errors.ts";
import type { Clock, Random } from "../node/ports.ts";
import { Usage } from "./usage.ts";

/** Bounds of the queue. */
export interface PasswordQueueOptions {
  /** Passwords hashed at the same time. */
  readonly concurrency: number;
  /** Entries that wait from known places, and as many from all others. */
  readonly waitingMax: number;
  /** Entries of one address (of one IPv6 /64 network) that wait or run. */
  readonly perAddressMax: number;
  /** Longest wait (ms): an entry that has waited longer is refused. */
  readonly waitMaxMs: number;
  /** Least wait that a refused client gets, in milliseconds; jitter adds up to as much again. */
  readonly busyRetryMs: number;
}

/** Whose password is hashed. */
export interface PasswordFrom {
  readonly name: AccountName;
  readonly address: string;
  /** The account has signed in from there before, or is signed in. */
  readonly known: boolean;
}

/** Work for the queue; `release` must be called exactly once, when the hashing is over. */
export type PasswordJob = (release: () => void) => void;

/** Time in which what a network has used fades by half (ms). */
const HALF_LIFE_MS = 30_000;
/** Networks whose use is remembered. */
const NETWORKS_MAX = 50_000;
/** What a network may use for the same rank, by how many narrower ones it is around. */
const SHARES = [1, 4, 16] as const;
/** Ranks that one use is worth: after two half-lives it is worth less than one. */
const RANKS_PER_USE = 4;
/** Turns of known places for each turn of others, while both wait. */
const KNOWN_TURNS = 3;
/** Weight of the last job in the mean duration of jobs; the mean to begin with (ms). */
const JOB_WEIGHT = 0.1;
const JOB_MS = 30;
/** Longest wait that a refused client gets, before jitter (ms). */
const RETRY_MAX_MS = 30_000;

interface Entry {
  /** From the narrowest. */
  readonly networks: readonly string[];
  readonly account: string;
  readonly known: boolean;
  readonly rank: number;
  readonly sinceMs: number;
  readonly job: PasswordJob;
  readonly refuse: (failure: Failure) => void;
}

/** How many there are of each key. */
class Tally {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string, change: 1 | -1): void {
    const count = this.of(key) + change;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}

/** See the head of this file. */
export class PasswordQueue {
  readonly #options: PasswordQueueOptions;
  readonly #clock: Pick<Clock, "monoMs">;
  readonly #random: Random;
  /** In the order in which they came. */
  readonly #known: Entry[] = [];
  readonly #others: Entry[] = [];
  readonly #usage = new Usage({ halfLifeMs: HALF_LIFE_MS, keysMax: NETWORKS_MAX });
  /** Entries that wait, by network. */
  readonly #waiting = new Tally();
  /** Entries that wait or run, by narrowest network and by account. */
  readonly #open = new Tally();
  #running = 0;
  #knownTurns = 0;
  /** Whether the newest of equal ranks has the next turn. */
  #newest = false;
  #jobMs = JOB_MS;

  constructor(options: PasswordQueueOptions, clock: Pick<Clock, "monoMs">, random: Random) {
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
  }

  /** Entries that wait and that run. */
  get load(): { readonly waiting: number; readonly running: number } {
    return { waiting: this.#known.length + this.#others.length, running: this.#running };
  }

  /**
   * Runs `job` in its turn, perhaps before returning, or calls `refuse` with `busy`: at once, or
   * later where others replace the entry or it has waited too long. One of them is called, once.
   */
  push(from: PasswordFrom, job: PasswordJob, refuse: (failure: Failure) => void): void {
    const { concurrency, waitingMax, perAddressMax } = this.#options;
    const nowMs = this.#clock.monoMs();
    this.#expire(nowMs);
    const entry = this.#entry(from, nowMs, job, refuse);
    if (this.#open.of(entry.networks[0]!) >= perAddressMax) return this.#refuse(entry);
    const queue = this.#queueOf(entry);
    if (this.#running >= concurrency && queue.length >= waitingMax) {
      const worst = highest(queue);
      if (worst === null || worst.rank <= entry.rank) return this.#refuse(entry);
      this.#remove(worst);
      this.#leave(worst);
      this.#refuse(worst);
    }
    for (const key of entry.networks) this.#waiting.add(key, 1);
    this.#open.add(entry.networks[0]!, 1);
    this.#open.add(entry.account, 1);
    queue.push(entry);
    this.#pump();
  }

  #entry(
    { name, address, known }: PasswordFrom,
    nowMs: number,
    job: PasswordJob,
    refuse: (failure: Failure) => void,
  ): Entry {
    const networks = networksOf(address);
    // Others at an account cannot raise the rank of those at its known places.
    const account = `account ${known} ${name}`;
    const loads = networks.map((key, i) =>
      (this.#usage.of(nowMs, key) + this.#waiting.of(key)) / SHARES[i]!
    );
    // In steps: a use that has nearly faded does not put its network behind a new one.
    const rank = Math.floor(RANKS_PER_USE * Math.max(this.#open.of(account), ...loads));
    return { networks, account, known, rank, sinceMs: nowMs, job, refuse };
  }

  #queueOf({ known }: Pick<Entry, "known">): Entry[] {
    return known ? this.#known : this.#others;
  }

  #refuse(entry: Entry): void {
    const waitMs = Math.ceil(this.#likelyWaitMs(entry) * (1 + this.#random.number()));
    entry.refuse(
      fail("busy", "Too many password checks are under way here; try again later.", waitMs),
    );
  }

  /** When those before the entry, and those that run, are likely to be done (ms from now). */
  #likelyWaitMs(entry: Entry): number {
    const { concurrency, busyRetryMs } = this.#options;
    const before = this.#queueOf(entry).filter((e) => e.rank <= entry.rank).length;
    const rest = this.#queueOf({ known: !entry.known }).length;
    const between = Math.min(rest, entry.known ? before / KNOWN_TURNS : before * KNOWN_TURNS);
    const waitMs = (this.#running + before + between) * this.#jobMs / concurrency;
    return Math.min(RETRY_MAX_MS, Math.max(busyRetryMs, waitMs));
  }

  #expire(nowMs: number): void {
    for (const queue of [this.#known, this.#others]) {
      while (queue.length > 0 && nowMs - queue[0]!.sinceMs > this.#options.waitMaxMs) {
        const late = queue[0]!;
        this.#remove(late);
        this.#leave(late);
        this.#refuse(late);
      }
    }
  }

  #next(): Entry | null {
    const known = this.#known.length > 0 &&
      (this.#others.length === 0 || this.#knownTurns < KNOWN_TURNS);
    const entry = lowest(known ? this.#known : this.#others, this.#newest);
    if (entry === null) return null;
    this.#newest = !this.#newest;
    this.#knownTurns = known ? this.#knownTurns + 1 : 0;
    this.#remove(entry);
    return entry;
  }

  #pump(): void {
    while (this.#running < this.#options.concurrency) {
      const nowMs = this.#clock.monoMs();
      this.#expire(nowMs);
      const next = this.#next();
      if (next === null) return;
      this.#running++;
      for (const key of next.networks) this.#usage.add(nowMs, key);
      let released = false;
      next.job(() => {
        if (released) throw new Error("PasswordQueue: a job released its place twice");
        released = true;
        this.#running--;
        this.#jobMs += (this.#clock.monoMs() - nowMs - this.#jobMs) * JOB_WEIGHT;
        this.#leave(next);
        this.#pump();
      });
    }
  }

  /** It waits no longer. */
  #remove(entry: Entry): void {
    const queue = this.#queueOf(entry);
    queue.splice(queue.indexOf(entry), 1);
    for (const key of entry.networks) this.#waiting.add(key, -1);
  }

  #leave({ networks, account }: Entry): void {
    this.#open.add(networks[0]!, -1);
    this.#open.add(account, -1);
  }
}

/** The first of those with the lowest rank, or the last of them. */
function lowest(queue: readonly Entry[], last: boolean): Entry | null {
  let best: Entry | null = null;
  for (const entry of queue) {
    if (best === null || entry.rank < best.rank || (last && entry.rank === best.rank)) best = entry;
  }
  return best;
}

/** The last of those with the highest rank. */
function highest(queue: readonly Entry[]): Entry | null {
  let worst: Entry | null = null;
  for (const entry of queue) if (worst === null || entry.rank >= worst.rank) worst = entry;
  return worst;
}
