/**
 * The edge of a node: opens sessions, takes them up again, hands packets of shards to them, and
 * ends them. Everything else is a session's own affair.
 */
import type {
  AccountId,
  AccountName,
  Cursor,
  DeviceId,
  NodeId,
  SessionId,
} from "../../shard/name/ids.ts";
import { newSessionId } from "./session_id.ts";
import type { EdgePacket, WatchTarget } from "../../shard/ops.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { Ports } from "../node/ports.ts";
import type { EdgeRouter } from "../node/router.ts";
import { Announcer } from "./announcer.ts";
import { CatchUp } from "./catch_up.ts";
import { Deadlines } from "./deadlines.ts";
import { Detaches } from "./detaches.ts";
import { Directory } from "./directory.ts";
import { EventBatch, PAGE } from "./feed.ts";
import { Flusher, type Round } from "./flusher.ts";
import { gaugesOf } from "./gauges.ts";
import { LiveSession, type SessionDeps } from "./session.ts";
import { Watchers } from "./watchers.ts";
import type {
  EdgeCounters,
  EdgeGauges,
  EdgeLimits,
  EventCodec,
  OpenedSession,
  OpenSession,
  Session,
} from "./types.ts";

/** What somebody is asked to wait who is refused for want of room, ms. */
const FULL_RETRY_MS = 5000;
/** How often a few sessions are sent away while draining, ms. */
const DRAIN_STEP_MS = 50;
/** How long draining waits for shards to hear of the ends, ms. */
const DRAIN_DETACH_MS = 2000;

/** What an edge needs. */
export interface EdgeDeps extends Pick<Ports, "clock" | "timers" | "random" | "retries" | "log"> {
  /** The node that the edge belongs to; its sessions' ids name it. */
  readonly node: NodeId;
  readonly router: EdgeRouter;
  readonly counters: EdgeCounters;
  readonly codec: EventCodec;
  /** Serves some accounts differently and counts what comes of it; absent: nobody. */
  readonly trial?: Trial;
  /** Called after each round of flushes. */
  readonly flushed: (round: Round) => void;
}

/** An experiment with the grace. */
export interface Trial {
  /** In place of the limits' grace, ms. */
  graceMs(account: AccountId, graceMs: number): number;
  /**
   * A session was opened, or taken up within its grace; `falseOffline`: one was opened by a client
   * that would have taken another up, but its grace was over.
   */
  count(account: AccountId, what: "opened" | "resumed" | "falseOffline"): void;
}

/** How sessions are sent away. */
export interface DrainOptions {
  /** Over how long they are spread, ms. */
  readonly spreadMs: number;
  /** When clients should reconnect, ms: each gets half of it to one and a half. */
  readonly retryAfterMs: number;
}

/** The sessions of one node. */
export interface Edge {
  /**
   * Opens a session, or takes up the one that `resume` names; calls back once, possibly before this
   * returns. Refused with `limit_reached` where the account has too many sessions, `busy` where the
   * node has or is draining, and with what the shard says. The caller starts the session.
   */
  open(options: OpenSession, done: (result: Result<OpenedSession>) => void): void;
  /** The live session of this id, where it is this device's. */
  find(id: SessionId, user: AccountName, device: DeviceId): Session | null;
  /** The live session of this id, of any account. */
  session(id: SessionId): Session | null;
  /** Takes a packet from a shard; returns how many sessions it concerns. Never throws. */
  deliver(packet: EdgePacket): number;
  /** Sends everybody away, and refuses who comes; `done` when all are gone and detached. */
  drain(options: DrainOptions, done: () => void): void;
  gauges(): EdgeGauges;
}

/** Makes the edge of a node. */
export function createEdge(deps: EdgeDeps, limits: EdgeLimits): Edge {
  return new NodeEdge(deps, limits);
}

class NodeEdge implements Edge {
  readonly #deps: EdgeDeps;
  readonly #limits: EdgeLimits;
  readonly #sessions = new Directory();
  readonly #watchers: Watchers;
  readonly #detaches: Detaches;
  readonly #announcer: Announcer;
  readonly #shared: SessionDeps;
  #draining: DrainOptions | null = null;

  constructor(deps: EdgeDeps, limits: EdgeLimits) {
    const { router, clock, timers, random, retries, counters, codec, flushed } = deps;
    this.#deps = deps;
    this.#limits = limits;
    this.#watchers = new Watchers(deps);
    this.#detaches = new Detaches(deps);
    const sessions = () => this.#sessions.all();
    this.#announcer = new Announcer({ ...deps, watchers: this.#watchers, sessions });
    this.#shared = {
      router,
      clock,
      random,
      retries,
      counters,
      codec,
      limits,
      graceMs: (account) => deps.trial?.graceMs(account, limits.graceMs) ?? limits.graceMs,
      flusher: new Flusher(clock, timers, limits.flushIntervalMaxMs, flushed),
      watchers: this.#watchers,
      deadlines: new Deadlines(clock, timers, (session, nowMs) => session.wake(nowMs)),
      catchUp: new CatchUp(clock, timers),
      ended: (session, detach) => this.#ended(session, detach),
    };
  }

  // ---- opening

  open(options: OpenSession, done: (result: Result<OpenedSession>) => void): void {
    const { user, device, resume, ends } = options;
    const refusal = this.#drainRefusal();
    if (refusal !== null) return done(refusal);
    const old = resume === null ? null : this.#find(resume, user, device);
    if (old !== null) return this.#resume(old, options, done);
    const full = this.#fullRefusal(user, [device, ends]);
    if (full !== null) {
      this.#deps.counters.refused++;
      return done(full);
    }
    this.#attach(options, done);
  }

  #drainRefusal(): Failure | null {
    if (this.#draining === null) return null;
    return fail("busy", "The server is going away for a moment", this.#drainRetryMs());
  }

  #drainRetryMs(): number {
    const retryAfterMs = this.#draining?.retryAfterMs ?? 0;
    return Math.ceil(retryAfterMs * (0.5 + this.#deps.random.number()));
  }

  #fullRefusal(
    user: AccountName,
    replaced: readonly (DeviceId | undefined)[],
  ): Failure | null {
    const { sessionsMax, sessionsPerAccountMax } = this.#limits;
    if (this.#sessions.size >= sessionsMax) {
      const retryMs = Math.ceil(FULL_RETRY_MS * (0.5 + this.#deps.random.number()));
      return fail("busy", `The server has ${sessionsMax} sessions already`, retryMs);
    }
    if (this.#sessions.countOthers(user, replaced) < sessionsPerAccountMax) return null;
    const message = `Cannot open a session: the account has ${sessionsPerAccountMax} already, ` +
      "as many as it may have. End another one first (end)";
    return fail("limit_reached", message);
  }

  #attach(options: OpenSession, done: (result: Result<OpenedSession>) => void): void {
    const { user, device, auth, cursor, presence, resume, ends } = options;
    const id = newSessionId(this.#deps.node, this.#deps.random);
    const session = new LiveSession(this.#shared, { id, ...options });
    // Before the request: what the shard sends on may be here before its answer.
    this.#sessions.add(session);
    const ending = ends === undefined ? {} : { ends };
    const input = { session: id, device, auth, cursor, presence, ...ending };
    this.#deps.router.request(user, "session.attach", input, (result) => {
      if (!session.alive) {
        // Whatever the answer, the shard may have the session now.
        if (result.ok || result.code === "unavailable") this.#detaches.add(user, id);
        return done(result.ok ? endedMeanwhile(session) : result);
      }
      if (!result.ok) {
        // It never was open, so that no client gets a reason.
        session.finish("revoked", false);
        if (result.code === "unavailable") this.#detaches.add(user, id);
        return done(result);
      }
      const { mailboxId, seq, mode, snapshot, expiresAt } = result.value;
      this.#deps.counters.opened++;
      const { trial } = this.#deps;
      trial?.count(result.value.id, "opened");
      if (resume !== null) trial?.count(result.value.id, "falseOffline");
      session.attached(result.value, cursor);
      const from = mode === "resume" && cursor !== null ? cursor.seq : seq;
      done(ok({ session, resumed: false, mailboxId, seq: from, mode, snapshot, expiresAt }));
    });
  }

  // ---- taking up again

  #resume(
    session: LiveSession,
    { auth, cursor, sink, provedUntil }: OpenSession,
    done: (result: Result<OpenedSession>) => void,
  ): void {
    session.proof(auth);
    session.proved(provedUntil);
    session.reattach(sink);
    const { attachment, feed } = session;
    const current = (failure: Failure | null): boolean => {
      if (session.attachment === attachment && failure === null) return true;
      if (!session.alive) done(endedMeanwhile(session));
      else if (session.attachment !== attachment) {
        done(fail("conflict", "The session was taken up by another connection"));
      } else {
        // As if the transport had been lost right away: the client tries again.
        if (sink !== null) session.lost(sink);
        done(failure!);
      }
      return false;
    };
    if (cursor === null || cursor.mailboxId !== feed.mailboxId) {
      return this.#resumeFromSnapshot(session, cursor, current, done);
    }
    if (cursor.seq === feed.known) {
      feed.seek(cursor.seq);
      return this.#resumed(session, cursor, done);
    }
    this.#deps.router.request(session.user, "mailbox.read", { cursor, ...PAGE }, (result) => {
      const refused = !result.ok && result.code !== "reset" ? result : null;
      if (!current(refused)) return;
      if (!result.ok || !session.continueFrom(cursor.seq, result.value)) {
        return this.#resumeFromSnapshot(session, cursor, current, done);
      }
      this.#resumed(session, cursor, done);
    });
  }

  #resumed(
    session: LiveSession,
    cursor: Cursor,
    done: (result: Result<OpenedSession>) => void,
  ): void {
    const { mailboxId, seq } = cursor;
    const { expiresAt } = session;
    this.#deps.counters.resumed++;
    this.#deps.trial?.count(session.userId, "resumed");
    done(ok({ session, resumed: true, mailboxId, seq, mode: "resume", snapshot: null, expiresAt }));
  }

  #resumeFromSnapshot(
    session: LiveSession,
    cursor: Cursor | null,
    current: (failure: Failure | null) => boolean,
    done: (result: Result<OpenedSession>) => void,
  ): void {
    this.#deps.router.request(session.user, "mailbox.snapshot", {}, (result) => {
      if (!current(result.ok ? null : result) || !result.ok) return;
      const { mailboxId, snapshot } = result.value;
      const { seq } = snapshot;
      const { expiresAt, feed } = session;
      const mode = cursor === null ? "snapshot" : "reset";
      feed.mailboxId = mailboxId;
      feed.seek(seq);
      feed.heard(seq);
      this.#deps.counters.resumed++;
      this.#deps.trial?.count(session.userId, "resumed");
      done(ok({ session, resumed: true, mailboxId, seq, mode, snapshot, expiresAt }));
    });
  }

  // ---- finding

  find(id: SessionId, user: AccountName, device: DeviceId): Session | null {
    return this.#find(id, user, device);
  }

  session(id: SessionId): Session | null {
    const session = this.#sessions.get(id);
    return session === undefined || session.attaching ? null : session;
  }

  #find(id: SessionId, user: AccountName, device: DeviceId): LiveSession | null {
    const session = this.#sessions.get(id);
    if (session === undefined || session.attaching) return null;
    return session.user === user && session.device === device ? session : null;
  }

  // ---- packets

  deliver(packet: EdgePacket): number {
    switch (packet.kind) {
      case "events": {
        const batch = new EventBatch(this.#deps.codec, packet.events);
        const count = this.#each(packet.sessions, (session) => session.pushEvents(batch));
        if (packet.sinceMs > 0) this.#shared.flusher.message(packet.sinceMs);
        return count;
      }
      case "presence": {
        const count = this.#watchers.changed(packet);
        this.#shared.flusher.presence(packet.sinceMs);
        return count;
      }
      case "revoke": {
        const sessions = this.#sessions.of(packet.watcher);
        for (const session of sessions) {
          // Who has been blocked asks all the same, and learns what to show.
          if (packet.lastSeen === null) session.unwatchLater(packet.watched);
          this.#watchers.revoke(session, packet.watched, packet.lastSeen);
        }
        return sessions.length;
      }
      case "watch":
        return this.#watch(packet.sessions, packet.target);
      case "announce":
        this.#announcer.announce(packet.lo, packet.hi, packet.epoch);
        return 0;
      case "closed":
        return this.#each(packet.sessions, (session) => session.finish(packet.reason, false));
      case "signal": {
        const text = this.#deps.codec.signal(packet);
        return this.#each(packet.sessions, (session) => session.pushSignal(text));
      }
    }
  }

  #each(ids: readonly SessionId[], run: (session: LiveSession) => void): number {
    let count = 0;
    for (const id of ids) {
      const session = this.#sessions.get(id);
      if (session === undefined) continue;
      run(session);
      count++;
    }
    return count;
  }

  /** Those that have not started yet ask when they do. */
  #watch(ids: readonly SessionId[], target: WatchTarget): number {
    const asking: LiveSession[] = [];
    const count = this.#each(ids, (session) => {
      if (!session.watchLater(target)) asking.push(session);
    });
    this.#watchers.register(asking, [target], () => {});
    return count;
  }

  // ---- ends

  #ended(session: LiveSession, detach: boolean): void {
    this.#sessions.delete(session);
    if (detach) this.#detaches.add(session.user, session.id);
  }

  drain(options: DrainOptions, done: () => void): void {
    this.#draining = options;
    const sessions = [...this.#sessions.all()];
    const steps = Math.max(1, Math.ceil(options.spreadMs / DRAIN_STEP_MS));
    const perStep = Math.ceil(sessions.length / steps);
    const next = (from: number) => {
      for (const session of sessions.slice(from, from + perStep)) {
        session.finish("shutdown", true, this.#drainRetryMs());
      }
      if (from + perStep < sessions.length) {
        this.#deps.timers.after(DRAIN_STEP_MS, () => next(from + perStep));
      } else this.#afterDetaches(done);
    };
    next(0);
  }

  #afterDetaches(done: () => void): void {
    if (this.#detaches.size === 0) return done();
    let waiting = true;
    const finish = () => {
      if (waiting) done();
      waiting = false;
    };
    this.#detaches.onIdle(finish);
    this.#deps.timers.after(DRAIN_DETACH_MS, finish);
  }

  gauges(): EdgeGauges {
    return gaugesOf(this.#sessions, this.#watchers, this.#detaches);
  }
}

function endedMeanwhile(session: LiveSession): Failure {
  const reason = session.endReason ?? "idle";
  const code = reason === "replaced" ? "conflict" : reason === "shutdown" ? "busy" : "unauthorized";
  return fail(code, `The session has ended while it was being opened: ${reason}`);
}
