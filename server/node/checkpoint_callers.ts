/** Callers that wait until checkpoints have all that the logs of shards had when they came. */
import type { Shard } from "../../shard/step/shard.ts";

interface Caller {
  /** The last LSN of each shard when it came. */
  readonly upTo: ReadonlyMap<Shard, number>;
  readonly done: () => void;
}

/** See the head of this file. */
export class CheckpointCallers {
  #callers: Caller[] = [];

  get waiting(): boolean {
    return this.#callers.length > 0;
  }

  add(shards: readonly Shard[], done: () => void): void {
    this.#callers.push({ upTo: new Map(shards.map((shard) => [shard, shard.lastLsn])), done });
  }

  /** Calls back those who need not wait any more. */
  settle(): void {
    this.#take(({ upTo }) => {
      return [...upTo].every(([shard, lsn]) => shard.ended || !shard.ready || shard.saved(lsn));
    });
  }

  /** Calls back all: nothing more can be written. */
  giveUp(): void {
    this.#take(() => true);
  }

  #take(isOver: (caller: Caller) => boolean): void {
    const over = this.#callers.filter(isOver);
    this.#callers = this.#callers.filter((caller) => !over.includes(caller));
    for (const { done } of over) done();
  }
}
