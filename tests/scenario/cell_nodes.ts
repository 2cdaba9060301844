/** A cell of simulated nodes that share the shards evenly, for tests of what its nodes do together. */
import { ok } from "node:assert/strict";
import { CellStory } from "./cell_story.ts";
import { SHARD_LIMITS } from "../sim/limits.ts";

/** See the head of this file. */
export class CellNodes extends CellStory {
  /**
   * Starts `nodes` nodes, the last `older` of which speak the version before this program's, and
   * waits until the shards are divided evenly.
   */
  constructor(
    nodes: number,
    shards: number,
    older = 0,
    limits: Partial<typeof SHARD_LIMITS> = {},
  ) {
    super({ nodes, older, shards, limits: { ...SHARD_LIMITS, ...limits } });
    const share = shards / nodes;
    this.await("even shares", () => this.served.every((n) => n === share), 10_000);
  }

  /** The JSON of a response that needs virtual time to pass. */
  async ask<T>(asked: Response | Promise<Response>): Promise<T> {
    let response: Response | null = null;
    void Promise.resolve(asked).then((found) => response = found);
    for (let step = 0; response === null; step++) {
      ok(step < 1000, "a response not within 10 s");
      this.cluster.time.runFor(10);
      // What the request awaits goes on.
      for (let i = 0; i < 20; i++) await Promise.resolve();
    }
    return await (response as Response).json();
  }
}
