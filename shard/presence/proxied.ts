/** The presence of a user of another cell, kept for the nodes of this cell that watch it. */
import type { Account } from "../account/account.ts";
import type { AccountId, AccountName, CellName, NodeId } from "../name/ids.ts";
import type { InterestItem } from "../edge_packet.ts";
import type { PresenceOfDevice } from "../ops.ts";
import type { ShownPresence } from "../federation/proxy_message.ts";
import { seesOwner } from "../roster/roster.ts";

/** Somebody here who wants to watch. */
export interface ProxiedWatcher {
  readonly id: AccountId;
  /** The last question for its right that the home has not replied to; null: all have a reply. */
  asked: number | null;
  /** Whether the home has ever said whether it may. */
  decided: boolean;
  /** Whether it may, as far as the home has said. */
  may: boolean;
  /** Whether edges are still to learn that it may not any more. */
  revoking: boolean;
  /** Where it may not, but is to see one who has signed out: last seen then (ms). */
  frozen: number | null;
  /** Nodes whose edges ask again once the home has replied. */
  waiting: readonly NodeId[];
}

/** Edges with their watchers that wait for one user. */
const OTHERS_MAX = 1000;

/** See the head of this file. */
export class Proxied {
  home: CellName;
  readonly watchers = new Map<AccountName, ProxiedWatcher>();
  epoch = 0;
  version = 0;
  devices: readonly PresenceOfDevice[] = [];
  lastSeen = 0;
  /** The home has been unreachable for long: what it said last may not hold any more. */
  unknown = false;
  /** It stays although no node is interested: a question is open, or edges are about to ask again. */
  kept = false;
  /**
   * Who could watch while this cell was the home, as long as edges register their interest again, but
   * for those to whom the new home has refused it since.
   */
  trusted: Map<AccountName, AccountId> | null = null;

  /**
   * Who wants to watch an earlier or a later account of the name: only the home knows which of them
   * there is. Their edges ask again once nobody watches this one.
   */
  readonly others = new Map<string, { readonly item: InterestItem; readonly node: NodeId }>();

  constructor(home: CellName) {
    this.home = home;
  }

  /** Whether somebody may watch the account, or is about to know: it may be the one that there is. */
  get inUse(): boolean {
    if (this.trusted !== null) return true;
    for (const { asked, may } of this.watchers.values()) if (may || asked !== null) return true;
    return false;
  }

  /** An edge wants to watch another account of the name. */
  addOther(item: InterestItem, node: NodeId): void {
    const key = `${node} ${item.watcher} ${item.watchedId}`;
    if (this.others.size < OTHERS_MAX) this.others.set(key, { item, node });
  }

  /** Nodes whose edges wait for what the home says, or for nobody to watch this account. */
  get waiting(): readonly NodeId[] {
    const nodes = [...this.watchers.values()].flatMap(({ waiting }) => waiting);
    return [...nodes, ...[...this.others.values()].map(({ node }) => node)];
  }

  /** Whether the home has not replied to a question. */
  get asking(): boolean {
    for (const { asked } of this.watchers.values()) if (asked !== null) return true;
    return false;
  }

  /** The watcher of this id, made where there is none. */
  watcher(name: AccountName, id: AccountId): ProxiedWatcher {
    let watcher = this.watchers.get(name);
    if (watcher?.id !== id) {
      const none = { decided: false, may: false, revoking: false, frozen: null, waiting: [] };
      watcher = { id, asked: null, ...none };
      this.watchers.set(name, watcher);
    }
    return watcher;
  }

  /** Takes what the home says; returns whether it is news. */
  take({ epoch, version, devices, lastSeen }: ShownPresence): boolean {
    const isNewer = epoch > this.epoch || epoch === this.epoch && version > this.version;
    if (!isNewer && !this.unknown) return false;
    this.unknown = false;
    if (!isNewer) return true;
    this.epoch = epoch;
    this.version = version;
    this.devices = devices;
    this.lastSeen = lastSeen;
    return true;
  }
}

/** The accounts that may see the presence of `account`, by name. */
export function watchersOf(account: Account): Map<AccountName, AccountId> {
  const watchers = new Map<AccountName, AccountId>();
  if (!account.active) return watchers;
  for (const item of account.roster.values()) {
    const { contact, peerId } = item;
    if (peerId === "" || !seesOwner(item) || account.blocked.has(contact)) continue;
    watchers.set(contact, peerId);
  }
  return watchers;
}
