/** What shards say to edges while their node may not serve: delivered when it may again. */
import type { Effect } from "../../shard/effects.ts";
import type { NodeParts } from "./parts.ts";
import type { RemoteHost } from "./remote_host.ts";
import type { Shard } from "../../shard/step/shard.ts";

/** Effects that are withheld at most where the node's options do not say otherwise. */
const WITHHELD_MAX = 10_000;

type Host = Pick<RemoteHost, "mayServe" | "execute" | "drop">;

/** See the head of this file. */
export class Withheld {
  readonly #parts: () => NodeParts;
  readonly #host: Host;
  #effects: { shard: Shard; readonly effect: Effect }[] = [];
  /** Shards that have said too much meanwhile. */
  readonly #loud = new Set<Shard>();

  constructor(parts: () => NodeParts, host: Host) {
    this.#parts = parts;
    this.#host = host;
  }

  /** Effects that are withheld now. */
  get size(): number {
    return this.#effects.length;
  }

  /** Keeps an effect where this node may not serve; returns whether it does. */
  withhold(shard: Shard, effect: Effect): boolean {
    if (this.#loud.has(shard)) return true;
    if (this.#host.mayServe) return false;
    this.#effects.push({ shard, effect });
    const { withheldMax = WITHHELD_MAX } = this.#parts().options;
    if (this.#effects.length > withheldMax) this.#tooLoud(this.#loudest());
    return true;
  }

  /** The shard that has said the most: no other one is dropped for what it says. */
  #loudest(): Shard {
    const counts = new Map<Shard, number>();
    for (const { shard } of this.#effects) counts.set(shard, (counts.get(shard) ?? 0) + 1);
    return [...counts].reduce((most, one) => one[1] > most[1] ? one : most)[0];
  }

  /** What it has said is forgotten: edges learn it from the one that reads the shard's log next. */
  #tooLoud(shard: Shard): void {
    const { map, ports: { log, timers } } = this.#parts();
    log.warn("too much is withheld", { shard: shard.id, effects: this.#effects.length });
    this.#loud.add(shard);
    this.#effects = this.#effects.filter((w) => w.shard !== shard);
    // Not within its step.
    timers.after(0, () => {
      this.#loud.delete(shard);
      // Its successors, if it was changed meanwhile, have what it had in memory.
      const { lo, hi } = shard;
      for (const s of map.shards.filter((s) => s.lo < hi && lo < s.hi)) this.#host.drop(s);
    });
  }

  /** This node may serve again: delivers what the shards that it still has have said meanwhile. */
  release(): void {
    for (const { shard, effect } of this.#effects.splice(0)) {
      if (!shard.ended) this.#host.execute(shard, effect);
    }
  }

  /** Successors have what these shards had in memory: what they have said is said by them. */
  inherited(ended: readonly Shard[]): void {
    const { shards } = this.#parts().map;
    for (const withheld of this.#effects.filter(({ shard }) => ended.includes(shard))) {
      const { lo } = withheld.shard;
      withheld.shard = shards.find((s) => s.lo <= lo && lo < s.hi) ?? withheld.shard;
    }
  }
}
