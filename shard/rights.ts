/**
 * Who may see an account's presence, in one short text: what stays of a user that somebody watches
 * when the account leaves memory. Without it, everybody who signs in would have the accounts of all
 * contacts loaded, only to be asked who may see them.
 */
import type { Account } from "./account.ts";
import type { AccountId } from "./ids.ts";
import { seesOwner } from "./roster.ts";

/** Account ids, each followed by a space: made only by `rightsOf`. */
export type Rights = string & { readonly __brand: "Rights" };

/** What the account's roster and blocks come to; nobody may see one that cannot sign in. */
export function rightsOf(account: Account): Rights {
  if (!account.active) return "" as Rights;
  // Joined, not added up: a text that is added up keeps its parts.
  const ids: string[] = [account.id];
  for (const item of account.roster.values()) {
    if (item.peerId === "" || !seesOwner(item) || account.blocked.has(item.contact)) continue;
    ids.push(item.peerId);
  }
  return `${ids.join(" ")} ` as Rights;
}

/** Whether the account of that id is among them. Ids are equally long and have no spaces. */
export function hasRight(rights: Rights, id: AccountId): boolean {
  return id !== "" && rights.includes(id);
}
