/** The presence of a user of another cell, kept for the nodes of this cell that watch it. */
import type { Account } from "../account/account.ts";
import type { AccountId, AccountName, CellName, NodeId } from "../name/ids.ts";
import type { InterestItem, Revocation } from "../edge_packet.ts";
import type { PresenceOfDevice } from "../ops.ts";
import { isUpTo, type Revoked, type ShownPresence } from "../federation/proxy_message.ts";
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
  /** The withdrawals of rights that this takes into account, where it may and the home has said so. */
  knownTo: Revoked;
  /** Whether edges are still to learn that it may not any more. */
  revoking: boolean;
  /** Where it may not, but is to see one who has signed out: last seen then (ms). */
  frozen: number | null;
  /** Nodes whose edges ask again once the home has replied. */
  waiting: readonly NodeId[];
  /** Whether an edge has asked since the last question: it may know of a grant that this did not. */
  askedSince: boolean;
  /** Whether edges have learned that it may not, and the home is asked whether that still holds. */
  revoked: boolean;
}

/** Edges with their watchers that wait for one user. */
const OTHERS_MAX = 1000;

const NOT_KNOWN: Revoked = { epoch: 0, revoked: 0 };

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
  /** Whether what is shown is what this cell knew as the home: the new one has shown nothing yet. */
  inherited = true;
  /** What the rights of all watchers take into account. */
  #knownTo = NOT_KNOWN;

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
      const edges = { askedSince: false, revoked: false };
      watcher = { id, asked: null, knownTo: NOT_KNOWN, ...none, ...edges };
      this.watchers.set(name, watcher);
    }
    return watcher;
  }

  /**
   * A watcher may see it, as far as the home had withdrawn rights by then (null: nobody has said it).
   * Returns whether nothing that the home has said since may be about it.
   */
  allow(of: ProxiedWatcher, knownTo: Revoked | null): boolean {
    of.may = true;
    of.knownTo = knownTo ?? NOT_KNOWN;
    if (isUpTo(of.knownTo, this.#knownTo)) return true;
    this.#knownTo = of.knownTo;
    return false;
  }

  /**
   * Whether a watcher has lost its right, now that the home has withdrawn it: it may have been granted
   * again, and that has come before.
   */
  loses({ watcher, epoch, revoked }: Revocation & { watcher: AccountName }): boolean {
    const of = this.watchers.get(watcher);
    return of?.may !== true || !isUpTo(of.knownTo, { epoch, revoked });
  }

  /** Edges have learned that the home has withdrawn a right. */
  tookRevocation({ epoch, after, revoked }: Revocation): void {
    const isNext = this.#knows({ epoch, revoked: after });
    if (isNext && !isUpTo(this.#knownTo, { epoch, revoked })) this.#knownTo = { epoch, revoked };
  }

  /**
   * Whether all who may see it may see what was shown after these withdrawals, as far as is known, and
   * edges know who may not.
   */
  #knows({ epoch, revoked }: Revoked): boolean {
    if (isUpTo(this.#knownTo, { epoch, revoked })) return true;
    for (const { may, knownTo, revoking } of this.watchers.values()) {
      if (revoking || may && !isUpTo(knownTo, { epoch, revoked })) return false;
    }
    this.#knownTo = { epoch, revoked };
    return true;
  }

  #isNewer({ epoch, version }: ShownPresence): boolean {
    return epoch > this.epoch || epoch === this.epoch && version > this.version;
  }

  /** Whether the home shows news, but has withdrawn a right by then of which nothing is known here. */
  doubts(shown: ShownPresence): boolean {
    return (this.#isNewer(shown) || this.unknown) && !this.#knows(shown);
  }

  /** Takes what the home says; returns whether it is news. */
  take(shown: ShownPresence): boolean {
    const { epoch, version, devices, lastSeen } = shown;
    const isNewer = this.#isNewer(shown);
    if (!isNewer && !this.unknown) return false;
    this.unknown = false;
    if (!isNewer) return true;
    this.inherited = false;
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
