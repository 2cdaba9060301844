/**
 * Who may see an account's presence, and whom it has blocked, in one short text: what stays of a user
 * that somebody watches when the account leaves memory. Without it, everybody who signs in would have
 * the accounts of all contacts loaded, only to be asked who may see them.
 */
import type { Account } from "./account.ts";
import type { AccountId, AccountName } from "../name/ids.ts";
import { readWatcherId, seesOwner } from "../roster/roster.ts";

/**
 * Account ids, each followed by a space; then those that are blocked, each followed by "=", the time
 * last seen and a space: made only by `rightsOf`.
 */
export type Rights = string & { readonly __brand: "Rights" };

/** What the account's roster and blocks come to; nobody may see one that cannot sign in. */
export function rightsOf(account: Account): Rights {
  if (!account.active) return "" as Rights;
  // Joined, not added up: a text that is added up keeps its parts.
  const ids: string[] = [account.id];
  if (account.blocked.size === 0) ids.push(...watchersOf(account));
  else {
    account.lazyRoster.forEach((item) => {
      if (item.peerId === "" || !seesOwner(item) || account.blocked.has(item.contact)) return;
      ids.push(item.peerId);
    });
  }
  for (const b of account.blocked.values()) {
    if (b.peerId !== "") ids.push(`${b.peerId}=${b.lastSeen}`);
  }
  return spaced(ids);
}

/** The ids, each followed by a space, in one piece. */
function spaced(ids: string[]): Rights {
  ids.push("");
  return ids.join(" ") as Rights;
}

/** Ids of the contacts that may see the account, blocked ones included. */
function watchersOf(account: Account): string[] {
  const ids: string[] = [];
  account.lazyRoster.scan((r) => {
    const id = readWatcherId(r);
    if (id !== "") ids.push(id);
  }, (item) => {
    if (item.peerId !== "" && seesOwner(item)) ids.push(item.peerId);
  });
  return ids;
}

/** Whether the account of that id is among them. Ids are equally long and have no spaces. */
export function hasRight(rights: Rights, id: AccountId): boolean {
  const at = id === "" ? -1 : rights.indexOf(id);
  return at >= 0 && rights[at + id.length] === " ";
}

/** Whether a contact that is not blocked may see the account; it is not loaded singly for it. */
export function contactSees(account: Account, watcher: AccountName, id: AccountId): boolean {
  if (account.lazyRoster.bytes === null) {
    const item = account.roster.get(watcher);
    return seesOwner(item) && item!.peerId === id;
  }
  if (account.runtime.watcherIds === null) {
    account.runtime.watcherIds = spaced(watchersOf(account));
  }
  return hasRight(account.runtime.watcherIds, id);
}

/** When a blocked account of that id is to be shown it was last seen (ms); null: not at all. */
export function frozenRight(rights: Rights, id: AccountId): number | null {
  const at = id === "" ? -1 : rights.indexOf(`${id}=`);
  if (at < 0) return null;
  const begin = at + id.length + 1;
  return Number(rights.slice(begin, rights.indexOf(" ", begin)));
}

/** The same of an account in memory. */
export function frozenFor(
  account: Account,
  watcher: AccountName,
  watcherId: AccountId,
): number | null {
  const block = account.blocked.get(watcher);
  if (!account.active || block === undefined || block.peerId === "") return null;
  return block.peerId === watcherId ? block.lastSeen : null;
}
