/**
 * The way from an edge to the shard that owns a user. Edges and services know names only; which
 * shard and which node answer is decided here, and so is every retry.
 */
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import type { InterestAnswer, InterestItem } from "../../shard/edge_packet.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";

/** The request need not be begun any more: where it waits, it is refused with `unavailable`. */
export type Withdraw = () => void;

/** What edges may ask of the rest of the system. Callbacks may run before the call returns. */
export interface Router {
  /**
   * Performs an operation about the user `name` wherever its shard is. Answers exactly once, with
   * `unavailable` where the outcome is not known within the request's deadline. Returns how to
   * withdraw it, where it may have to wait for its shard.
   */
  request<K extends OpName>(
    name: AccountName,
    op: K,
    input: Ops[K]["in"],
    done: (result: Result<Ops[K]["out"]>) => void,
  ): Withdraw | void;
  /**
   * Registers this node's interest in watched users and asks for their presence. `done` is called
   * once per shard asked, with the answers for that shard's users; calls to one shard keep their
   * order, and presence packets that follow an answer are newer than it.
   */
  interest(
    items: readonly InterestItem[],
    done: (answers: readonly InterestAnswer[]) => void,
  ): void;
  /** Nobody on this node watches these users any more. */
  uninterest(watched: readonly AccountName[]): void;
  /**
   * The same for one account: its requests are refused as `unauthorized` where the name has another
   * by the time that they arrive. Absent where a request arrives as soon as it is made.
   */
  forAccount?(id: AccountId): Router;
}

/** What an edge may ask besides. */
export interface EdgeRouter extends Router {
  /** All sessions of this node with points in `[lo, hi)` are attached again, as `announce` asked for. */
  announced(lo: number, hi: number, epoch: number): void;
}

/** A router whose requests can be made for one account. */
interface ByAccount extends Router {
  request<K extends OpName>(
    name: AccountName,
    op: K,
    input: Ops[K]["in"],
    done: (result: Result<Ops[K]["out"]>) => void,
    account?: AccountId,
  ): Withdraw | void;
}

/** What `Router.forAccount` returns of a node of several. */
export function routerFor(router: ByAccount, id: AccountId): Router {
  return {
    request: (name, op, input, done) => router.request(name, op, input, done, id),
    interest: (items, done) => router.interest(items, done),
    uninterest: (watched) => router.uninterest(watched),
  };
}
