/**
 * What the shards of one name in two cells say to each other about its presence: the one of its home,
 * and the one that stands for it in a cell where somebody watches.
 */
import type { AccountId, AccountName, DeviceId } from "../name/ids.ts";

/**
 * How often rights to see one user were withdrawn, as its home counts in this epoch: the numbers rise,
 * but not by one. Frames that go by different nodes overtake each other, so what is shown names the
 * last one: who has not taken it into account asks who may see that.
 */
export interface Revoked {
  readonly epoch: number;
  readonly revoked: number;
}

/** Whether what is known up to `known` takes `upTo` into account. */
export function isUpTo(known: Revoked, upTo: Revoked): boolean {
  return known.epoch > upTo.epoch ||
    known.epoch === upTo.epoch && known.revoked >= upTo.revoked;
}

/** Presence as its home has it; the fields of `InterestAnswer`. */
export interface ShownPresence extends Revoked {
  readonly watchedId: AccountId;
  readonly version: number;
  readonly devices: readonly {
    readonly device: DeviceId;
    readonly presence: {
      readonly show: "online" | "chat" | "away" | "xa" | "dnd";
      readonly status: string;
      readonly priority: number;
      readonly ext: string;
    };
  }[];
  readonly lastSeen: number;
}

/** What a home says to one who wants to watch; the fields of `InterestAnswer`. */
export interface ProxyAnswer {
  readonly watcher: AccountName;
  readonly presence: ShownPresence | null;
  readonly lastSeen: number | null;
}

/** Who wants to watch. */
export interface ProxyWatcher {
  readonly watcher: AccountName;
  readonly watcherId: AccountId;
}

/**
 * Which question of a cell it is: the epoch of the shard that has asked it, then its number there.
 * Messages of two owners of a shard, or over two links, may overtake each other.
 */
export interface Asking {
  readonly epoch: number;
  readonly asked: number;
}

/** Whether a question is a later one than another. */
export function isLater(one: Asking, other: Asking): boolean {
  return one.epoch > other.epoch || one.epoch === other.epoch && one.asked > other.asked;
}

/** See the head of this file. */
export type ProxyMessage =
  /** To the home: these watch the account `watchedId`. Replied to with `answers` of that number. */
  | Asking & {
    readonly kind: "interest";
    readonly watchedId: AccountId;
    readonly watchers: readonly ProxyWatcher[];
  }
  /** To the home: nobody in the sender's cell watches any more, since the question that it names. */
  | Asking & { readonly kind: "uninterest" }
  | {
    readonly kind: "answers";
    readonly asked: number;
    readonly answers: readonly ProxyAnswer[];
  }
  /** It has changed. */
  | { readonly kind: "presence"; readonly shown: ShownPresence }
  /** As the packet to an edge. `after`: the number before this one. */
  | Revoked & {
    readonly kind: "revoke";
    readonly after: number;
    readonly watcher: AccountName;
    readonly lastSeen: number | null;
  };

/** The items that a home is asked. */
export function itemsOf(
  watched: AccountName,
  { watchedId, watchers }: ProxyMessage & { readonly kind: "interest" },
) {
  return watchers.map((watcher) => ({ ...watcher, watched, watchedId }));
}
