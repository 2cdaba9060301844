/** The sessions of a node, by id and by user. */
import type { AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { LiveSession } from "./session.ts";

/** All sessions that have not ended, those included that are being attached. */
export class Directory {
  readonly #byId = new Map<SessionId, LiveSession>();
  /** Most users have one session here: no array for those. */
  readonly #byUser = new Map<AccountName, LiveSession | readonly LiveSession[]>();

  get size(): number {
    return this.#byId.size;
  }

  get userCount(): number {
    return this.#byUser.size;
  }

  users(): Iterable<AccountName> {
    return this.#byUser.keys();
  }

  get(id: SessionId): LiveSession | undefined {
    return this.#byId.get(id);
  }

  all(): Iterable<LiveSession> {
    return this.#byId.values();
  }

  of(user: AccountName): readonly LiveSession[] {
    const found = this.#byUser.get(user);
    if (found === undefined) return [];
    return isArray(found) ? found : [found];
  }

  /** Counts the user's sessions but for those of `devices`, which a new session replaces. */
  countOthers(user: AccountName, devices: readonly (DeviceId | undefined)[]): number {
    let count = 0;
    for (const session of this.of(user)) if (!devices.includes(session.device)) count++;
    return count;
  }

  add(session: LiveSession): void {
    this.#byId.set(session.id, session);
    this.#set(session.user, [...this.of(session.user), session]);
  }

  delete(session: LiveSession): void {
    if (!this.#byId.delete(session.id)) return;
    this.#set(session.user, this.of(session.user).filter((other) => other !== session));
  }

  #set(user: AccountName, sessions: readonly LiveSession[]): void {
    if (sessions.length === 0) this.#byUser.delete(user);
    else this.#byUser.set(user, sessions.length === 1 ? sessions[0]! : sessions);
  }
}

function isArray<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
