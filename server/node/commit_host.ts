/** What the committer is given, and what it counts. */
import type { CheckpointBatch, Now, SealedBatch } from "../../shard/effects.ts";
import type { Ports, StoreError } from "./ports.ts";
import type { Shard } from "../../shard/step/shard.ts";

/** What the committer counts. */
export interface CommitStats {
  commits: number;
  rows: number;
  bytes: number;
  /** Writes that failed, by how. */
  readonly failures: { [kind in Exclude<StoreError["kind"], "damaged">]: number };
  /** Writes of checkpoints, and their rows without the log rows that they delete. */
  checkpointWrites: number;
  checkpointRows: number;
  /** Checkpoints of shards: one write has those of several. */
  checkpoints: number;
  checkpointAccounts: number;
  checkpointBytes: number;
  /** Duration of the last commit (ms). */
  lastCommitMs: number;
}

/** What the committer needs of its node. */
export interface CommitHost {
  readonly ports: Ports;
  readonly shards: readonly Shard[];
  /** Processes that write into the store together, this one included. */
  readonly writers: number;
  now(): Now;
  /** Tells a shard how its batch or checkpoint went. */
  committed(shard: Shard, batch: number): void;
  checkpointed(shard: Shard): void;
  commitFailed(shard: Shard): void;
  /** Somebody else has claimed the shard: it must not be served from memory any more. */
  fenced(shard: Shard): void;
  /** Whether a failed append waits for the store. */
  readonly waits: boolean;
  /**
   * Claims shards again, whose claims an append of unknown outcome has voided. `settles`: takes the
   * head of a shard's log; returns whether that decides what waits.
   */
  reclaim(
    shards: readonly Shard[],
    settles: (shard: Shard, head: number) => boolean,
    done: (error: StoreError | null) => void,
  ): void;
  writable(writable: boolean, retryAfterMs: number): void;
  /** Called with the duration of every commit (ms) and its number of rows. */
  observe(commitMs: number, rows: number, bytes: number): void;
}

/** What a shard has sealed. */
export interface Sealed {
  readonly shard: Shard;
  readonly batch: SealedBatch;
}

/** An append that has failed, and waits for the store. */
export interface Waiting {
  readonly sealed: readonly Sealed[];
  readonly checkpoint: readonly Part[] | null;
  readonly bytes: number;
  /** Heads of the logs of its shards, where they were claimed again. */
  readonly heads: Map<Shard, number>;
}

/** What a checkpoint has of a shard. */
export interface Part {
  readonly shard: Shard;
  readonly batch: CheckpointBatch;
}
