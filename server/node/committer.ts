/**
 * Group commit: one append in flight, everything that shards collect meanwhile is the next. Behind
 * it, at most one checkpoint write at a time. A failed write makes its shards forget what was
 * provisional, and stops further writes until a probe succeeds; where its outcome is unknown, the
 * probe claims the shards again. In a cell a failed append waits instead: its shards go on with what
 * needs no write, and when the store is back their heads say whether it is to be repeated. A shard whose claim is not current any more is dropped, and the rest
 * of the write is repeated without it.
 */
import type { Cancel, Mutation, StoreError } from "./ports.ts";
import type { CommitHost, CommitStats, Part, Sealed, Waiting } from "./commit_host.ts";
import { CheckpointCallers } from "./checkpoint_callers.ts";
import { CommitLoad } from "./commit_load.ts";
import type { Shard } from "../../shard/step/shard.ts";
import { STORE_LIMITS } from "./ports.ts";

/** Bytes of log rows in one write; leaves room for keys below the store's limit. */
const LOG_BYTES_MAX = STORE_LIMITS.writeBytesMax - 80 * 1024;
/** Bounds of one checkpoint write: small, so that commits do not wait long behind it. */
const CHECKPOINT_ROWS_MAX = 64;
const CHECKPOINT_BYTES_MAX = 128 * 1024;
/**
 * Least time from the start of a checkpoint write to that of the next (ms), unless a shard is behind:
 * the longer an account's changes are collected, the fewer bytes each of them takes.
 */
const CHECKPOINT_GAP_MS = 100;
/** How long changes nobody waits for may wait for company (ms). */
const LAZY_MS = 50;
/** When a client may try again what a store that takes no writes refuses (ms). */
const REFUSED_MS = 2000;

/** Writes what shards seal. */
export class Committer {
  readonly stats: CommitStats = {
    commits: 0,
    rows: 0,
    bytes: 0,
    failures: { full: 0, failed: 0, unknown: 0, fenced: 0 },
    checkpointWrites: 0,
    checkpointRows: 0,
    checkpoints: 0,
    checkpointAccounts: 0,
    checkpointBytes: 0,
    lastCommitMs: 0,
  };
  /** Monotonic time since which writes fail; 0 while they succeed. */
  failingSinceMs = 0;
  /** Monotonic time at which the write under way began; 0 while there is none. */
  writingSinceMs = 0;
  readonly #host: CommitHost;
  #soon = false;
  #lazy: Cancel | null = null;
  #turn = 0;
  readonly #load: CommitLoad;
  #notBeforeMs = 0;
  #checkpointNotBeforeMs = 0;
  #stopped = false;
  #idle: (() => void)[] = [];
  readonly #callers = new CheckpointCallers();
  /** Shards to be claimed before anything is written again. */
  readonly #unclaimed = new Set<Shard>();
  #waiting: Waiting | null = null;

  constructor(host: CommitHost) {
    this.#host = host;
    this.#load = new CommitLoad(host.writers);
  }

  /** Looks whether something is to be written; called after every turn. */
  poke(): void {
    if (this.writingSinceMs !== 0 || this.#soon || this.#stopped || this.#waiting !== null) return;
    const { shards, ports: { timers } } = this.#host;
    // What a shard that is held has open is waited for, by all of its users.
    const held = shards.some((s) => s.ending && s.open);
    if (held || shards.some((s) => s.urgent)) {
      this.#soon = true;
      const run = () => {
        this.#soon = false;
        if (this.writingSinceMs === 0 && !this.#stopped) this.#commit();
      };
      const pauseMs = held ? 0 : this.#notBeforeMs - this.#host.now().mono;
      pauseMs < 1 ? timers.soon(run) : timers.after(pauseMs, run);
    } else if (this.#lazy === null && shards.some((s) => s.open)) {
      this.#lazy = timers.after(LAZY_MS, () => {
        this.#lazy = null;
        if (this.writingSinceMs === 0 && !this.#stopped) this.#commit();
      });
    }
  }

  /** Commits what is open as soon as it can be. */
  hurry(): void {
    this.#notBeforeMs = 0;
    if (this.writingSinceMs === 0 && !this.#stopped) this.#commit();
  }

  /** Calls `done` when nothing is open or under way. */
  whenIdle(done: () => void): void {
    this.#giveUp();
    this.#idle.push(done);
    if (this.writingSinceMs === 0 && !this.#soon) this.#commit();
  }

  stop(): void {
    this.#stopped = true;
    this.#lazy?.();
  }

  /** Writes checkpoints that are due, if nothing else is under way. */
  checkpoint(): void {
    if (this.writingSinceMs !== 0 || this.#soon || this.#stopped) return;
    if (this.failingSinceMs !== 0) return;
    if (this.#host.shards.some((s) => s.open)) return this.#commit();
    this.#writeCheckpoint(this.#collectCheckpoint(false), () => this.#next());
  }

  /** Checkpoints what there is by now, whatever comes meanwhile, then calls `done`; for listings. */
  checkpointSoFar(done: () => void): void {
    this.#callers.add(this.#host.shards, done);
    this.#next();
  }

  /** Writes for those who wait for checkpoints; false where there is nothing to write. */
  #checkpointForCallers(): boolean {
    if (this.failingSinceMs !== 0) this.#callers.giveUp();
    this.#callers.settle();
    if (!this.#callers.waiting) return false;
    if (this.#host.shards.some((s) => s.open)) return false;
    const parts = this.#collectCheckpoint(true);
    if (parts === null) this.#callers.giveUp();
    else this.#writeCheckpoint(parts, () => this.#next());
    return parts !== null;
  }

  /** Checkpoints everything there is, then calls `done`; for a clean stop. */
  checkpointAll(done: () => void): void {
    this.whenIdle(() => {
      const rows = this.failingSinceMs === 0 ? this.#collectCheckpoint(true) : null;
      if (rows === null) return done();
      this.#writeCheckpoint(rows, () => {
        this.#next();
        this.checkpointAll(done);
      });
    });
  }

  #commit(): void {
    if (this.#waiting !== null) return;
    const { shards } = this.#host;
    const sealed: Sealed[] = [];
    let bytes = 0;
    for (let i = 0; i < shards.length; i++) {
      // Begin with another shard each time, so that none starves at the size limit.
      const shard = shards[(i + this.#turn) % shards.length]!;
      if (!shard.open || (bytes > 0 && bytes + shard.openBytes > LOG_BYTES_MAX)) continue;
      const batch = shard.seal();
      if (batch === null) continue;
      bytes += batch.bytes;
      sealed.push({ shard, batch });
    }
    this.#turn++;
    if (sealed.length === 0) return this.#next();
    const checkpoint = this.#collectCheckpoint(false);
    const began = this.#host.ports.clock.monoMs();
    this.writingSinceMs = began;
    this.#notBeforeMs = this.#load.begins(bytes, began);
    this.#append(sealed, checkpoint, began, bytes);
  }

  #append(
    sealed: readonly Sealed[],
    checkpoint: readonly Part[] | null,
    began: number,
    bytes: number,
  ) {
    const batches = sealed.map(({ shard, batch }) => ({
      shard: shard.id,
      epoch: shard.row.epoch,
      from: batch.rows[0]!.lsn,
      records: batch.rows.map((row) => row.bytes),
    }));
    this.#host.ports.store.append(batches, (error) => {
      if (error?.kind === "fenced") {
        const rest = this.#fence(sealed, error.shards);
        if (rest.length > 0) return this.#append(rest, checkpoint, began, bytes);
      } else if (error !== null) {
        if (error.kind === "unknown") { for (const s of sealed) this.#unclaimed.add(s.shard); }
        if (this.#host.waits && error.kind !== "full") {
          return this.#wait(error, { sealed, checkpoint, bytes, heads: new Map() });
        }
        return this.#failed(error, new Set([...sealed, ...checkpoint ?? []].map((s) => s.shard)));
      } else {
        const took = this.#host.ports.clock.monoMs() - began;
        const rows = sealed.reduce((sum, { batch }) => sum + batch.rows.length, 0);
        this.#succeeded(took, rows, bytes);
        for (const { shard, batch } of sealed) this.#host.committed(shard, batch.batch);
      }
      // Only now: what the shards release may ask for the next commit, which must not begin between.
      this.writingSinceMs = 0;
      this.#writeCheckpoint(checkpoint, () => this.#next());
    });
  }

  #wait(error: StoreError, waiting: Waiting): void {
    this.stats.failures[error.kind as "failed" | "unknown"]++;
    const { kind, message } = error;
    this.#host.ports.log.error("store write failed", { kind, error: message, waits: true });
    this.#waiting = waiting;
    this.writingSinceMs = 0;
    this.#stopWrites();
  }

  /** The store takes writes again: concludes the append that has waited, or repeats it. */
  #resume(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) return this.poke();
    // As after an append: what the shards release may ask for the next commit at once.
    this.writingSinceMs = this.#host.ports.clock.monoMs();
    const again: Sealed[] = [];
    for (const part of waiting.sealed) {
      const { shard, batch: { batch, rows } } = part;
      if (shard.ended) continue;
      const head = waiting.heads.get(shard);
      if (head === rows.at(-1)!.lsn) this.#host.committed(shard, batch);
      else if (head === undefined || head === rows[0]!.lsn - 1) again.push(part);
      else this.#host.commitFailed(shard);
    }
    const { bytes, checkpoint } = waiting;
    if (again.length > 0) return this.#append(again, checkpoint, this.writingSinceMs, bytes);
    this.writingSinceMs = 0;
    this.#writeCheckpoint(checkpoint, () => this.#next());
  }

  /** What waits for the store is not waited for: its outcome is decided by reading. */
  #giveUp(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    const shards = new Set([...waiting.sealed, ...waiting.checkpoint ?? []].map((p) => p.shard));
    for (const shard of this.#host.shards) if (shard.open) shards.add(shard);
    // Nothing begins before all of them have forgotten what they have open.
    this.writingSinceMs = this.#host.ports.clock.monoMs();
    for (const shard of shards) this.#host.commitFailed(shard);
    this.writingSinceMs = 0;
  }

  /** Drops the shards of a refused write whose claims are not current; returns the rest of it. */
  #fence<T extends { readonly shard: Shard }>(all: readonly T[], fenced: readonly number[]): T[] {
    this.stats.failures.fenced++;
    for (const { shard } of all) {
      if (fenced.includes(shard.id) && !shard.ended) this.#host.fenced(shard);
    }
    const rest = all.filter(({ shard }) => !shard.ended);
    if (rest.length === all.length) throw new Error("a fenced write names none of its shards");
    return rest;
  }

  #succeeded(tookMs: number, rows: number, bytes: number): void {
    this.stats.commits++;
    this.stats.rows += rows;
    this.stats.bytes += bytes;
    this.stats.lastCommitMs = tookMs;
    this.#host.observe(tookMs, rows, bytes);
  }

  /** Due checkpoints, of shards with nothing open; null where there are none. */
  #collectCheckpoint(whatever: boolean): Part[] | null {
    const now = this.#host.now();
    const all = whatever || this.#callers.waiting;
    const due = all || now.mono >= this.#checkpointNotBeforeMs;
    const parts: Part[] = [];
    let rows = 0;
    let bytes = 0;
    const shards = this.#host.shards;
    for (let i = 0; i < shards.length; i++) {
      const shard = shards[(i + this.#turn) % shards.length]!;
      if (shard.open || !shard.ready || !(due || shard.behind(now.mono))) continue;
      if (rows >= CHECKPOINT_ROWS_MAX || bytes >= CHECKPOINT_BYTES_MAX) break;
      const batch = shard.checkpoint(now, {
        rowsMax: CHECKPOINT_ROWS_MAX - rows,
        bytesMax: CHECKPOINT_BYTES_MAX - bytes,
        all,
        first: parts.length === 0,
      });
      if (batch === null) continue;
      const { changes, cut } = batch;
      rows += changes.length + (cut === null ? 0 : cut.below - cut.from);
      bytes += batch.bytes;
      parts.push({ shard, batch });
    }
    return parts.length === 0 ? null : parts;
  }

  #writeCheckpoint(all: readonly Part[] | null, next: () => void): void {
    // A shard may have been dropped since its checkpoint was collected.
    const parts = all?.filter(({ shard }) => !shard.ended) ?? [];
    if (parts.length === 0) return next();
    const began = this.#host.ports.clock.monoMs();
    this.writingSinceMs = began;
    this.#checkpointNotBeforeMs = began + CHECKPOINT_GAP_MS;
    const claims = parts.map(({ shard }) => ({ shard: shard.id, epoch: shard.row.epoch }));
    const cuts = parts.flatMap(({ shard, batch: { cut } }) =>
      cut === null ? [] : [{ log: shard.id, ...cut }]
    );
    const rows = parts.flatMap(({ batch }) => batch.changes).map((c): Mutation =>
      c.value === null
        ? { kind: "delete", key: c.key }
        : { kind: "set", key: c.key, value: c.value }
    );
    this.#host.ports.store.checkpoint(claims, rows, cuts, (error) => {
      if (error?.kind === "fenced") {
        const rest = this.#fence(parts, error.shards);
        this.writingSinceMs = 0;
        return this.#writeCheckpoint(rest, next);
      }
      if (error !== null) {
        this.#failed(error, new Set(parts.map((p) => p.shard)));
        return next();
      }
      this.stats.checkpointWrites++;
      this.stats.checkpointRows += rows.length;
      for (const { shard, batch } of parts) {
        this.stats.checkpoints++;
        this.stats.checkpointAccounts += batch.accounts;
        this.stats.checkpointBytes += batch.bytes;
        this.#host.checkpointed(shard);
      }
      this.writingSinceMs = 0;
      next();
    });
  }

  #next(): void {
    for (;;) {
      if (this.writingSinceMs !== 0 || this.#soon || this.#checkpointForCallers()) return;
      if (this.#idle.length === 0) return this.poke();
      if (this.#host.shards.some((s) => s.open)) return this.#commit();
      // It may begin a write: then the others wait for the end of that.
      this.#idle.shift()!();
    }
  }

  #failed(error: StoreError, shards: Set<Shard>): void {
    const { ports } = this.#host;
    if (error.kind === "damaged") throw new Error(`a write cannot be damaged: ${error.message}`);
    this.stats.failures[error.kind]++;
    ports.log.error("store write failed", { kind: error.kind, error: error.message });
    this.#stopWrites();
    for (const s of this.#host.shards) if (s.open) shards.add(s);
    for (const s of shards) this.#host.commitFailed(s);
    this.writingSinceMs = 0;
    this.#next();
  }

  /** These shards' claims are void: nothing is written before they are claimed again. */
  doubt(shards: readonly Shard[]): void {
    for (const shard of shards) this.#unclaimed.add(shard);
    this.#stopWrites();
  }

  #stopWrites(): void {
    if (this.failingSinceMs !== 0) return;
    this.failingSinceMs = this.#host.ports.clock.monoMs();
    this.#host.writable(false, REFUSED_MS);
    this.#probe(1);
  }

  #probe(tries: number): void {
    const { timers, store, clock, log, random, retries } = this.#host.ports;
    timers.after(retries.againMs("probe", tries, random.number()), () => {
      if (this.#stopped) return;
      const probed = (error: StoreError | null) => {
        const unclaimed = [...this.#unclaimed].some((shard) => !shard.ended);
        if (error !== null || unclaimed) return this.#probe(tries + 1);
        this.#unclaimed.clear();
        log.info("store writes again", { failedMs: clock.monoMs() - this.failingSinceMs });
        this.failingSinceMs = 0;
        this.#host.writable(true, 0);
        this.#resume();
      };
      const unclaimed = [...this.#unclaimed].filter((shard) => !shard.ended);
      if (unclaimed.length === 0) {
        const value = new Uint8Array(4096);
        return store.write([{ kind: "set", key: ["meta", "probe"], value }], probed);
      }
      const settles = (shard: Shard, head: number): boolean => {
        const waits = this.#waiting?.sealed.some((part) => part.shard === shard) === true;
        if (waits) this.#waiting!.heads.set(shard, head);
        return waits;
      };
      this.#host.reclaim(unclaimed, settles, (error) => {
        if (error === null) { for (const shard of unclaimed) this.#unclaimed.delete(shard); }
        probed(error);
      });
    });
  }
}
