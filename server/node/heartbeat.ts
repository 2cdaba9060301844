/** What a node does at intervals: ticks of its shards, checkpoints, timeouts, sweeps, old logs. */
import type { AccountListing } from "./account_listing.ts";
import type { Cancel } from "./ports.ts";
import type { Committer } from "./committer.ts";
import type { NodeParts } from "./parts.ts";
import type { Resharder } from "./resharder.ts";
import type { Shard } from "../../shard/step/shard.ts";

/** Time from one beat to the next (ms). */
export const BEAT_MS = 100;
/** Beats from one look at the requests' timeouts to the next. */
const EXPIRE_BEATS = 10;
/** Beats from one look at a few accounts, for what is over age, to the next. */
const SWEEP_BEATS = 100;
/** Ticks of shards that take longer are divided: clients have their turn before the next shard (ms). */
const SLICE_MS = 3;

/** See the head of this file. */
export class Heartbeat {
  readonly #parts: NodeParts;
  readonly #committer: Committer;
  readonly #resharder: Resharder;
  readonly #listing: AccountListing;
  #next: Cancel | null = null;
  #beats = 0;
  #ticking = false;

  constructor(
    parts: NodeParts,
    committer: Committer,
    resharder: Resharder,
    listing: AccountListing,
  ) {
    this.#parts = parts;
    this.#committer = committer;
    this.#resharder = resharder;
    this.#listing = listing;
  }

  /** Beats from now on, until `stop` or until the node has stopped. */
  start(): void {
    this.#next = this.#parts.ports.timers.after(BEAT_MS, () => {
      if (!this.#parts.stopped()) this.start();
      this.#beat();
    });
  }

  /** The beat that is due next does not come. */
  stop(): void {
    this.#next?.();
  }

  #beat(): void {
    const { callers, map, ports } = this.#parts;
    this.#beats++;
    // Where the former ticks are not all done yet, it is too much for another round.
    if (!this.#ticking) this.#tick(map.shards, 0);
    this.#committer.checkpoint();
    if (this.#beats % EXPIRE_BEATS === 0) {
      callers.expire(ports.clock.monoMs());
      if (map.ready) this.#resharder.clean();
    }
    if (this.#beats % SWEEP_BEATS === 0) this.#sweep();
  }

  /** Ticks the shards from `next` on; what is due at many accounts at once is done in slices. */
  #tick(shards: readonly Shard[], next: number): void {
    const { dispatch, ports: { clock, timers }, stopped } = this.#parts;
    const untilMs = clock.monoMs() + SLICE_MS;
    const mayServe = this.#mayServe;
    for (let i = next; i < shards.length; i++) {
      const shard = shards[i]!;
      // Nobody can announce a session, or return, to what this node may not serve.
      if (!mayServe) shard.presence.serves(clock.monoMs());
      if (shard.ticking) dispatch.submit(shard, { kind: "tick" });
      if (clock.monoMs() < untilMs) continue;
      // Not `soon`: the platform looks at its sockets only when the loop has nothing left to do.
      this.#ticking = true;
      timers.after(0, () => {
        this.#ticking = false;
        if (!stopped()) this.#tick(shards, i + 1);
      });
      return;
    }
  }

  get #mayServe(): boolean {
    const { dispatch: { elsewhere }, options: { mayServe } } = this.#parts;
    return elsewhere?.mayServe !== false && (mayServe === undefined || mayServe() === true);
  }

  #sweep(): void {
    const { dispatch, stopped } = this.#parts;
    this.#listing.sweep((name) => {
      if (!stopped()) dispatch.route({ kind: "sweep", name });
    });
  }
}
