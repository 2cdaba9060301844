/**
 * What other nodes have asked of this one: whom it replies to, and what it has refused. Where it has
 * refused one request of an account and could serve the next, which was on its way already, that one is
 * refused too until the sender has asked for the former again: it asks in the order in which it asked
 * first, and so the requests of an account keep theirs.
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
  readonly #served = new Map<RequestId, Served>();
  /** By account and node; what was refused last is at the end. */
  readonly #refused = new Map<string, Refused>();

  add(request: RequestId, peer: NodeId, asked: AskedId): void {
    this.#served.set(request, { peer, asked });
  }

  /** Takes out who has asked; undefined where nobody waits for the reply any more. */
  take(request: RequestId): Served | undefined {
    const served = this.#served.get(request);
    this.#served.delete(request);
    return served;
  }

  /** The link with a peer is broken: it asks again. */
  unlinked(peer: NodeId): void {
    for (const [request, served] of this.#served) {
      if (served.peer === peer) this.#served.delete(request);
    }
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
