/**
 * Whom sessions asked for without an answer so far, because a shard is slow or the home cell of the user
 * has not replied: their clients learn that it is not known whether they are online, lest they take
 * them for offline. What is decided later is shown in any case then.
 */
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import { Watched, type Watcher } from "./watched.ts";

/** See the head of this file. */
export class Undecided {
  readonly #watchers = new Map<AccountName, Set<Watcher>>();

  /** A watcher that does not see the user goes on with what it saw. */
  add(
    watcher: Watcher,
    { name, id }: { readonly name: AccountName; readonly id: AccountId },
  ): void {
    const before = watcher.undecided?.get(name);
    if (before?.id === id || !watcher.alive) return;
    const user = new Watched(name, id);
    user.pending = true;
    user.pendingShown = before?.pendingShown === true;
    if (before !== undefined) watcher.presenceThawed(before);
    (watcher.undecided ??= new Map()).set(name, user);
    const watchers = this.#watchers.get(name);
    if (watchers === undefined) this.#watchers.set(name, new Set([watcher]));
    else watchers.add(watcher);
    watcher.presenceChanged(user, "first");
  }

  /** Nobody knows what the user is for long: returns how many watchers are notified. */
  unknown(name: AccountName, id: AccountId): number {
    let count = 0;
    for (const watcher of this.#watchers.get(name) ?? []) {
      const user = watcher.undecided!.get(name)!;
      if (user.id !== id || user.away) continue;
      user.pending = false;
      user.pendingShown = true;
      user.forgetPresence();
      watcher.presenceChanged(user, "changed");
      count++;
    }
    return count;
  }

  /**
   * It is decided what a watcher sees of the user. Returns what was sent to it until then; null where
   * nothing was.
   */
  end(watcher: Watcher, name: AccountName): Watched | null {
    const user = watcher.undecided?.get(name);
    if (user === undefined) return null;
    watcher.undecided!.delete(name);
    watcher.presenceThawed(user);
    this.#forget(watcher, name);
    return user.pendingShown ? user : null;
  }

  /** A watcher has ended. */
  leave(watcher: Watcher): void {
    for (const name of watcher.undecided?.keys() ?? []) this.#forget(watcher, name);
    watcher.undecided = null;
  }

  #forget(watcher: Watcher, name: AccountName): void {
    const watchers = this.#watchers.get(name)!;
    watchers.delete(watcher);
    if (watchers.size === 0) this.#watchers.delete(name);
  }
}
