/** Tells shards that sessions have ended, and again until they have heard it. */
import type { AccountName, SessionId } from "../../shard/name/ids.ts";
import type { Random, Timers } from "../node/ports.ts";
import type { Retries } from "../../shard/retry.ts";
import type { Router } from "../node/router.ts";
import type { EdgeCounters } from "./types.ts";

/** What it needs. */
export interface DetachesDeps {
  readonly router: Router;
  readonly timers: Timers;
  readonly random: Random;
  readonly retries: Retries;
  readonly counters: EdgeCounters;
}

/** Detaches that are not confirmed yet: a session that is not detached stays online for ever. */
export class Detaches {
  readonly #deps: DetachesDeps;
  readonly #pending = new Set<SessionId>();
  #idle: (() => void) | null = null;

  constructor(deps: DetachesDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Detaches a session of `user`. */
  add(user: AccountName, session: SessionId): void {
    this.#pending.add(session);
    this.#try(user, session, 1);
  }

  #try(user: AccountName, session: SessionId, attempt: number): void {
    const { router, timers, random, retries, counters } = this.#deps;
    router.request(user, "session.detach", { session }, (result) => {
      const unknown = !result.ok && (result.code === "unavailable" || result.code === "busy");
      if (!unknown) return this.#confirmed(session);
      counters.detachRetries++;
      const delayMs = retries.againMs("detach", attempt, random.number(), result.retryAfterMs);
      timers.after(delayMs, () => this.#try(user, session, attempt + 1));
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
