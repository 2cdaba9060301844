/** Sends the clients of a node away that is not to have any, a few at a time, and refuses new ones. */
import { fail, type Failure } from "../../shard/errors.ts";
import type { EdgeDeps } from "./edge_deps.ts";
import type { LiveSession } from "./session.ts";
import type { Sessions } from "./sessions.ts";

/** How often a few sessions are sent away while draining, ms. */
const DRAIN_STEP_MS = 50;
/** How long draining waits for shards to confirm the detaches, ms. */
const DRAIN_DETACH_MS = 2000;

/** How clients are sent away. */
export interface SendAwayPlan {
  /** Over how long they are spread, ms. */
  readonly spreadMs: number;
  /** When clients should reconnect, ms: each gets half of it to one and a half. */
  readonly retryAfterMs: number;
}

/** How the node stops. */
export interface DrainPlan extends SendAwayPlan {
  /**
   * Whether other nodes of the cell go on, once all clients have been sent away: the sessions are left
   * to them, where each counts for the grace of a node that is gone. Otherwise they end.
   */
  readonly leaving?: () => boolean;
}

/** The drain of one edge, which does nothing before it is called. */
export class Drain {
  readonly #deps: EdgeDeps;
  readonly #sessions: Sessions;
  #plan: SendAwayPlan | null = null;

  constructor(deps: EdgeDeps, sessions: Sessions) {
    this.#deps = deps;
    this.#sessions = sessions;
  }

  /** What a new session is refused with; null where it is not. */
  refusal(): Failure | null {
    if (this.#plan === null) return null;
    return fail("busy", "The server is going away for a moment", this.#retryMs(this.#plan));
  }

  /** Takes new sessions again. */
  stop(): void {
    this.#plan = null;
  }

  #retryMs({ retryAfterMs }: SendAwayPlan): number {
    return Math.ceil(retryAfterMs * (0.5 + this.#deps.random.number()));
  }

  /** Sends all clients away and refuses new ones, until `stop`; `done` when all have been. */
  sendAway(plan: SendAwayPlan, done: () => void): void {
    this.#plan = plan;
    const sessions = [...this.#sessions.all()];
    const steps = Math.max(1, Math.ceil(plan.spreadMs / DRAIN_STEP_MS));
    const next = (step: number) => {
      if (this.#plan !== plan) return done();
      const upTo = (part: number) => Math.ceil((sessions.length * part) / steps);
      this.#send(sessions.slice(upTo(step), upTo(step + 1)), plan);
      if (upTo(step + 1) < sessions.length) {
        this.#deps.timers.after(DRAIN_STEP_MS, () => next(step + 1));
      } else done();
    };
    next(0);
  }

  /**
   * Sends up to `count` clients away that have been connected for at least `ageMs`; they may return
   * where no other node takes them. Returns how many went.
   */
  shed(count: number, ageMs: number, retryAfterMs: number): number {
    const { clock, random } = this.#deps;
    const bornMs = clock.monoMs() - ageMs;
    const all = [...this.#sessions.all()];
    const chosen: LiveSession[] = [];
    // Those after a random one, all around: no two rounds turn to the same.
    const first = Math.floor(random.number() * all.length);
    for (let i = 0; i < all.length && chosen.length < count; i++) {
      const session = all[(first + i) % all.length]!;
      if (session.mayGo && session.time.sinceMs <= bornMs) chosen.push(session);
    }
    this.#send(chosen, { spreadMs: 0, retryAfterMs });
    return chosen.length;
  }

  #send(sessions: readonly LiveSession[], plan: SendAwayPlan): void {
    for (const session of sessions) session.sendAway(this.#retryMs(plan));
  }

  /** The node stops: sends all away; `done` when shards know it, or after `DRAIN_DETACH_MS`. */
  start(plan: DrainPlan, done: () => void): void {
    this.sendAway(plan, () => {
      const { detaches } = this.#sessions;
      const leaving = plan.leaving?.() === true;
      for (const session of [...this.#sessions.all()]) {
        // Where a shard asks this node for its sessions once more, they are still to be found.
        if (leaving) detaches.add(session.user, session.id, true);
        else session.finish("shutdown", true);
      }
      this.#afterDetaches(done);
    });
  }

  #afterDetaches(done: () => void): void {
    const { detaches } = this.#sessions;
    if (detaches.size === 0) return done();
    let waiting = true;
    const finish = () => {
      if (waiting) done();
      waiting = false;
    };
    detaches.onIdle(finish);
    this.#deps.timers.after(DRAIN_DETACH_MS, finish);
  }
}
