/**
 * The inbox of a node's shards. Inputs that are put into it are taken in turns: a turn takes all of
 * them and those that follow from them, does the shards' effects, and ends with their presence.
 */
import type { Bugs } from "./bugs.ts";
import type { Effect, Now, ShardInput } from "../../shard/effects.ts";
import type { Shard } from "../../shard/step/shard.ts";

/** What the inbox needs of its node. */
export interface InboxHost {
  readonly bugs: Bugs;
  now(): Now;
  /** Does an effect; what it throws is logged and harms no other. */
  execute(shard: Shard, effect: Effect): void;
  /** Called after every turn. */
  turnEnded(): void;
}

/** See the head of this file. */
export class Inbox {
  readonly #host: InboxHost;
  /** Inputs and their shards, up to `#count`; arrays that shrink would be made anew each turn. */
  readonly #inputs: (ShardInput | null)[] = [];
  readonly #shards: (Shard | null)[] = [];
  #count = 0;
  /** Shards of the turn that runs. */
  readonly #touched: Shard[] = [];
  #running = false;

  constructor(host: InboxHost) {
    this.#host = host;
  }

  /** Puts an input into the inbox, and begins a turn unless one runs. */
  put(shard: Shard, input: ShardInput): void {
    this.#inputs[this.#count] = input;
    this.#shards[this.#count++] = shard;
    if (!this.#running) this.#run();
  }

  /** Takes all that `put` puts into the inbox in one turn. */
  together(put: () => void): void {
    if (this.#running) return put();
    this.#running = true;
    try {
      put();
    } finally {
      this.#running = false;
      if (this.#count > 0) this.#run();
    }
  }

  #run(): void {
    this.#running = true;
    const now = this.#host.now();
    const touched = this.#touched;
    do {
      for (let i = 0; i < this.#count; i++) {
        const input = this.#inputs[i]!;
        const shard = this.#shards[i]!;
        this.#inputs[i] = this.#shards[i] = null;
        if (!touched.includes(shard)) touched.push(shard);
        this.#execute(shard, shard.step(now, input));
      }
      this.#count = 0;
      for (const shard of touched) this.#execute(shard, shard.endTurn(now));
      touched.length = 0;
    } while (this.#count > 0);
    this.#running = false;
    this.#host.turnEnded();
  }

  #execute(shard: Shard, effects: readonly Effect[]): void {
    for (const effect of effects) {
      try {
        this.#host.execute(shard, effect);
      } catch (error) {
        this.#host.bugs.caught(`effect ${effect.kind}`, error, { shard: shard.id });
      }
    }
  }
}
