/** A user whose presence is seen on this node, and the sessions that see it. */
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import type { InterestAnswer } from "../../shard/edge_packet.ts";
import type { PresenceOfDevice } from "../../shard/ops.ts";

/** Up to so many watchers an array is both smaller and faster than a set. */
const ARRAY_MAX = 64;

/** What a watcher learns of a user: its presence for the first time, that it has come online, or else. */
export type PresenceNews = "first" | "came" | "changed";

/** What watches: a session. */
export interface Watcher {
  readonly user: AccountName;
  readonly userId: AccountId;
  /** Whom it watches; only `Watchers` changes it. */
  readonly watched: Watched[];
  /** Users who have blocked it, as they are shown for as long as that lasts: `Watchers`' too. */
  frozen: Map<AccountName, Watched> | null;
  /** Users it asked for but may not see: asked for again when their shard is taken over. */
  refused: Map<AccountName, AccountId> | null;
  /** Users it asked for without an answer so far, as it is shown them; only `Undecided` changes it. */
  undecided: Map<AccountName, Watched> | null;
  /** False once it has ended. */
  readonly alive: boolean;
  /** The presence of `watched` is another than before, or is seen for the first time. */
  presenceChanged(watched: Watched, news: PresenceNews): void;
  /** The right to see this user is gone: to be shown offline. */
  presenceRevoked(watched: Watched): void;
  /**
   * In place of `before` (null: nobody), `frozen` is seen: offline, as after a sign-out. `missed`: it
   * was not shown the last change of `before`, as one that was doubted.
   */
  presenceFrozen(before: Watched | null, frozen: Watched, missed: boolean): void;
  /** The user is seen as it is again, or not at all, in place of `frozen`. */
  presenceThawed(frozen: Watched): void;
}

/** A user whose presence somebody here may see. */
export class Watched {
  readonly name: AccountName;
  id: AccountId;
  /** Of the last presence that was taken; below all others before the first answer. */
  epoch = 0;
  version = -1;
  devices: readonly PresenceOfDevice[] = [];
  lastSeen = 0;
  /** Its shard does not know yet whether it is online: watchers go on seeing what they saw. */
  pending = false;
  /** Some watcher was notified that it is pending, or, while no shard has answered, that nobody knows. */
  pendingShown = false;
  /** The presence as watchers are sent it, made when first needed. */
  encoded: string | null = null;
  watchers: Watcher[] | Set<Watcher> = [];
  /** Its home cell is away for long: nobody knows what it is. */
  away = false;
  /** Registrations under way. */
  asking = 0;
  /** Watchers that may have lost the right, and whether they have missed a change; null: none. */
  doubted: Map<Watcher, boolean> | null = null;

  constructor(name: AccountName, id: AccountId) {
    this.name = name;
    this.id = id;
  }

  /** Whether its watchers have seen nothing of it that could be gone on with. */
  get unknown(): boolean {
    return this.pending && this.devices.length === 0;
  }

  /** Whether it looks as one who was never online. */
  get isPlain(): boolean {
    return this.devices.length === 0 && this.lastSeen === 0 && !this.pending && !this.away;
  }

  /** Sessions that watch. */
  get size(): number {
    return Array.isArray(this.watchers) ? this.watchers.length : this.watchers.size;
  }

  /** Nobody knows what it is: it is shown offline. */
  forgetPresence(): void {
    this.away = true;
    this.devices = [];
    this.lastSeen = 0;
    this.encoded = null;
  }

  /** Whether its presence is older than that of this version. */
  isOlder({ epoch, version }: { readonly epoch: number; readonly version: number }): boolean {
    return epoch > this.epoch || (epoch === this.epoch && version > this.version);
  }

  /** Whether what nobody knew for a while is said again to be as it was before. */
  isBack({ epoch, version }: { readonly epoch: number; readonly version: number }): boolean {
    return this.away && epoch === this.epoch && version === this.version;
  }

  /** Whether the answer of a shard changes it: one that says nothing may not know it either. */
  isNews(presence: NonNullable<InterestAnswer["presence"]>): boolean {
    const says = presence.devices.length > 0 || presence.lastSeen > 0;
    return this.isOlder(presence) || says && this.isBack(presence);
  }

  has(watcher: Watcher): boolean {
    return Array.isArray(this.watchers)
      ? this.watchers.includes(watcher)
      : this.watchers.has(watcher);
  }

  add(watcher: Watcher): void {
    if (!Array.isArray(this.watchers)) this.watchers.add(watcher);
    else if (this.watchers.length < ARRAY_MAX) this.watchers.push(watcher);
    else this.watchers = new Set([...this.watchers, watcher]);
  }

  delete(watcher: Watcher): void {
    this.doubted?.delete(watcher);
    if (Array.isArray(this.watchers)) remove(this.watchers, watcher);
    else this.watchers.delete(watcher);
  }
}

/** Removes without keeping the order. */
export function remove<T>(items: T[], item: T): void {
  const at = items.indexOf(item);
  if (at < 0) return;
  const last = items.pop()!;
  if (at < items.length) items[at] = last;
}

/** Whether watchers see the same; the time of the last sign-out is seen of those only who are offline. */
export function looksSame(
  a: { readonly devices: readonly PresenceOfDevice[]; readonly lastSeen: number },
  b: { readonly devices: readonly PresenceOfDevice[]; readonly lastSeen: number },
): boolean {
  if (a.devices.length !== b.devices.length) return false;
  if (a.devices.length === 0) return a.lastSeen === b.lastSeen;
  return a.devices.every(({ device, presence: p }) => {
    const q = b.devices.find((other) => other.device === device)?.presence;
    return q !== undefined && p.show === q.show && p.status === q.status &&
      p.priority === q.priority && p.ext === q.ext;
  });
}
