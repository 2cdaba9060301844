/**
 * Brings the store up to date with what the shards of a cell have in memory, so that it lists all
 * accounts. A shard that is changing hands has no owner who can write them: it is waited for.
 */
import { fail, ok } from "../../shard/errors.ts";
import { type Missing, question } from "./asks.ts";
import type { Node } from "./node.ts";
import type { Runtime } from "./ports.ts";

/** Between two looks for shards that have changed hands, and for how long they are waited for (ms). */
const AGAIN_MS = 100;
const WAIT_MS = 5000;

/**
 * Writes what the shards of a node have in memory; replies with those of which all is written. Programs
 * of before reply null: what they own counts.
 */
const WRITE = question<null, readonly number[] | null>("accounts.checkpoint");

type Stored = Pick<Node, "asks" | "committer" | "shards" | "table">;

/** See the head of this file. */
export class StoredAccounts {
  readonly #node: Stored;
  readonly #runtime: Pick<Runtime, "clock" | "timers">;

  constructor(node: Stored, runtime: Pick<Runtime, "clock" | "timers">) {
    this.#node = node;
    this.#runtime = runtime;
    node.asks.on(WRITE, (_, done) => {
      const { committer, shards } = node;
      const ready = shards.filter((shard) => shard.ready);
      committer.checkpointSoFar(() => {
        if (committer.failingSinceMs !== 0) {
          return done(fail("unavailable", "Its store takes no writes now", AGAIN_MS));
        }
        done(ok(ready.filter((shard) => shard.ready && !shard.ended).map(({ id }) => id)));
      });
    });
  }

  /** Calls back with the nodes whose newest accounts may be missing. */
  complete(done: (missing: readonly Missing[]) => void): void {
    this.#write(new Set(), this.#runtime.clock.monoMs() + WAIT_MS, done);
  }

  #write(written: Set<number>, untilMs: number, done: (missing: readonly Missing[]) => void): void {
    this.#node.asks.all(WRITE, null, ({ replies, missing }) => {
      const { clock, timers } = this.#runtime;
      const { shards } = this.#node.table;
      for (const { node, value } of replies) {
        const its = value ?? shards.filter(({ owner }) => owner?.id === node).map(({ id }) => id);
        for (const id of its) written.add(id);
      }
      const left = shards.filter(({ id, owner }) =>
        !written.has(id) && !missing.some(({ node }) => node === owner?.id)
      );
      if (left.length === 0) return done(missing);
      if (clock.monoMs() < untilMs) {
        return void timers.after(AGAIN_MS, () => this.#write(written, untilMs, done));
      }
      const changing = left.map(({ id, owner }) => ({
        node: owner?.id ?? replies[0]!.node,
        why: `Shard ${id} is changing hands`,
      }));
      done([...missing, ...changing]);
    });
  }
}
