/**
 * Rehearsals of takeovers. Before a node gives a shard away, the next owner reads what it will have to
 * read then, into a shard that nobody uses and that is forgotten. So no user waits for the first
 * connection to the store, for the plans of its statements, or for code that runs for the first time.
 */
import type { NodeParts } from "./parts.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { ShardInput } from "../../shard/effects.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { Loader } from "./loader.ts";
import { question } from "./asks.ts";

/** How long a rehearsal may take (ms): the move goes on without its end. */
const REHEARSAL_MS = 500;

const REHEARSE = question<number, null>("rehearse a takeover", 2 * REHEARSAL_MS);

/** See the head of this file. */
export class Rehearsals {
  readonly #parts: () => NodeParts;

  constructor(parts: () => NodeParts) {
    this.#parts = parts;
  }

  /** Rehearses from now on for other nodes. */
  start(): void {
    this.#parts().asks.on(REHEARSE, (shard, done) => this.#run(shard, done));
  }

  /** Has the next owner of a shard rehearse; calls back when it has, or does not, in 1 s at most. */
  ask({ id }: Shard, to: NodeRef, done: () => void): void {
    this.#parts().asks.one(to, REHEARSE, id, () => done());
  }

  #run(id: number, done: (result: Result<null>) => void): void {
    const { map, ports } = this.#parts();
    const row = map.table.shards.find((each) => each.id === id);
    if (row === undefined || map.byId(id) !== undefined) {
      return done(fail("conflict", `Shard ${id} is not at another node`));
    }
    const shard = map.makeShard(row);
    const over = () => {
      if (shard.ended) return;
      // Nothing more is read for it.
      shard.ended = true;
      cancel();
      done(ok(null));
    };
    const cancel = ports.timers.after(REHEARSAL_MS, over);
    const loader = new Loader(ports, (_, input) => {
      if (!shard.ended) this.#step(shard, input, loader, over);
    });
    loader.log(shard);
  }

  /**
   * Its owner goes on meanwhile, so what is read may not fit together: that ends the rehearsal, and
   * says nothing of the shard.
   */
  #step(shard: Shard, input: ShardInput, loader: Loader, over: () => void): void {
    const { clock } = this.#parts().ports;
    const now = { mono: clock.monoMs(), wall: clock.wallMs() };
    for (const effect of shard.step(now, input)) {
      if (effect.kind === "load") loader.load(shard, effect);
      else if (effect.kind === "recover" || effect.kind === "log_damaged") over();
    }
    if (shard.ready) over();
  }
}
