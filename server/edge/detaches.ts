/** Notifies shards of sessions that have ended, and repeats it until they confirm. */
import type { AccountName, SessionId } from "../../shard/name/ids.ts";
import type { EdgeDeps } from "./edge_deps.ts";
import type { Ops } from "../../shard/ops.ts";

/** Detaches that are not confirmed yet: a session that is not detached stays online for ever. */
export class Detaches {
  readonly #deps: EdgeDeps;
  readonly #pending = new Set<SessionId>();
  #idle: (() => void) | null = null;

  constructor(deps: EdgeDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Detaches a session of `user`; `leaving` as in `session.detach`. */
  add(user: AccountName, session: SessionId, leaving = false): void {
    this.#pending.add(session);
    this.#try(user, leaving ? { session, leaving } : { session }, 1);
  }

  #try(user: AccountName, input: Ops["session.detach"]["in"], attempt: number): void {
    const { router, timers, random, retries, counters } = this.#deps;
    const { session } = input;
    router.request(user, "session.detach", input, (result) => {
      const unknown = !result.ok && (result.code === "unavailable" || result.code === "busy");
      if (!unknown) return this.#confirmed(session);
      counters.detachRetries++;
      const delayMs = retries.againMs("detach", attempt, random.number(), result.retryAfterMs);
      timers.after(delayMs, () => this.#try(user, input, attempt + 1));
    });
  }

  #confirmed(session: SessionId): void {
    this.#pending.delete(session);
    if (this.#pending.size === 0) this.#idle?.();
  }

  /** Calls `run` whenever the last detach has been confirmed. */
  onIdle(run: () => void): void {
    this.#idle = run;
  }
}
