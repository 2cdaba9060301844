/** The sessions of a node, by id and by user, with the parts that they share. */
import type { AccountId, AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { Retries } from "../../shard/retry.ts";
import type { Clock, Random } from "../node/ports.ts";
import type { EdgeRouter, Withdraw } from "../node/router.ts";
import { CatchUp } from "./catch_up.ts";
import { Deadlines } from "./deadlines.ts";
import { Detaches } from "./detaches.ts";
import type { EdgeDeps, SessionRecords, Trial } from "./edge_deps.ts";
import { Flusher } from "./flusher.ts";
import { Held } from "./held.ts";
import { SignInStorm, STORM_HOLD_MS } from "./sign_in_storm.ts";
import type { LiveSession } from "./session.ts";
import type { EdgeCounters, EdgeLimits, EventCodec } from "./types.ts";
import { Watchers } from "./watchers.ts";

/** All sessions that have not ended, those included that are being attached. */
export class Sessions {
  readonly limits: EdgeLimits;
  readonly router: EdgeRouter;
  readonly clock: Clock;
  readonly random: Random;
  readonly retries: Retries;
  readonly counters: EdgeCounters;
  readonly codec: EventCodec;
  readonly watchers: Watchers;
  readonly detaches: Detaches;
  readonly flusher: Flusher<LiveSession>;
  /** Of receipts, and of contacts that come online while many do. */
  readonly held: Held;
  readonly heldArrivals: Held;
  readonly storm: SignInStorm;
  readonly deadlines: Deadlines<LiveSession>;
  readonly catchUp: CatchUp;
  readonly #trial: Trial | undefined;
  readonly #records: SessionRecords | undefined;
  readonly #byId = new Map<SessionId, LiveSession>();
  /** Most users have one session here: no array for those. */
  readonly #byUser = new Map<AccountName, LiveSession | readonly LiveSession[]>();

  /**
   * The shard of a session does not know it: attaches it again, which ends it where it may not be.
   * Returns whether it lives.
   */
  unknown: (session: LiveSession) => boolean = ({ alive }) => alive;

  /** How to withdraw attaches without a reply. */
  readonly #attaching = new Map<LiveSession, Withdraw>();

  constructor(deps: EdgeDeps, limits: EdgeLimits) {
    const { router, clock, timers, random, retries, counters, codec, trial, flushed } = deps;
    this.limits = limits;
    this.router = router;
    this.clock = clock;
    this.random = random;
    this.retries = retries;
    this.counters = counters;
    this.codec = codec;
    this.#trial = trial;
    this.#records = deps.records;
    this.watchers = new Watchers(deps);
    this.detaches = new Detaches(deps, () => deps.counters.detachRetries++);
    this.flusher = new Flusher(clock, timers, limits.flushIntervalMaxMs, flushed);
    this.held = new Held(clock, timers);
    const released = (sinceMs: number) => this.flusher.presence(sinceMs);
    this.heldArrivals = new Held(clock, timers, STORM_HOLD_MS, released);
    this.storm = new SignInStorm(clock);
    this.deadlines = new Deadlines(clock, timers, (session, nowMs) => session.wake(nowMs));
    this.catchUp = new CatchUp(clock, timers);
  }

  get size(): number {
    return this.#byId.size;
  }

  get userCount(): number {
    return this.#byUser.size;
  }

  users(): Iterable<AccountName> {
    return this.#byUser.keys();
  }

  /** Oldest first. */
  all(): Iterable<LiveSession> {
    return this.#byId.values();
  }

  get(id: SessionId): LiveSession | undefined {
    return this.#byId.get(id);
  }

  /** The session of this id that was attached, where it is this device's. */
  find(id: SessionId, user: AccountName, device: DeviceId): LiveSession | null {
    const session = this.#byId.get(id);
    if (session === undefined || session.attaching) return null;
    return session.user === user && session.device === device ? session : null;
  }

  of(user: AccountName): readonly LiveSession[] {
    const found = this.#byUser.get(user);
    if (found === undefined) return [];
    return isArray(found) ? found : [found];
  }

  /**
   * Counts the user's sessions but for those of `devices`, which a new session replaces, and those
   * that are being attached: their clients have proved nothing yet.
   */
  countOthers(user: AccountName, devices: readonly (DeviceId | undefined)[]): number {
    let count = 0;
    for (const { device, attaching } of this.of(user)) {
      if (!attaching && !devices.includes(device)) count++;
    }
    return count;
  }

  add(session: LiveSession): void {
    this.#byId.set(session.id, session);
    this.#set(session.user, [...this.of(session.user), session]);
  }

  /** The session is being attached, for as long as it lives. */
  attaches(session: LiveSession, withdraw: Withdraw | void): void {
    if (session.alive && withdraw !== undefined) this.#attaching.set(session, withdraw);
  }

  /** Whether an attach of a session has no reply. */
  isAttaching(session: LiveSession): boolean {
    return this.#attaching.has(session);
  }

  /** The attach of a session has its reply. */
  attached(session: LiveSession): void {
    this.#attaching.delete(session);
  }

  /** The session is over; `detach`: its shard must be notified; `as`: how it counts, if it does. */
  ended(session: LiveSession, detach: boolean, as: keyof EdgeCounters["ended"] | null): void {
    if (as !== null) {
      this.counters.ended[as]++;
      this.#records?.ended(session, as);
    }
    // Were it attached late, it would replace the session of a client that has returned elsewhere.
    this.#attaching.get(session)?.();
    this.#attaching.delete(session);
    if (this.#byId.delete(session.id)) {
      this.#set(session.user, this.of(session.user).filter((other) => other !== session));
    }
    if (detach) this.detaches.add(session.user, session.id);
  }

  #set(user: AccountName, sessions: readonly LiveSession[]): void {
    if (sessions.length === 0) this.#byUser.delete(user);
    else this.#byUser.set(user, sessions.length === 1 ? sessions[0]! : sessions);
  }

  /** How long a session of this account lives without a transport (ms), before jitter. */
  graceMs(account: AccountId): number {
    const { graceMs } = this.limits;
    return this.#trial?.graceMs(account, graceMs) ?? graceMs;
  }
}

function isArray<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
