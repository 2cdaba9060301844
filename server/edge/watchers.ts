/**
 * Who watches whom on this node. Each watched user is kept once, with the presence last heard of
 * and its encoding; interest is registered with the shard of the watched user for each watcher, for
 * it decides who may see what, and given back when nobody here has watched for a while.
 */
import { type AccountId, type AccountName, pointOf } from "../../shard/name/ids.ts";
import type { EdgePacket, InterestAnswer, InterestItem } from "../../shard/edge_packet.ts";
import type { PresenceOfDevice, WatchTarget } from "../../shard/ops.ts";
import { isUndecided, PENDING } from "../../shard/presence/returning.ts";
import type { EdgeDeps } from "./edge_deps.ts";
import { registrations } from "./registrations.ts";
import { Undecided } from "./undecided.ts";
import { looksSame, remove, Watched, type Watcher } from "./watched.ts";

/** How long interest outlives the last watcher, ms. */
export const UNINTEREST_MS = 1000;
/** A registration under way. */
interface Asking {
  readonly watchers: readonly Watcher[];
  readonly targets: readonly WatchTarget[];
  /** Whose accounts were asked for, where it is not the first time; else null. */
  ids: ReadonlyMap<AccountName, AccountId> | null;
  /**
   * Users whose answers a revocation has made void meanwhile: for good where the watchers' own user
   * wants it ("own"); else with what it shows, for the right may have been granted again behind it.
   */
  revoked: Map<AccountName, "own" | number | null> | null;
}

type Deps = Pick<EdgeDeps, "router" | "clock" | "timers" | "counters">;

/** The watched users of a node. */
export class Watchers {
  readonly #deps: Deps;
  readonly #users = new Map<AccountName, Watched>();
  /** Users that nobody watches any more, and since when; in the order of time. */
  readonly #idle = new Map<Watched, number>();
  #sweeping = false;
  /** Registrations under way, by whose they are. */
  readonly #asking = new Map<AccountName, readonly Asking[]>();
  readonly #undecided = new Undecided();
  #pairs = 0;

  constructor(deps: Deps) {
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
   * Registers interest for sessions of one user, in one call; each is notified of every target that
   * it may see. `done` comes when all shards have answered, possibly before this returns. `again`:
   * the shards have forgotten the interest; those who watch already learn what has changed.
   */
  register(
    watchers: readonly Watcher[],
    targets: readonly WatchTarget[],
    done: () => void,
    again = false,
  ): void {
    const first = watchers[0];
    if (first === undefined || targets.length === 0) return done();
    const items: InterestItem[] = targets.map(({ name, id }) => {
      this.#hold(name, id).asking++;
      return { watcher: first.user, watcherId: first.userId, watched: name, watchedId: id };
    });
    let left = items.length;
    const asking: Asking = { watchers: [...watchers], targets, ids: null, revoked: null };
    if (again) asking.ids = new Map(targets.map(({ name, id }) => [name, id]));
    this.#asking.set(first.user, [...this.#asking.get(first.user) ?? [], asking]);
    this.#deps.router.interest(items, (answers) => {
      for (const answer of answers) this.#answered(asking, answer);
      left -= answers.length;
      if (left > 0) return;
      const others = this.#asking.get(first.user)!.filter((other) => other !== asking);
      if (others.length > 0) this.#asking.set(first.user, others);
      else this.#asking.delete(first.user);
      done();
    });
  }

  #askingOf(watcher: Watcher): readonly Asking[] {
    const all = this.#asking.get(watcher.user) ?? [];
    return all.filter(({ watchers }) => watchers.includes(watcher));
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

  #answered(asking: Asking, answer: InterestAnswer): void {
    const { watchers, ids } = asking;
    const user = this.#users.get(answer.watched);
    if (user === undefined) return;
    user.asking--;
    const { presence } = answer;
    const revoked = asking.revoked?.get(answer.watched);
    // Their user may want to see it no more: where it does, its shard says so.
    if (revoked === "own") return this.#forgetIfIdle(user);
    if (presence !== null && isUndecided(presence)) {
      const waiting = watchers.filter((w) => !user.has(w));
      this.#refuseFor(waiting, user);
      for (const w of waiting) if (w.frozen?.has(user.name) !== true) this.#undecided.add(w, user);
      return this.#forgetIfIdle(user);
    }
    if (presence !== null && revoked !== undefined) {
      if (revoked !== null) { for (const w of watchers) this.#refuse(w, user, revoked, false); }
      const targets = asking.targets.filter(({ name }) => name === answer.watched);
      this.register(watchers.filter(({ alive }) => alive), targets, () => {}, ids !== null);
    } else if (presence !== null) {
      // Those who watch already may hear of a change by this answer first.
      if (user.id !== presence.watchedId || user.isNews(presence)) this.#update(user, presence);
      for (const watcher of watchers) if (watcher.alive) this.#watch(watcher, user, ids !== null);
    } else {
      const { lastSeen } = answer;
      const ended = ids?.get(user.name) === user.id;
      for (const watcher of watchers) this.#refuse(watcher, user, lastSeen, ended);
      if (lastSeen === null) this.#refuseFor(watchers, user);
    }
    this.#forgetIfIdle(user);
  }

  /** They may not see the user, or not yet: they are asked for again when that may change. */
  #refuseFor(watchers: readonly Watcher[], { name, id }: Watched): void {
    for (const watcher of watchers) {
      if (watcher.alive) (watcher.refused ??= new Map()).set(name, id);
    }
  }

  /** `ended`: one who watches already has lost the right, while its shard knew nobody. */
  #refuse(watcher: Watcher, user: Watched, lastSeen: number | null, ended: boolean): void {
    if (!watcher.alive) return;
    this.#decided(watcher, user.name);
    if (user.has(watcher)) {
      if (ended) this.revoke(watcher, user.name, lastSeen, "theirs");
    } else if (lastSeen !== null) {
      this.#freeze(watcher, watcher.frozen?.get(user.name) ?? null, user, lastSeen);
    }
  }

  /** The home of a user is another cell now: those who watch it register again; returns how many. */
  rewatchUser(name: AccountName, sessions: Iterable<Watcher>): number {
    const point = pointOf(name);
    let count = 0;
    for (const { targets, watchers } of registrations(point, point + 1, sessions)) {
      const id = targets.get(name);
      if (id === undefined) continue;
      this.register([...watchers].filter(({ alive }) => alive), [{ name, id }], () => {}, true);
      count += watchers.size;
    }
    return count;
  }

  /** The watcher may see exactly `targets` now, as far as that is its own user's affair. */
  rewatch(watcher: Watcher, targets: readonly WatchTarget[]): void {
    const wanted = new Map(targets.map(({ name, id }) => [name, id]));
    const seen = [...watcher.watched, ...watcher.frozen?.values() ?? []];
    const asked = this.#askingOf(watcher).flatMap(({ targets }) => targets);
    const known = [...seen, ...asked].map(({ name }) => name);
    for (const name of [...known, ...watcher.refused?.keys() ?? []]) {
      if (!wanted.has(name)) this.revoke(watcher, name, null, "own");
    }
    for (const { name, id } of watcher.watched) if (wanted.get(name) === id) wanted.delete(name);
    // Others too: that they may be seen by now was lost with the former owner.
    this.register([watcher], [...wanted].map(([name, id]) => ({ name, id })), () => {});
  }

  /** The frozen user is nobody else's: it has no place in the table, and no interest. */
  #freeze(
    watcher: Watcher,
    before: Watched | null,
    user: Watched,
    lastSeen: number,
    missed = false,
  ): void {
    if (before !== null && before !== user && before.lastSeen === lastSeen) return;
    const frozen = new Watched(user.name, user.id);
    frozen.lastSeen = lastSeen;
    (watcher.frozen ??= new Map()).set(user.name, frozen);
    watcher.presenceFrozen(before, frozen, missed);
  }

  #thaw(watcher: Watcher, name: AccountName): Watched | null {
    const frozen = watcher.frozen?.get(name);
    if (frozen === undefined) return null;
    watcher.frozen!.delete(name);
    watcher.presenceThawed(frozen);
    return frozen;
  }

  #watch(watcher: Watcher, user: Watched, again: boolean): void {
    const first = !user.has(watcher);
    const missed = user.doubted?.get(watcher) === true;
    user.doubted?.delete(watcher);
    // Existing watchers were notified with the others, if there was a change.
    if (again && !first && !missed) return;
    const shown = this.#undecided.end(watcher, user.name);
    if (first) {
      this.#thaw(watcher, user.name);
      watcher.refused?.delete(user.name);
      user.add(watcher);
      watcher.watched.push(user);
      this.#pairs++;
    }
    watcher.presenceChanged(user, first && shown === null ? "first" : "changed");
  }

  /** A watcher does not see a user: where that was shown as pending, it is shown offline. */
  #decided(watcher: Watcher, name: AccountName): void {
    const shown = this.#undecided.end(watcher, name);
    if (shown !== null) watcher.presenceRevoked(shown);
  }

  /** Shards have not answered for long: a watcher is notified of whom they have to decide. */
  late(watcher: Watcher): void {
    for (const target of this.#askingOf(watcher).flatMap(({ targets }) => targets)) {
      const { name } = target;
      const isSeen = this.#users.get(name)?.has(watcher) || watcher.frozen?.has(name);
      if (!isSeen && !watcher.refused?.has(name)) this.#undecided.add(watcher, target);
    }
  }

  /** A packet of presence; returns how many watch. */
  changed(packet: EdgePacket & { readonly kind: "presence" }): number {
    const { counters } = this.#deps;
    counters.presencePackets++;
    const user = this.#users.get(packet.watched);
    const known = user !== undefined && user.id === packet.watchedId;
    if (!known || !user.isOlder(packet) && !user.isBack(packet)) {
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
      readonly epoch: number;
      readonly version: number;
      readonly devices: readonly PresenceOfDevice[];
      readonly lastSeen: number;
    },
  ): void {
    const other = user.id !== presence.watchedId;
    // A new owner of the shard begins anew with what was so before: nobody need notice.
    const began = user.version >= 0 && (user.epoch !== presence.epoch || user.pending);
    const shown = user.pendingShown || user.away;
    const same = !other && began && !shown && looksSame(user, presence);
    user.id = presence.watchedId;
    user.epoch = presence.epoch;
    user.version = presence.version;
    user.pending = presence.version === PENDING;
    user.away = false;
    if (same) return;
    user.encoded = null;
    if (user.pending && !other) return;
    const news = user.devices.length === 0 && presence.devices.length > 0 ? "came" : "changed";
    user.pendingShown = false;
    user.devices = presence.devices;
    user.lastSeen = presence.lastSeen;
    for (const watcher of user.watchers) {
      if (user.doubted?.has(watcher) === true) user.doubted.set(watcher, true);
      else watcher.presenceChanged(user, news);
    }
  }

  /** Nobody knows whether a user's presence holds any more; returns how many watch. */
  unknown({ watched, watchedId }: EdgePacket & { readonly kind: "unknown" }): number {
    const undecided = this.#undecided.unknown(watched, watchedId);
    const user = this.#users.get(watched);
    if (user === undefined || user.id !== watchedId || user.away) return undecided;
    user.forgetPresence();
    for (const watcher of user.watchers) watcher.presenceChanged(user, "changed");
    return undecided + user.size;
  }

  /** Registers interest again for those who see the user, or wanted to and may not have so far. */
  askAgain(watchers: readonly Watcher[], target: WatchTarget): number {
    const { name } = target;
    const wants = (w: Watcher) =>
      w.watched.some((user) => user.name === name) || w.refused?.has(name) || w.frozen?.has(name);
    const asking = watchers.filter((w) => w.alive && wants(w));
    this.register(asking, [target], () => {}, true);
    return asking.length;
  }

  /** Who watches users with points in `[lo, hi)` may see no change before the next answer. */
  doubt(lo: number, hi: number): void {
    for (const user of this.#users.values()) {
      const point = pointOf(user.name);
      if (point < lo || point >= hi) continue;
      const before = user.doubted;
      user.doubted = new Map([...user.watchers].map((w) => [w, before?.get(w) === true]));
    }
  }

  /**
   * A watcher has lost the right to see a user. Where `lastSeen` is given it must not notice: it
   * goes on seeing the user as one who has signed out. `by`: whose will it is; "own" also where that
   * is not known. What is not its own it still wants to see: the right may have been granted again, and
   * a new owner of the user's shard is asked for it.
   */
  revoke(
    watcher: Watcher,
    name: AccountName,
    lastSeen: number | null,
    by: "own" | "theirs",
  ): void {
    // All watchers of a registration are one user's: what one has lost, all have.
    for (const asking of this.#askingOf(watcher)) {
      const revoked = asking.revoked ??= new Map();
      if (revoked.get(name) !== "own") revoked.set(name, by === "own" ? by : lastSeen);
    }
    if (by === "own") watcher.refused?.delete(name);
    const user = this.#users.get(name);
    const isKept = by === "theirs" && lastSeen === null;
    this.#decided(watcher, name);
    if (user === undefined || !user.has(watcher)) {
      const frozen = watcher.frozen?.get(name) ?? null;
      if (frozen === null) return;
      if (lastSeen !== null) return this.#freeze(watcher, frozen, frozen, lastSeen);
      this.#thaw(watcher, name);
      if (isKept) this.#refuseFor([watcher], frozen);
      return watcher.presenceRevoked(frozen);
    }
    const missed = user.doubted?.get(watcher) === true;
    user.delete(watcher);
    remove(watcher.watched, user);
    this.#pairs--;
    if (isKept) this.#refuseFor([watcher], user);
    if (lastSeen === null) watcher.presenceRevoked(user);
    else this.#freeze(watcher, user, user, lastSeen, missed);
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
    watcher.refused = null;
    this.#undecided.leave(watcher);
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
