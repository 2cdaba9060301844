/**
 * Users whose node has ended while they were visible. Their clients may return to any node: no shard
 * may say that a user is offline who is back within the grace.
 */
import type { AccountName, SessionId } from "../../shard/name/ids.ts";
import { Violation } from "./history.ts";

/** For how long nobody is shown offline after the end of its node (ms), a little less. */
const GRACE_MS = 14_000;

interface Away {
  /** The sessions that ended with their node. */
  readonly sessions: ReadonlySet<SessionId>;
  readonly sinceMs: number;
  /** When a shard said that it is offline; null: none has. */
  offlineMs: number | null;
}

/** See the head of this file; times are of the simulation. */
export class Returns {
  readonly #away = new Map<AccountName, Away>();

  /** The node of these sessions of a user has ended. */
  ended(user: AccountName, sessions: Iterable<SessionId>, nowMs: number): void {
    this.#away.set(user, { sessions: new Set(sessions), sinceMs: nowMs, offlineMs: null });
  }

  /** A session of the user ends, or becomes invisible; null: any. */
  left(user: AccountName, session: SessionId | null): void {
    const away = this.#away.get(user);
    // Those of a node that has ended are ended by others, too early perhaps.
    if (session === null || away?.sessions.has(session) !== true) this.#away.delete(user);
  }

  /** A shard says that the user is offline. */
  offline(user: AccountName, nowMs: number): void {
    const away = this.#away.get(user);
    if (away !== undefined) away.offlineMs ??= nowMs;
  }

  /** The user has a visible session again. */
  back(user: AccountName, nowMs: number): void {
    const away = this.#away.get(user);
    this.#away.delete(user);
    if (away === undefined || away.offlineMs === null) return;
    if (nowMs - away.sinceMs > GRACE_MS) return;
    const at = (ms: number) => `${Math.round(ms - away.sinceMs)} ms`;
    const text = `${user} was offline ${at(away.offlineMs)} after its node had ended, and back ${
      at(nowMs)
    } after that`;
    throw new Violation("back within the grace is never shown offline", text, [user]);
  }
}
