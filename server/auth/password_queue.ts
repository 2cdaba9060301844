/**
 * The queue of everything that hashes a password. Few run at a time, because each costs
 * milliseconds of a core, and few wait, because clients do not wait for ever.
 *
 * A flood must not keep others out. What each network and each account has asked for lately is
 * counted, whether it was served or refused (fading by half in `HALF_LIFE_MS`); a wrong password
 * counts twice. Wider networks have a larger share. The entry whose network and account have asked
 * for least is served first; where the queue is full, it replaces the one that has asked for most.
 * The counts are those of the moment: a network that goes on asking loses the turns of its entries
 * that wait. A flood keeps others out only where its networks are so many that each asks for no
 * more than an ordinary user does. Of equal ranks the oldest and the newest have turns alternately:
 * where as many networks as in a flood have one entry each, one that is pushed later does not wait
 * for all of them.
 *
 * Entries from places that the account has signed in from (see `KnownPlace`) have a queue of their
 * own, which gets `KNOWN_TURNS` of `KNOWN_TURNS` + 1 turns while both have entries: accounts made for
 * a flood cannot keep unknown places out either. An entry that has asked for more than
 * `KNOWN_LOAD_MAX` has no such privilege: it waits as those from unknown places do. The account and
 * its place decide, not whether an account exists: strangers all wait in the same queue.
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
  /** Keys that the job derives, at most. */
  readonly hashes: number;
}

/** Work for the queue; `release` must be called exactly once, when the hashing is over. */
export type PasswordJob = (release: () => void) => void;

/** Time in which what was asked for fades by half (ms). */
const HALF_LIFE_MS = 30_000;
/** Networks and accounts whose use is remembered. */
const KEYS_MAX = 100_000;
/** What a network may ask for at the same rank, by how many narrower ones it is around. */
const SHARES = [1, 4, 16] as const;
/** Ranks that one hash is worth: after two half-lives it is worth less than one. */
const RANKS_PER_HASH = 4;
/** Hashes beyond which a known place waits with the unknown ones. */
const KNOWN_LOAD_MAX = 16;
/** Turns of known places for each turn of others, while both wait. */
const KNOWN_TURNS = 3;
/** Weight of the last job in the mean duration of jobs; the mean to begin with (ms). */
const JOB_WEIGHT = 0.1;
const JOB_MS = 30;
/** Longest wait that a refused client gets, before jitter (ms). */
const RETRY_MAX_MS = 30_000;

interface Source {
  /** From the narrowest. */
  readonly networks: readonly string[];
  readonly account: string;
  readonly known: boolean;
}

interface Entry extends Source {
  /** Entries of its narrowest network or of its account that were open when it was pushed. */
  readonly ahead: number;
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
  readonly #usage = new Usage({ halfLifeMs: HALF_LIFE_MS, keysMax: KEYS_MAX });
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
    const source = sourceOf(from);
    const ahead = Math.max(this.#open.of(source.networks[0]!), this.#open.of(source.account));
    const entry = { ...source, ahead, sinceMs: nowMs, job, refuse };
    this.#count(entry, nowMs, from.hashes);
    if (this.#open.of(entry.networks[0]!) >= perAddressMax) return this.#refuse(entry, nowMs);
    const queue = this.#queueOf(entry);
    if (this.#running >= concurrency && queue.length >= waitingMax) {
      const worst = this.#highest(queue, nowMs);
      if (worst === null || this.#rank(worst, nowMs) <= this.#rank(entry, nowMs)) {
        return this.#refuse(entry, nowMs);
      }
      this.#remove(worst);
      this.#leave(worst);
      this.#refuse(worst, nowMs);
    }
    this.#open.add(entry.networks[0]!, 1);
    this.#open.add(entry.account, 1);
    queue.push(entry);
    this.#pump();
  }

  /** Notes that what a job has checked was wrong: counts as another hash. */
  failed(from: Omit<PasswordFrom, "hashes">): void {
    this.#count(sourceOf(from), this.#clock.monoMs(), 1);
  }

  #count({ networks, account }: Source, nowMs: number, hashes: number): void {
    for (const key of networks) this.#usage.add(nowMs, key, hashes);
    this.#usage.add(nowMs, account, hashes);
  }

  /**
   * Grows with what was asked for. In steps: what has nearly faded does not put its network behind a
   * new one.
   */
  #rank({ networks, account }: Source, nowMs: number): number {
    let load = this.#usage.of(nowMs, account);
    for (const [i, key] of networks.entries()) {
      load = Math.max(load, this.#usage.of(nowMs, key) / SHARES[i]!);
    }
    return Math.floor(RANKS_PER_HASH * load);
  }

  #queueOf({ known }: Pick<Entry, "known">): Entry[] {
    return known ? this.#known : this.#others;
  }

  #refuse(entry: Entry, nowMs: number): void {
    const waitMs = Math.ceil(this.#likelyWaitMs(entry, nowMs) * (1 + this.#random.number()));
    entry.refuse(
      fail("busy", "Too many password checks are under way here; try again later.", waitMs),
    );
  }

  /** When those before the entry, and those that run, are likely to be done (ms from now). */
  #likelyWaitMs(entry: Entry, nowMs: number): number {
    const { concurrency, busyRetryMs } = this.#options;
    const rank = this.#rank(entry, nowMs);
    const before = this.#queueOf(entry).filter((e) => this.#rank(e, nowMs) <= rank).length;
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
        this.#refuse(late, nowMs);
      }
    }
  }

  #next(nowMs: number): Entry | null {
    const known = this.#lowest(this.#known, nowMs);
    const other = this.#lowest(this.#others, nowMs);
    const entry = this.#first(known, other, nowMs);
    if (entry === null) return null;
    this.#newest = !this.#newest;
    this.#knownTurns = entry.known ? this.#knownTurns + 1 : 0;
    this.#remove(entry);
    return entry;
  }

  /** Which of the two has the next turn. */
  #first(known: Entry | null, other: Entry | null, nowMs: number): Entry | null {
    if (known === null || other === null) return known ?? other;
    const rank = this.#rank(known, nowMs);
    if (rank <= RANKS_PER_HASH * KNOWN_LOAD_MAX) {
      return this.#knownTurns < KNOWN_TURNS ? known : other;
    }
    return rank < this.#rank(other, nowMs) ? known : other;
  }

  #pump(): void {
    while (this.#running < this.#options.concurrency) {
      const nowMs = this.#clock.monoMs();
      this.#expire(nowMs);
      const next = this.#next(nowMs);
      if (next === null) return;
      this.#running++;
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
  }

  #leave({ networks, account }: Entry): void {
    this.#open.add(networks[0]!, -1);
    this.#open.add(account, -1);
  }

  /**
   * The one with the lowest rank; of equal ones that which had the fewest of its own before it, and
   * of those the first, or in turns the last.
   */
  #lowest(queue: readonly Entry[], nowMs: number): Entry | null {
    let best: Entry | null = null;
    let least = Infinity;
    for (const entry of queue) {
      const rank = this.#rank(entry, nowMs);
      const order = rank - least || entry.ahead - (best?.ahead ?? 0);
      if (order > 0 || (order === 0 && !this.#newest)) continue;
      best = entry;
      least = rank;
    }
    return best;
  }

  /** The last of those with the highest rank. */
  #highest(queue: readonly Entry[], nowMs: number): Entry | null {
    let worst: Entry | null = null;
    let most = -1;
    for (const entry of queue) {
      const rank = this.#rank(entry, nowMs);
      if (rank < most) continue;
      worst = entry;
      most = rank;
    }
    return worst;
  }
}

/** Whose uses are counted for a client. */
function sourceOf({ name, address, known }: Omit<PasswordFrom, "hashes">): Source {
  // Others at an account cannot raise the rank of those at its known places.
  return { networks: networksOf(address), account: `account ${known} ${name}`, known };
}
