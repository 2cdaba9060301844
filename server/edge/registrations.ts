/** What sessions register interest in again. */
import { type AccountId, type AccountName, pointOf } from "../../shard/name/ids.ts";
import type { Watcher } from "./watched.ts";

/** What is asked for again, for the sessions of one user. */
export interface Registration {
  readonly watchers: Set<Watcher>;
  readonly targets: Map<AccountName, AccountId>;
}

/** Everything that has to be asked for again where the shard of the points `[lo, hi)` was taken over. */
export function registrations(
  lo: number,
  hi: number,
  sessions: Iterable<Watcher>,
): readonly Registration[] {
  return registered((point) => point >= lo && point < hi, sessions, true);
}

/** The same of users whom the sessions may not see, or only as they were. */
export function refusals(
  isAsked: (point: number) => boolean,
  sessions: Iterable<Watcher>,
): readonly Registration[] {
  return registered(isAsked, sessions, false);
}

function registered(
  isAsked: (point: number) => boolean,
  sessions: Iterable<Watcher>,
  seen: boolean,
): Registration[] {
  const byUser = new Map<AccountName, Registration>();
  const add = (watcher: Watcher, name: AccountName, id: AccountId) => {
    if (!isAsked(pointOf(name))) return;
    let found = byUser.get(watcher.user);
    if (found === undefined) {
      found = { watchers: new Set(), targets: new Map() };
      byUser.set(watcher.user, found);
    }
    found.watchers.add(watcher);
    found.targets.set(name, id);
  };
  for (const watcher of sessions) {
    if (seen) { for (const { name, id } of watcher.watched) add(watcher, name, id); }
    for (const { name, id } of watcher.frozen?.values() ?? []) add(watcher, name, id);
    for (const [name, id] of watcher.refused ?? []) add(watcher, name, id);
  }
  return [...byUser.values()];
}
