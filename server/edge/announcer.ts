/**
 * Announces the sessions and interests of a node again to shards that were taken over: presence is
 * not durable, and their new owners know nobody. Sessions first, then interests: what a shard
 * says before all sessions are announced would show people offline who are not.
 */
import type { Ops } from "../../shard/ops.ts";
import type { Failure, Result } from "../../shard/errors.ts";
import type { EdgeDeps } from "./edge_deps.ts";
import type { EndReason } from "./types.ts";
import type { LiveSession } from "./session.ts";
import type { Sessions } from "./sessions.ts";
import { refusals, type Registration, registrations } from "./registrations.ts";
import { pointOf } from "../../shard/name/ids.ts";

/** Sessions and interests that are announced in one step, and the pause between steps (ms). */
export const ANNOUNCE_STEP = 250;
export const ANNOUNCE_STEP_MS = 20;
/** Requests to ask again for who was refused are one within so long (ms): each link makes some. */
export const ASK_REFUSED_MS = 1000;

/** The points of a shard that was taken over at this epoch. */
interface Job {
  readonly lo: number;
  readonly hi: number;
  readonly epoch: number;
  /** Sessions whose attaches have no final answer. */
  left: number;
}

/** See the head of this file. */
export class Announcer {
  readonly #deps: EdgeDeps;
  readonly #sessions: Sessions;
  #jobs: Job[] = [];
  /** What is still to be done, and how much each does of a step. */
  readonly #queue: { readonly size: number; readonly run: () => void }[] = [];
  #scheduled = false;
  /** Points of users to be asked for again whom sessions may not see. */
  #refused: { readonly lo: number; readonly hi: number }[] = [];
  /** Sessions that are attached again one by one. */
  readonly #unknown = new Set<LiveSession>();

  constructor(deps: EdgeDeps, sessions: Sessions) {
    this.#deps = deps;
    this.#sessions = sessions;
    sessions.unknown = (session) => this.#again(session);
  }

  /** Shards that are being announced to. */
  get size(): number {
    return this.#jobs.length;
  }

  /**
   * The shard of the points `[lo, hi)` was taken over at this epoch. `lossy`: watchers may have
   * lost a right without notice, and see nothing new before the shard has said whom they see.
   */
  announce(lo: number, hi: number, epoch: number, lossy: boolean): void {
    if (lossy) this.#sessions.watchers.doubt(lo, hi);
    // What was begun for an earlier owner is of no use to this one.
    const begun = this.#jobs.filter((job) => job.lo < hi && job.hi > lo);
    this.#jobs = this.#jobs.filter((job) => !begun.includes(job));
    // That shard may have been split since: the owner of the rest still waits.
    for (const job of begun) {
      if (job.lo < lo) this.#begin(job.lo, lo, job.epoch);
      if (job.hi > hi) this.#begin(hi, job.hi, job.epoch);
    }
    this.#begin(lo, hi, epoch);
  }

  /** Announces to the owner of the points `[lo, hi)`, which may be a part of its shard. */
  #begin(lo: number, hi: number, epoch: number): void {
    const sessions = [...this.#sessions.all()].filter(({ user, attaching }) => {
      const point = pointOf(user);
      // The request of one that is being attached is repeated by its sender.
      return point >= lo && point < hi && !attaching;
    });
    const job = { lo, hi, epoch, left: sessions.length };
    this.#jobs.push(job);
    for (const session of sessions) {
      this.#queue.push({ size: 1, run: () => this.#attach(job, session, 1) });
    }
    if (sessions.length === 0) this.#queue.push({ size: 0, run: () => this.#announced(job) });
    this.#step();
  }

  /** Asks again for users with points in `[lo, hi)` whom sessions may not see as far as is known. */
  askRefused(lo: number, hi: number): void {
    this.#refused.push({ lo, hi });
    if (this.#refused.length > 1) return;
    this.#deps.timers.after(ASK_REFUSED_MS, () => {
      const ranges = this.#refused;
      this.#refused = [];
      const isAsked = (point: number) => ranges.some(({ lo, hi }) => point >= lo && point < hi);
      for (const asked of refusals(isAsked, this.#sessions.all())) {
        this.#queue.push({ size: asked.targets.size, run: () => this.#register(null, asked) });
      }
      this.#step();
    });
  }

  #step(): void {
    if (this.#scheduled) return;
    for (let done = 0; done < ANNOUNCE_STEP;) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      done += next.size;
      next.run();
    }
    this.#scheduled = true;
    this.#deps.timers.after(ANNOUNCE_STEP_MS, () => {
      this.#scheduled = false;
      this.#step();
    });
  }

  /** Attaches a session that its shard does not know, although no other owner has asked for it. */
  #again(session: LiveSession): boolean {
    const asked = this.#unknown.has(session) || this.#sessions.isAttaching(session);
    if (session.alive && !asked) {
      this.#unknown.add(session);
      this.#attach(null, session, 1);
    }
    return session.alive;
  }

  #isCurrent(job: Job | null): boolean {
    return job === null || this.#jobs.includes(job);
  }

  /** `job`: what it is a part of; null where only this session is attached again. */
  #attach(job: Job | null, session: LiveSession, attempt: number): void {
    if (!this.#isCurrent(job)) return;
    if (!session.alive) return this.#attached(job, session);
    const { router, timers, random, retries } = this.#deps;
    let replied = false;
    const input = session.announcement();
    const presented = session.own.saying();
    const withdraw = router.request(session.user, "session.attach", input, (result) => {
      replied = true;
      presented(result);
      this.#sessions.attached(session);
      const unknown = !result.ok && (result.code === "unavailable" || result.code === "busy");
      // It ended meanwhile, and this may have been taken after the shard was notified of that.
      if (!session.alive && (result.ok || unknown)) {
        this.#sessions.detaches.add(session.user, session.id);
      }
      if (!this.#isCurrent(job)) return;
      if (!result.ok && unknown) {
        const delayMs = retries.againMs("announce", attempt, random.number(), result.retryAfterMs);
        return void timers.after(delayMs, () => this.#attach(job, session, attempt + 1));
      }
      this.#reply(session, result);
      this.#attached(job, session);
    });
    if (!replied) this.#sessions.attaches(session, withdraw);
  }

  #reply(session: LiveSession, result: Result<Ops["session.attach"]["out"]>): void {
    if (!session.alive) return;
    if (result.ok) session.announced(result.value);
    else session.finish(endOf(result), false);
  }

  #attached(job: Job | null, session: LiveSession): void {
    if (job === null) return void this.#unknown.delete(session);
    job.left--;
    if (job.left === 0) this.#announced(job);
  }

  /** The sessions are known: now their shard can say who sees whom. */
  #announced(job: Job): void {
    if (!this.#isCurrent(job)) return;
    const { lo, hi, epoch } = job;
    this.#deps.router.announced(lo, hi, epoch);
    for (const asked of registrations(lo, hi, this.#sessions.all())) {
      this.#queue.push({ size: asked.targets.size, run: () => this.#register(job, asked) });
    }
    const end = () => {
      this.#jobs = this.#jobs.filter((other) => other !== job);
    };
    this.#queue.push({ size: 0, run: end });
    this.#step();
  }

  #register(job: Job | null, asked: Registration): void {
    if (!this.#isCurrent(job)) return;
    const sessions = [...asked.watchers].filter(({ alive }) => alive);
    const targets = [...asked.targets].map(([name, id]) => ({ name, id }));
    this.#sessions.watchers.register(sessions, targets, () => {}, true);
  }
}

/** Why a session ends that is refused: one whose account has moved keeps its right elsewhere. */
function endOf({ code }: Failure): EndReason {
  if (code === "conflict") return "replaced";
  return code === "moved" ? "shutdown" : "revoked";
}
