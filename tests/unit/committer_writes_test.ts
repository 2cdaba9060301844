/** That a node has one write under way at a time, whatever its shards ask for meanwhile. */
import assert from "node:assert/strict";
import { Committer } from "../../server/node/committer.ts";
import type { CommitHost } from "../../server/node/commit_host.ts";
import type { CheckpointBatch, SealedBatch } from "../../shard/effects.ts";
import type { Ports, StoreError } from "../../server/node/ports.ts";
import type { Shard } from "../../shard/step/shard.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

type Done = (error: StoreError | null) => void;

/** What the committer sees of a shard; all that it has open is waited for. */
class FakeShard {
  readonly row = { epoch: 1 };
  readonly ready = true;
  ended = false;
  open = true;
  /** Whether a checkpoint is due. */
  due = false;
  readonly openBytes = 10;
  #batches = 0;

  constructor(readonly id: number) {}

  get urgent(): boolean {
    return this.open;
  }

  seal(): SealedBatch {
    this.open = false;
    const batch = ++this.#batches;
    return { batch, rows: [{ lsn: batch, bytes: new Uint8Array(10) }], bytes: 10 };
  }

  behind(): boolean {
    return this.due;
  }

  checkpoint(): CheckpointBatch | null {
    if (!this.due) return null;
    this.due = false;
    return { changes: [], cut: null, bytes: 10, accounts: 1 };
  }
}

/** A committer, two shards, and a store whose writes end when a test says how. */
class CommitterFixture {
  readonly time = new VirtualTime();
  readonly shards = [new FakeShard(1), new FakeShard(2)] as const;
  /** Writes under way. */
  readonly writes: Done[] = [];
  /** What shards have learned of their batches. */
  readonly learned: string[] = [];
  /** What a shard asks of its node when it learns something. */
  onLearned = (): void => {};
  /** The head of the log of the first shard, which is claimed again. */
  head = 0;
  readonly committer: Committer;

  constructor() {
    const tell = (what: string) => (shard: Shard) => {
      this.learned.push(`${what} ${shard.id}`);
      this.onLearned();
    };
    const host = {
      ports: this.#ports(),
      shards: this.shards as unknown as readonly Shard[],
      writers: 1,
      now: () => ({ mono: this.time.global.clock.monoMs(), wall: 0 }),
      committed: tell("committed"),
      checkpointed: tell("checkpointed"),
      commitFailed: tell("failed"),
      fenced: (shard: Shard) => {
        shard.ended = true;
        tell("fenced")(shard);
      },
      waits: true,
      reclaim: (
        shards: readonly Shard[],
        settles: (s: Shard, head: number) => boolean,
        done: Done,
      ) => {
        for (const shard of shards) settles(shard, this.head);
        done(null);
      },
      writable: () => {},
      observe: () => {},
    };
    this.committer = new Committer(host as CommitHost);
    // A write that began at 0 would be none.
    this.time.runFor(1);
  }

  #ports(): Ports {
    const write = (done: Done) => void this.writes.push(done);
    const store = {
      append: (_: unknown, done: Done) => write(done),
      checkpoint: (_claims: unknown, _rows: unknown, _cuts: unknown, done: Done) => write(done),
    };
    const { clock, timers } = this.time.global;
    const log = { error: () => {}, warn: () => {}, info: () => {} };
    const ports = { clock, timers, store, log, random: { number: () => 0 } };
    return { ...ports, retries: { againMs: () => 10 } } as unknown as Ports;
  }

  /** The only write under way ends. */
  end(error: StoreError | null): void {
    assert.equal(this.writes.length, 1);
    this.writes.shift()!(error);
    this.time.runFor(20);
  }
}

const UNKNOWN: StoreError = { kind: "unknown", message: "" };

Deno.test("11: what is asked for while an append that has waited is concluded is written after that", () => {
  const w = new CommitterFixture();
  const [first, second] = w.shards;
  second.open = false;
  w.head = 1;
  w.committer.hurry();
  // A shard that is to be given away learns that its batch is committed, and has more to commit.
  w.onLearned = () => {
    w.onLearned = () => {};
    first.open = true;
    w.committer.hurry();
    second.open = true;
  };
  w.end(UNKNOWN);
  assert.deepEqual(w.learned, ["committed 1"]);
  w.time.runFor(100);
  assert.equal(w.writes.length, 1);
  assert.notEqual(w.committer.writingSinceMs, 0);
  w.end(null);
  assert.deepEqual(w.learned.toSorted(), ["committed 1", "committed 1", "committed 2"]);
  assert.deepEqual([w.writes.length, w.committer.writingSinceMs], [0, 0]);
});

Deno.test("11: what is asked for while a checkpoint loses a shard is written after the rest of it", () => {
  const w = new CommitterFixture();
  const [first, second] = w.shards;
  for (const shard of w.shards) {
    shard.open = false;
    shard.due = true;
  }
  w.committer.checkpoint();
  w.onLearned = () => {
    w.onLearned = () => {};
    second.open = true;
    w.committer.hurry();
  };
  w.end({ kind: "fenced", message: "", shards: [first.id] });
  assert.deepEqual(w.learned, ["fenced 1"]);
  w.end(null);
  assert.deepEqual(w.learned, ["fenced 1", "checkpointed 2"]);
  w.end(null);
  assert.deepEqual(w.learned, ["fenced 1", "checkpointed 2", "committed 2"]);
  assert.equal(w.writes.length, 0);
});

Deno.test("11: a node that stops while an append waits begins none before all shards know that it failed", () => {
  const w = new CommitterFixture();
  w.committer.hurry();
  w.writes.shift()!(UNKNOWN);
  const [, second] = w.shards;
  let underWay = 0;
  w.onLearned = () => {
    second.open = w.learned.length === 1;
    w.committer.hurry();
    underWay += w.writes.length;
  };
  let idle = false;
  w.committer.whenIdle(() => idle = true);
  assert.deepEqual(w.learned, ["failed 1", "failed 2"]);
  assert.equal(underWay, 0);
  w.time.runFor(20);
  assert.equal(idle, true);
});
