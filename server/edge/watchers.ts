/**
 * Who watches whom on this node. Each watched user is kept once, with the presence last heard of
 * and its encoding; interest is registered with the shard of the watched user for each watcher, for
 * it decides who may see what, and given back when nobody here has watched for a while.
 */
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import type {
  EdgePacket,
  InterestAnswer,
  InterestItem,
  PresenceOfDevice,
  WatchTarget,
} from "../../shard/ops.ts";
import type { Clock, Timers } from "../node/ports.ts";
import type { Router } from "../node/router.ts";
import type { EdgeCounters } from "./types.ts";

/** How long interest outlives the last watcher, ms. */
export const UNINTEREST_MS = 1000;
/** Up to so many watchers an array is both smaller and faster than a set. */
const ARRAY_MAX = 64;

/** What watches: a session. */
export interface Watcher {
  readonly user: AccountName;
  readonly userId: AccountId;
  /** Whom it watches; only `Watchers` changes it. */
  readonly watched: Watched[];
  /** Users who have blocked it, as they are shown for as long as that lasts: `Watchers`' too. */
  frozen: Map<AccountName, Watched> | null;
  /** False once it has ended. */
  readonly alive: boolean;
  /** The presence of `watched` is another than before, or is seen for the first time. */
  presenceChanged(watched: Watched, first: boolean): void;
  /** The right to see this user is gone: to be shown offline. */
  presenceRevoked(watched: Watched): void;
  /** In place of `before` (null: nobody), `frozen` is seen: offline, as after a sign-out. */
  presenceFrozen(before: Watched | null, frozen: Watched): void;
  /** The user is seen as it is again, or not at all, in place of `frozen`. */
  presenceThawed(frozen: Watched): void;
}

/** A user whose presence somebody here may see. */
export class Watched {
  readonly name: AccountName;
  id: AccountId;
  /** -1 before the first answer. */
  version = -1;
  devices: readonly PresenceOfDevice[] = [];
  lastSeen = 0;
  /** The presence as watchers are sent it, made when first needed. */
  encoded: string | null = null;
  watchers: Watcher[] | Set<Watcher> = [];
  /** Registrations under way. */
  asking = 0;

  constructor(name: AccountName, id: AccountId) {
    this.name = name;
    this.id = id;
  }

  /** Sessions that watch. */
  get size(): number {
    return Array.isArray(this.watchers) ? this.watchers.length : this.watchers.size;
  }

  has(watcher: Watcher): boolean {
    return Array.isArray(this.watchers)
      ? this.watchers.includes(watcher)
      : this.watchers.has(watcher);
  }

  add(watcher: Watcher): void {
    if (!Array.isArray(this.watchers)) this.watchers.add(watcher);
    else if (this.watchers.length < ARRAY_MAX) this.watchers.push(watcher);
    else this.watchers = new Set([...this.watchers, watcher]);
  }

  delete(watcher: Watcher): void {
    if (Array.isArray(this.watchers)) remove(this.watchers, watcher);
    else this.watchers.delete(watcher);
  }
}

/** Removes without keeping the order. */
function remove<T>(items: T[], item: T): void {
  const at = items.indexOf(item);
  if (at < 0) return;
  const last = items.pop()!;
  if (at < items.length) items[at] = last;
}

/** What the table needs. */
export interface WatchersDeps {
  readonly router: Router;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: EdgeCounters;
}

/** The watched users of a node. */
export class Watchers {
  readonly #deps: WatchersDeps;
  readonly #users = new Map<AccountName, Watched>();
  /** Users that nobody watches any more, and since when; in the order of time. */
  readonly #idle = new Map<Watched, number>();
  #sweeping = false;
  /** Registrations under way, with the users whose answers a revocation has made void meanwhile. */
  readonly #asking = new Map<readonly Watcher[], Map<AccountName, number | null> | null>();
  #pairs = 0;

  constructor(deps: WatchersDeps) {
    this.#deps = deps;
  }

  /** Watched users, those included that are about to be forgotten. */
  get size(): number {
    return this.#users.size;
  }

  /** Pairs of a watching session and a watched user. */
  get pairs(): number {
    return this.#pairs;
  }

  get(name: AccountName): Watched | undefined {
    return this.#users.get(name);
  }

  /**
   * Registers interest for sessions of one user, in one call; each is told of every target that it
   * may see. `done` comes when all shards have answered, possibly before this returns.
   */
  register(
    watchers: readonly Watcher[],
    targets: readonly WatchTarget[],
    done: () => void,
  ): void {
    const first = watchers[0];
    if (first === undefined || targets.length === 0) return done();
    const items: InterestItem[] = targets.map(({ name, id }) => {
      this.#hold(name, id).asking++;
      return { watcher: first.user, watcherId: first.userId, watched: name, watchedId: id };
    });
    let left = items.length;
    const asking = [...watchers];
    this.#asking.set(asking, null);
    this.#deps.router.interest(items, (answers) => {
      for (const answer of answers) this.#answered(asking, answer);
      left -= answers.length;
      if (left > 0) return;
      this.#asking.delete(asking);
      done();
    });
  }

  #hold(name: AccountName, id: AccountId): Watched {
    let user = this.#users.get(name);
    if (user === undefined) {
      user = new Watched(name, id);
      this.#users.set(name, user);
    }
    if (this.#idle.size > 0) this.#idle.delete(user);
    return user;
  }

  #answered(watchers: readonly Watcher[], answer: InterestAnswer): void {
    const user = this.#users.get(answer.watched);
    if (user === undefined) return;
    user.asking--;
    const { presence } = answer;
    const revoked = this.#asking.get(watchers)?.get(answer.watched);
    if (presence !== null && revoked === undefined) {
      // Those who watch already may hear of a change by this answer first.
      const newer = user.id !== presence.watchedId || presence.version > user.version;
      if (newer) this.#update(user, presence);
      for (const watcher of watchers) if (watcher.alive) this.#watch(watcher, user);
    } else {
      const lastSeen = presence === null ? answer.lastSeen : revoked ?? null;
      for (const watcher of watchers) {
        if (lastSeen === null || !watcher.alive || user.has(watcher)) continue;
        this.#freeze(watcher, watcher.frozen?.get(user.name) ?? null, user, lastSeen);
      }
    }
    this.#forgetIfIdle(user);
  }

  /** The frozen user is nobody else's: it has no place in the table, and no interest. */
  #freeze(watcher: Watcher, before: Watched | null, user: Watched, lastSeen: number): void {
    if (before !== null && before !== user && before.lastSeen === lastSeen) return;
    const frozen = new Watched(user.name, user.id);
    frozen.lastSeen = lastSeen;
    (watcher.frozen ??= new Map()).set(user.name, frozen);
    watcher.presenceFrozen(before, frozen);
  }

  #thaw(watcher: Watcher, name: AccountName): Watched | null {
    const frozen = watcher.frozen?.get(name);
    if (frozen === undefined) return null;
    watcher.frozen!.delete(name);
    watcher.presenceThawed(frozen);
    return frozen;
  }

  #watch(watcher: Watcher, user: Watched): void {
    const first = !user.has(watcher);
    if (first) {
      this.#thaw(watcher, user.name);
      user.add(watcher);
      watcher.watched.push(user);
      this.#pairs++;
    }
    watcher.presenceChanged(user, first);
  }

  /** A packet of presence; answers how many watch. */
  changed(packet: EdgePacket & { readonly kind: "presence" }): number {
    const { counters } = this.#deps;
    counters.presencePackets++;
    const user = this.#users.get(packet.watched);
    const known = user !== undefined && user.id === packet.watchedId;
    if (!known || packet.version <= user.version) {
      counters.presenceStale++;
      return 0;
    }
    this.#update(user, packet);
    return user.size;
  }

  #update(
    user: Watched,
    presence: {
      readonly watchedId: AccountId;
      readonly version: number;
      readonly devices: readonly PresenceOfDevice[];
      readonly lastSeen: number;
    },
  ): void {
    user.id = presence.watchedId;
    user.version = presence.version;
    user.devices = presence.devices;
    user.lastSeen = presence.lastSeen;
    user.encoded = null;
    for (const watcher of user.watchers) watcher.presenceChanged(user, false);
  }

  /**
   * A watcher has lost the right to see a user. Where `lastSeen` is given it must not notice: it goes
   * on seeing the user as one who has signed out.
   */
  revoke(watcher: Watcher, name: AccountName, lastSeen: number | null): void {
    // All watchers of a registration are one user's: what one has lost, all have.
    for (const [watchers, revoked] of this.#asking) {
      if (!watchers.includes(watcher)) continue;
      if (revoked === null) this.#asking.set(watchers, new Map([[name, lastSeen]]));
      else revoked.set(name, lastSeen);
    }
    const user = this.#users.get(name);
    if (user === undefined || !user.has(watcher)) {
      const frozen = watcher.frozen?.get(name) ?? null;
      if (frozen === null) return;
      if (lastSeen !== null) return this.#freeze(watcher, frozen, frozen, lastSeen);
      this.#thaw(watcher, name);
      return watcher.presenceRevoked(frozen);
    }
    user.delete(watcher);
    remove(watcher.watched, user);
    this.#pairs--;
    if (lastSeen === null) watcher.presenceRevoked(user);
    else this.#freeze(watcher, user, user, lastSeen);
    this.#forgetIfIdle(user);
  }

  /** A watcher has ended. */
  leave(watcher: Watcher): void {
    for (const user of watcher.watched) {
      user.delete(watcher);
      this.#forgetIfIdle(user);
    }
    this.#pairs -= watcher.watched.length;
    watcher.watched.length = 0;
    watcher.frozen = null;
  }

  #forgetIfIdle(user: Watched): void {
    if (user.asking > 0 || user.size > 0) return;
    // A new deadline needs a new place in the order.
    this.#idle.delete(user);
    this.#idle.set(user, this.#deps.clock.monoMs());
    this.#sweepAfter(UNINTEREST_MS);
  }

  #sweepAfter(delayMs: number): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#deps.timers.after(delayMs, () => this.#sweep());
  }

  #sweep(): void {
    this.#sweeping = false;
    const nowMs = this.#deps.clock.monoMs();
    const names: AccountName[] = [];
    for (const [user, sinceMs] of this.#idle) {
      if (sinceMs + UNINTEREST_MS > nowMs) {
        this.#sweepAfter(sinceMs + UNINTEREST_MS - nowMs);
        break;
      }
      this.#idle.delete(user);
      this.#users.delete(user.name);
      names.push(user.name);
    }
    if (names.length > 0) this.#deps.router.uninterest(names);
  }
}
