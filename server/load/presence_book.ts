/**
 * Checks presence at the watchers. Each change of a user has the next version, which its status
 * carries. Presence is last-writer-wins: versions may be skipped under load, but never go back, and
 * in the end every watcher that is online must hold the newest one. What was delivered, skipped and
 * is missing adds up to what was expected, by construction.
 */
import { type Ring, slotOf } from "./ring.ts";

/** Shows by version, so that a status cannot travel with the wrong show unnoticed. */
export const SHOWS = ["online", "chat", "away", "xa", "dnd"] as const;

/** The show that a version goes with. */
export function showOf(version: number): (typeof SHOWS)[number] {
  return SHOWS[version % SHOWS.length]!;
}

/** Nothing is known of the contact; the same as offline to a watcher, but no news. */
const UNKNOWN = 0;
/** What is kept for a contact that was said to be offline: that, and the version held before. */
const offlineAfter = (version: number) => version < 0 ? version : -version - 1;

/** What watchers have counted. */
export interface PresenceCounts {
  /** Changes that arrived at watchers that held an older version. */
  readonly delivered: number;
  /** Versions that a newer one overtook on its way to a watcher. */
  readonly coalesced: number;
  /** First presence of a contact after a sign-in, and contacts that came online. */
  readonly initial: number;
  readonly offline: number;
  /** The version that the watcher held already. */
  readonly repeated: number;
  /** Versions older than one held: never allowed. */
  readonly backwards: number;
  /** A show that does not go with the version, or a user who is no contact: never allowed. */
  readonly wrong: number;
}

/** A change of a contact that the watcher held online, or the first it hears of the contact. */
export type News = "change" | "arrival";

/** How a watcher's view compares with what its contacts are. */
export interface PresenceMismatches {
  /** Pairs of watcher and contact that were compared. */
  readonly compared: number;
  /** Versions that watchers still lack. */
  readonly missing: number;
  /** Pairs that differ. */
  readonly stale: number;
}

/** The state of users as they have set it: version, or 0 where offline, by user. */
export type PresenceTruth = Int32Array;

/** The watchers `lo … hi − 1` of a ring, and the versions of these users themselves. */
export class PresenceBook {
  readonly #ring: Ring;
  readonly #lo: number;
  readonly #hi: number;
  readonly #seen: Int32Array;
  /**
   * When a contact seen online was last shown offline, by watcher and slot (ms since 1970); 0:
   * never.
   */
  readonly #offlineAtMs: Float64Array;
  readonly #versions: Int32Array;
  readonly #online: Uint8Array;
  #counts = noCounts();

  constructor(ring: Ring, lo: number, hi: number) {
    this.#ring = ring;
    this.#lo = lo;
    this.#hi = hi;
    this.#seen = new Int32Array((hi - lo) * ring.contacts);
    this.#offlineAtMs = new Float64Array((hi - lo) * ring.contacts);
    this.#versions = new Int32Array(hi - lo);
    this.#online = new Uint8Array(hi - lo);
  }

  /** What was counted since the start or `resetCounts`. */
  get counts(): PresenceCounts {
    return this.#counts;
  }

  /** Begins to count anew, for a measured phase; but what may never be is not forgotten. */
  resetCounts(): void {
    const { backwards, wrong } = this.#counts;
    this.#counts = { ...noCounts(), backwards, wrong };
    this.#offlineAtMs.fill(0);
  }

  /** A local user's version for its next change. */
  next(user: number): number {
    return ++this.#versions[user - this.#lo]!;
  }

  /** The version that a local user has. */
  version(user: number): number {
    return this.#versions[user - this.#lo]!;
  }

  /** A change was refused: the newest version is another one again. */
  refused(user: number, version: number): void {
    if (this.#versions[user - this.#lo] === version) this.#versions[user - this.#lo] = version - 1;
  }

  /** A local user's session has begun; unless it goes on from before, it knows nothing yet. */
  signedIn(user: number, resumed: boolean): void {
    this.#online[user - this.#lo] = 1;
    if (resumed) return;
    const at = (user - this.#lo) * this.#ring.contacts;
    this.#seen.fill(UNKNOWN, at, at + this.#ring.contacts);
  }

  /** A local user is offline, or will be as soon as the server notices. */
  signedOut(user: number): void {
    this.#online[user - this.#lo] = 0;
  }

  /**
   * A local watcher got a contact's `version`, with its show or not. Answers what news it
   * is, to be timed; null where the watcher had it.
   */
  received(watcher: number, contact: number, version: number, showMatches: boolean): News | null {
    const slot = slotOf(this.#ring, watcher, contact);
    const counts = this.#counts;
    if (slot < 0 || !showMatches) {
      counts.wrong++;
      return null;
    }
    const at = (watcher - this.#lo) * this.#ring.contacts + slot;
    const before = this.#seen[at]!;
    if (before > UNKNOWN && version <= before) {
      if (version === before) counts.repeated++;
      else counts.backwards++;
      return null;
    }
    this.#seen[at] = version;
    if (before > UNKNOWN) {
      counts.delivered++;
      counts.coalesced += version - before - 1;
      return "change";
    }
    counts.initial++;
    return before === UNKNOWN || version > -before - 1 ? "arrival" : null;
  }

  /** A local watcher was shown a contact offline at `nowMs`. */
  wentOffline(watcher: number, contact: number, nowMs: number): void {
    const slot = slotOf(this.#ring, watcher, contact);
    if (slot < 0) {
      this.#counts.wrong++;
      return;
    }
    const at = (watcher - this.#lo) * this.#ring.contacts + slot;
    const before = this.#seen[at]!;
    this.#counts.offline++;
    this.#seen[at] = offlineAfter(before);
    // What a new session is first shown is no change: only who was seen online goes offline.
    if (before > UNKNOWN) this.#offlineAtMs[at] = nowMs;
  }

  /** The part of the truth that is decided here: for the users `lo … hi − 1`. */
  truth(): PresenceTruth {
    return this.#versions.map((version, i) => this.#online[i] === 1 ? version : 0);
  }

  /** Compares what local watchers that are online hold with the truth about all users. */
  compare(truth: PresenceTruth): PresenceMismatches {
    let [compared, missing, stale] = [0, 0, 0];
    this.#eachSlot((contact, at) => {
      compared++;
      const wanted = truth[contact]!;
      const seen = Math.max(UNKNOWN, this.#seen[at]!);
      if (seen === wanted) return;
      stale++;
      if (wanted > seen && seen > UNKNOWN) missing += wanted - seen;
      else missing++;
    });
    return { compared, missing, stale };
  }

  /**
   * How often a watcher that is online was shown a contact offline while it was only away for less
   * than `graceMs`. `goneMs` and `backMs` tell when users were away last (ms since 1970); 0: never.
   */
  falseOffline(goneMs: Float64Array, backMs: Float64Array, graceMs: number): number {
    let count = 0;
    this.#eachSlot((contact, at) => {
      const gone = goneMs[contact]!;
      const back = backMs[contact]!;
      const seenMs = this.#offlineAtMs[at]!;
      if (gone > 0 && back - gone < graceMs && seenMs >= gone && seenMs <= back) count++;
    });
    return count;
  }

  #eachSlot(run: (contact: number, at: number) => void): void {
    const { users, contacts } = this.#ring;
    const half = contacts >> 1;
    for (let watcher = this.#lo; watcher < this.#hi; watcher++) {
      if (this.#online[watcher - this.#lo] === 0) continue;
      const at = (watcher - this.#lo) * contacts;
      for (let k = 1; k <= half; k++) {
        run((watcher + k) % users, at + k - 1);
        run((watcher - k + users) % users, at + half + k - 1);
      }
    }
  }
}

function noCounts(): { -readonly [K in keyof PresenceCounts]: number } {
  return {
    delivered: 0,
    coalesced: 0,
    initial: 0,
    offline: 0,
    repeated: 0,
    backwards: 0,
    wrong: 0,
  };
}
