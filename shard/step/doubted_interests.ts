/**
 * Interests of other cells in users of this one that may be nobody's any more: the shard there that had
 * them has another owner, or what it said last is lost. Those that are not registered again within a
 * while are shown what is known once more; a cell in which nobody watches replies that.
 */
import type { AccountName, NodeId } from "../name/ids.ts";
import { POINT_SPACE, pointOf } from "../name/ids.ts";
import { pushTo } from "./push.ts";
import type { ShardTurn } from "./shard_turn.ts";

/** How long it takes edges and the shard there to register what they have (ms). */
const DOUBT_MS = 10_000;
/** Users that are shown again at one tick, ten of which come in a second. */
const SHOWN_MAX = 100;

/** See the head of this file. */
export class DoubtedInterests {
  readonly #turn: ShardTurn;
  /** The users that a cell may not watch any more, and until when it may say so (monotonic ms). */
  readonly #doubted = new Map<NodeId, Map<AccountName, number>>();

  constructor(turn: ShardTurn) {
    this.#turn = turn;
  }

  /** Whether a `tick` has anything to do. */
  get ticking(): boolean {
    return this.#doubted.size > 0;
  }

  /** What a cell watches of the points `[lo, hi)` may not hold any more. */
  doubt(node: NodeId, lo: number, hi: number): void {
    const { now, presence } = this.#turn;
    const names = this.#doubted.get(node) ?? new Map<AccountName, number>();
    for (const name of presence.ofEdge(node).watched) {
      const point = pointOf(name);
      if (point < lo || point >= hi) continue;
      // In the order of their times.
      names.delete(name);
      names.set(name, now.mono + DOUBT_MS);
    }
    if (names.size > 0) this.#doubted.set(node, names);
  }

  /** It has been said again, by the next owner or the same, or is over. */
  said(node: NodeId, name: AccountName): void {
    const names = this.#doubted.get(node);
    if (names?.delete(name) === true && names.size === 0) this.#doubted.delete(node);
  }

  /** Goes on where a shard has stopped whose users this one has taken over: with all of those cells. */
  inherit(from: DoubtedInterests): void {
    for (const node of from.#doubted.keys()) this.doubt(node, 0, POINT_SPACE);
  }

  /** Shows what is still in doubt. */
  tick(): void {
    const { now, presence } = this.#turn;
    let left = SHOWN_MAX;
    for (const [node, names] of this.#doubted) {
      for (const [name, untilMs] of names) {
        if (untilMs > now.mono || left === 0) break;
        left--;
        // First: after a bug nothing of it is repeated.
        this.said(node, name);
        const p = presence.get(name);
        if (p?.proxied === null && p.nodes.includes(node)) pushTo(this.#turn, p, [node]);
      }
    }
  }
}
