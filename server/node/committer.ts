/**
 * Group commit: one atomic write in flight, everything that shards collect meanwhile is the next.
 * Behind it, at most one checkpoint write at a time. A failed write makes its shards forget what was
 * provisional, and stops further writes until a probe succeeds.
 */
import type { Cancel, Mutation, Ports, StoreError } from "./ports.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { Now } from "../../shard/step/effects.ts";
import { logKey } from "../../shard/account/account_cache.ts";
import { STORE_LIMITS } from "./ports.ts";

/** Bytes of log rows in one write; leaves room for keys below the store's limit. */
const LOG_BYTES_MAX = STORE_LIMITS.writeBytesMax - 80 * 1024;
/** Bounds of one checkpoint write: small, so that commits do not wait long behind it. */
const CHECKPOINT_ROWS_MAX = 64;
const CHECKPOINT_BYTES_MAX = 128 * 1024;
/** How long changes nobody waits for may wait for company (ms). */
const LAZY_MS = 50;
/** Bytes of log from which on a commit counts as one under load. */
const LOADED_BYTES = 16 * 1024;
/** Least time from the start of such a commit to that of the next (ms): fewer, fuller rows. */
const LOADED_GAP_MS = 16;
/** Pause between attempts to write while the store is failing (ms). */
const PROBE_MS = 1000;

/** What the committer counts. */
export interface CommitStats {
  commits: number;
  rows: number;
  bytes: number;
  failures: number;
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
  now(): Now;
  /** Tells a shard how its batch or checkpoint went. */
  committed(shard: Shard, batch: number): void;
  checkpointed(shard: Shard): void;
  commitFailed(shard: Shard): void;
  writable(writable: boolean, retryAfterMs: number): void;
  /** Called with the duration of every commit (ms) and its number of rows. */
  observe(commitMs: number, rows: number, bytes: number): void;
}

/** Writes what shards seal. */
export class Committer {
  readonly stats: CommitStats = {
    commits: 0,
    rows: 0,
    bytes: 0,
    failures: 0,
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
  #notBeforeMs = 0;
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(host: CommitHost) {
    this.#host = host;
  }

  /** Looks whether something is to be written; called after every turn. */
  poke(): void {
    if (this.writingSinceMs !== 0 || this.#soon || this.#stopped) return;
    if (this.#host.shards.some((s) => s.urgent)) {
      this.#soon = true;
      const run = () => {
        this.#soon = false;
        if (this.writingSinceMs === 0 && !this.#stopped) this.#commit();
      };
      const { clock, timers } = this.#host.ports;
      const pauseMs = this.#notBeforeMs - clock.monoMs();
      if (pauseMs < 1) timers.soon(run);
      else timers.after(pauseMs, run);
    } else if (this.#lazy === null && this.#host.shards.some((s) => s.open)) {
      this.#lazy = this.#host.ports.timers.after(LAZY_MS, () => {
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

  /** Checkpoints everything there is, then calls `done`; for a clean stop and for listings. */
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
    const mutations: Mutation[] = [];
    const sealed: { shard: Shard; batch: number }[] = [];
    let bytes = 0;
    const shards = this.#host.shards;
    for (let i = 0; i < shards.length; i++) {
      // Begin with another shard each time, so that none starves at the size limit.
      const shard = shards[(i + this.#turn) % shards.length]!;
      if (!shard.open || (bytes > 0 && bytes + shard.openBytes > LOG_BYTES_MAX)) continue;
      const batch = shard.seal()!;
      bytes += batch.bytes;
      sealed.push({ shard, batch: batch.batch });
      for (const row of batch.rows) {
        mutations.push({ kind: "set", key: logKey(shard.id, row.lsn), value: row.bytes });
      }
    }
    this.#turn++;
    if (mutations.length === 0) return this.#next();
    const checkpoint = this.#collectCheckpoint(false);
    const began = this.#host.ports.clock.monoMs();
    this.writingSinceMs = began;
    this.#notBeforeMs = bytes >= LOADED_BYTES ? began + LOADED_GAP_MS : 0;
    this.#host.ports.store.write(mutations, (error) => {
      if (error !== null) {
        return this.#failed(error, new Set([...sealed, ...checkpoint ?? []].map((s) => s.shard)));
      }
      const took = this.#host.ports.clock.monoMs() - began;
      this.#succeeded(took, mutations.length, bytes);
      for (const s of sealed) this.#host.committed(s.shard, s.batch);
      // Only now: what the shards let go may ask for the next commit, which must not begin between.
      this.writingSinceMs = 0;
      this.#writeCheckpoint(checkpoint, () => this.#next());
    });
  }

  #succeeded(tookMs: number, rows: number, bytes: number): void {
    this.stats.commits++;
    this.stats.rows += rows;
    this.stats.bytes += bytes;
    this.stats.lastCommitMs = tookMs;
    this.#host.observe(tookMs, rows, bytes);
  }

  /** Due checkpoints, of shards with nothing open; null where there are none. */
  #collectCheckpoint(
    all: boolean,
  ): { shard: Shard; changes: Mutation[]; accounts: number; bytes: number }[] | null {
    const now = this.#host.now();
    const parts: { shard: Shard; changes: Mutation[]; accounts: number; bytes: number }[] = [];
    let rows = 0;
    let bytes = 0;
    const shards = this.#host.shards;
    for (let i = 0; i < shards.length; i++) {
      const shard = shards[(i + this.#turn) % shards.length]!;
      if (shard.open || !shard.ready) continue;
      if (rows >= CHECKPOINT_ROWS_MAX || bytes >= CHECKPOINT_BYTES_MAX) break;
      const part = shard.checkpoint(now, {
        rowsMax: CHECKPOINT_ROWS_MAX - rows,
        bytesMax: CHECKPOINT_BYTES_MAX - bytes,
        all,
      });
      if (part === null) continue;
      rows += part.changes.length;
      bytes += part.bytes;
      const changes = part.changes.map((c): Mutation =>
        c.value === null
          ? { kind: "delete", key: c.key }
          : { kind: "set", key: c.key, value: c.value }
      );
      parts.push({ shard, changes, accounts: part.accounts, bytes: part.bytes });
    }
    return parts.length === 0 ? null : parts;
  }

  #writeCheckpoint(
    parts: { shard: Shard; changes: Mutation[]; accounts: number; bytes: number }[] | null,
    next: () => void,
  ): void {
    if (parts === null) return next();
    this.writingSinceMs = this.#host.ports.clock.monoMs();
    this.#host.ports.store.write(parts.flatMap((p) => p.changes), (error) => {
      if (error !== null) {
        this.#failed(error, new Set(parts.map((p) => p.shard)));
        return next();
      }
      for (const p of parts) {
        this.stats.checkpoints++;
        this.stats.checkpointAccounts += p.accounts;
        this.stats.checkpointBytes += p.bytes;
        this.#host.checkpointed(p.shard);
      }
      this.writingSinceMs = 0;
      next();
    });
  }

  #next(): void {
    if (this.writingSinceMs !== 0 || this.#soon) return;
    if (this.#idle.length > 0) {
      if (this.#host.shards.some((s) => s.open)) return this.#commit();
      const idle = this.#idle;
      this.#idle = [];
      for (const done of idle) done();
    }
    this.poke();
  }

  #failed(error: StoreError, shards: Set<Shard>): void {
    const { ports } = this.#host;
    this.stats.failures++;
    ports.log.error("store write failed", { kind: error.kind, error: error.message });
    if (this.failingSinceMs === 0) {
      this.failingSinceMs = ports.clock.monoMs();
      this.#host.writable(false, PROBE_MS * 2);
      this.#probe();
    }
    for (const s of this.#host.shards) if (s.open) shards.add(s);
    for (const s of shards) this.#host.commitFailed(s);
    this.writingSinceMs = 0;
    this.#next();
  }

  #probe(): void {
    const { timers, store, clock, log, random } = this.#host.ports;
    timers.after(PROBE_MS * (0.75 + random.number() / 2), () => {
      if (this.#stopped) return;
      const value = new Uint8Array(4096);
      store.write([{ kind: "set", key: ["meta", "probe"], value }], (error) => {
        if (error !== null) return this.#probe();
        log.info("store writes again", { failedMs: clock.monoMs() - this.failingSinceMs });
        this.failingSinceMs = 0;
        this.#host.writable(true, 0);
        this.poke();
      });
    });
  }
}
