/**
 * What other nodes have asked of this one: whom it replies to, and what it has refused. Where it has
 * refused one request of an account and could serve the next, which was on its way already, that one is
 * refused too until the sender has asked for the former again: it asks in the order in which it asked
 * first, and so the requests of an account keep theirs. A copy of what is under way here is not begun
 * again: its reply is that to the first, so that none is refused which is done after all.
 */
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import type { AskedId } from "./peers.ts";
import type { RequestId } from "../../shard/effects.ts";

/** For how long a request that was refused is waited for (ms): longer than its caller waits. */
const WAITS_MS = 10_000;

/** Who has asked for something, and how it calls that. */
export interface Served {
  readonly peer: NodeId;
  readonly asked: AskedId;
}

/** What is under way for another node. */
interface UnderWay extends Served {
  /** How many copies have come over the link that there is: each gets a reply. */
  copies: number;
}

/** What was refused of one account's requests from one node, in their order, and when last. */
interface Refused {
  readonly asked: Set<AskedId>;
  readonly atMs: number;
}

/** Names have no such character. */
function keyOf(peer: NodeId, name: AccountName): string {
  return `${name} ${peer}`;
}

/** See the head of this file. All times are monotonic, in ms. */
export class ServedRequests {
  readonly #served = new Map<RequestId, UnderWay>();
  /** By who has asked, and how that calls it. */
  readonly #underWay = new Map<NodeId, Map<AskedId, UnderWay>>();
  /** By account and node; what was refused last is at the end. */
  readonly #refused = new Map<string, Refused>();

  add(request: RequestId, peer: NodeId, asked: AskedId): void {
    const served = { peer, asked, copies: 1 };
    this.#served.set(request, served);
    const all = this.#underWay.get(peer) ?? new Map<AskedId, UnderWay>();
    this.#underWay.set(peer, all.set(asked, served));
  }

  /** A copy of a request has come; returns whether that is under way, and replies to it as well. */
  joins({ peer, asked }: Served): boolean {
    const served = this.#underWay.get(peer)?.get(asked);
    if (served === undefined) return false;
    served.copies++;
    return true;
  }

  /** Takes out who has asked, once for each copy; nobody where nobody waits for the reply any more. */
  take(request: RequestId): readonly Served[] {
    const served = this.#served.get(request);
    if (served === undefined) return [];
    this.#served.delete(request);
    const { peer, asked, copies } = served;
    const all = this.#underWay.get(peer)!;
    if (all.get(asked) === served) all.delete(asked);
    if (all.size === 0) this.#underWay.delete(peer);
    return Array<Served>(copies).fill({ peer, asked });
  }

  /** The link with a peer is broken: it asks again, for what may be under way yet. */
  unlinked(peer: NodeId): void {
    for (const served of this.#served.values()) if (served.peer === peer) served.copies = 0;
  }

  /** Whether a request must not be served, since one before it was refused. */
  isBehind({ peer, asked }: Served, name: AccountName, nowMs: number): boolean {
    const key = keyOf(peer, name);
    const refused = this.#refused.get(key);
    if (refused === undefined) return false;
    if (!refused.asked.has(asked) && nowMs - refused.atMs <= WAITS_MS) return true;
    // Those before it are not asked for any more: their callers have given them up.
    for (const before of refused.asked) {
      refused.asked.delete(before);
      if (before === asked) break;
    }
    if (refused.asked.size === 0) this.#refused.delete(key);
    return false;
  }

  /** A request is refused, and will be asked for again. */
  refused({ peer, asked }: Served, name: AccountName, nowMs: number): void {
    for (const [key, { atMs }] of this.#refused) {
      if (nowMs - atMs <= WAITS_MS) break;
      this.#refused.delete(key);
    }
    const key = keyOf(peer, name);
    const all = this.#refused.get(key)?.asked ?? new Set();
    this.#refused.delete(key);
    this.#refused.set(key, { asked: all.add(asked), atMs: nowMs });
  }
}
