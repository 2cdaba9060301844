/** Notifies shards of sessions that have ended, and repeats it until they confirm. */
import type { AccountName, SessionId } from "../../shard/name/ids.ts";
import type { EdgeDeps } from "./edge_deps.ts";
import type { Ops } from "../../shard/ops.ts";

/** What the detaches are made with. */
type DetachDeps = Pick<EdgeDeps, "timers" | "random" | "retries"> & {
  readonly router: Pick<EdgeDeps["router"], "request">;
};

/** Detaches that are not confirmed yet: a session that is not detached stays online for ever. */
export class Detaches {
  readonly #deps: DetachDeps;
  /** Called for each that has to be repeated. */
  readonly #onRepeat: () => void;
  readonly #pending = new Set<SessionId>();
  #idle: (() => void) | null = null;

  constructor(deps: DetachDeps, onRepeat: () => void) {
    this.#deps = deps;
    this.#onRepeat = onRepeat;
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
    const { router, timers, random, retries } = this.#deps;
    const { session } = input;
    router.request(user, "session.detach", input, (result) => {
      const unknown = !result.ok && (result.code === "unavailable" || result.code === "busy");
      if (!unknown) return this.#confirmed(session);
      this.#onRepeat();
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
