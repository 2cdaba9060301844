/** Ends the sessions of a node that goes away, a few at a time, and refuses new ones. */
import { fail, type Failure } from "../../shard/errors.ts";
import type { EdgeDeps } from "./edge_deps.ts";
import type { Sessions } from "./sessions.ts";

/** How often a few sessions are sent away while draining, ms. */
const DRAIN_STEP_MS = 50;
/** How long draining waits for shards to confirm the detaches, ms. */
const DRAIN_DETACH_MS = 2000;

/** How sessions are sent away. */
export interface DrainPlan {
  /** Over how long they are spread, ms. */
  readonly spreadMs: number;
  /** When clients should reconnect, ms: each gets half of it to one and a half. */
  readonly retryAfterMs: number;
}

/** The drain of one edge, which does nothing before `start`. */
export class Drain {
  readonly #deps: EdgeDeps;
  readonly #sessions: Sessions;
  #plan: DrainPlan | null = null;

  constructor(deps: EdgeDeps, sessions: Sessions) {
    this.#deps = deps;
    this.#sessions = sessions;
  }

  /** What a new session is refused with; null before `start`. */
  refusal(): Failure | null {
    if (this.#plan === null) return null;
    return fail("busy", "The server is going away for a moment", this.#retryMs(this.#plan));
  }

  #retryMs({ retryAfterMs }: DrainPlan): number {
    return Math.ceil(retryAfterMs * (0.5 + this.#deps.random.number()));
  }

  /** Ends all sessions; `done` when shards have confirmed it, or after `DRAIN_DETACH_MS`. */
  start(plan: DrainPlan, done: () => void): void {
    this.#plan = plan;
    const sessions = [...this.#sessions.all()];
    const steps = Math.max(1, Math.ceil(plan.spreadMs / DRAIN_STEP_MS));
    const perStep = Math.ceil(sessions.length / steps);
    const next = (from: number) => {
      for (const session of sessions.slice(from, from + perStep)) {
        session.finish("shutdown", true, this.#retryMs(plan));
      }
      if (from + perStep < sessions.length) {
        this.#deps.timers.after(DRAIN_STEP_MS, () => next(from + perStep));
      } else this.#afterDetaches(done);
    };
    next(0);
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
