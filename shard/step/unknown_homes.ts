/**
 * Users that edges want to watch before it is known here which cell is their home. The other cells are
 * asked, again and again while they do not reply; then those edges ask again.
 */
import type { AccountName, NodeId } from "../name/ids.ts";
import type { InterestItem } from "../edge_packet.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { spreadOf } from "../retry.ts";

/** Users that are sought at once, and edges with their watchers that wait for one of them. */
const SOUGHT_MAX = 10_000;
const WATCHERS_MAX = 1000;

interface Sought {
  readonly watchers: Map<string, { readonly item: InterestItem; readonly node: NodeId }>;
  tries: number;
  /** When the cells are asked (monotonic ms). */
  atMs: number;
}

/** See the head of this file. */
export class UnknownHomes {
  /** Has the other cells asked for the home of a name; see `Names.seek`. */
  seek: (name: AccountName) => void = () => {};
  readonly #turn: ShardTurn;
  readonly #names = new Map<AccountName, Sought>();

  constructor(turn: ShardTurn) {
    this.#turn = turn;
  }

  /** Whether a `tick` has anything to do. */
  get ticking(): boolean {
    return this.#names.size > 0;
  }

  /** An edge wants to watch a user whose home is not known; the next tick asks for it. */
  add(item: InterestItem, node: NodeId): void {
    const { watched, watchedId, watcher } = item;
    let sought = this.#names.get(watched);
    if (sought === undefined) {
      if (this.#names.size >= SOUGHT_MAX) return;
      sought = { watchers: new Map(), tries: 0, atMs: 0 };
      this.#names.set(watched, sought);
    }
    const key = `${node} ${watcher} ${watchedId}`;
    if (sought.watchers.size < WATCHERS_MAX) sought.watchers.set(key, { item, node });
  }

  /** Takes over the names that `owns` has from a shard that ends: nobody else seeks them. */
  inherit(from: UnknownHomes, owns: (name: AccountName) => boolean): void {
    for (const [name, sought] of from.#names) if (owns(name)) this.#names.set(name, sought);
  }

  /** Asks for homes, where it is time for that. */
  tick(): void {
    const { now, retries } = this.#turn;
    for (const [name, sought] of this.#names) {
      if (sought.atMs > now.mono) continue;
      const random = spreadOf(name, ++sought.tries);
      sought.atMs = now.mono + retries.againMs("home", sought.tries, random);
      this.seek(name);
    }
  }

  /** The home of a name is known from now on; or no cell knows one, and nobody asks for it again. */
  sought(name: AccountName, known: boolean): void {
    const watchers = known ? this.#names.get(name)?.watchers.values() : undefined;
    for (const { item: { watched, watchedId, watcher }, node } of watchers ?? []) {
      const packet = { kind: "ask_again", watched, watchedId, watcher } as const;
      this.#turn.emit(null, { kind: "edge", node, packet });
    }
    // Only now: after a bug it is sought once more.
    this.#names.delete(name);
  }
}
