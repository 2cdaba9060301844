/**
 * A node: shards, the store under them, and the way from edges to them. Inputs go into an inbox; a
 * turn takes all of them, executes what the shards want done, and ends with their presence.
 */
import type { AccountName, NodeId } from "../shard/ids.ts";
import type { EdgePacket, InterestAnswer, InterestItem, OpName, Ops } from "../shard/ops.ts";
import type { Effect, Now, RequestId, ShardInput } from "../shard/effects.ts";
import type { Cancel, Ports, StoreError } from "./ports.ts";
import type { Result } from "../shard/errors.ts";
import type { Router } from "./router.ts";
import type { ShardLimits } from "../shard/limits.ts";
import { Committer } from "./committer.ts";
import { fail } from "../shard/errors.ts";
import { Loader } from "./loader.ts";
import { POINT_SPACE, pointOf } from "../shard/ids.ts";
import { Shard } from "../shard/shard.ts";
import { traceEffect, traceSend } from "./trace.ts";

/** Longest a request stays unanswered (ms); its outcome is then not known. */
const REQUEST_TIMEOUT_MS = 10_000;
const TICK_MS = 100;
/** One page of accounts is looked through for what is over age every … (ms). */
const SWEEP_MS = 10_000;
const SWEEP_ROWS = 50;

/** What a node is made with. */
export interface NodeOptions {
  readonly id: NodeId;
  readonly limits: ShardLimits;
  /** Shards of a new store; an old one keeps the number it has. */
  readonly shards: number;
  /** Takes packets for this node's edge. */
  readonly deliver: (packet: EdgePacket) => void;
  /** Called with the duration (ms), rows and bytes of every commit. */
  readonly observeCommit: (ms: number, rows: number, bytes: number) => void;
}

interface Waiting {
  readonly done: (result: Result<Ops[OpName]["out"]>) => void;
  readonly untilMs: number;
}

/** One node of a cell. */
export class Node implements Router {
  readonly id: NodeId;
  readonly committer: Committer;
  shards: readonly Shard[] = [];
  readonly #ports: Ports;
  readonly #options: NodeOptions;
  readonly #loader: Loader;
  readonly #inbox: { shard: Shard; input: ShardInput }[] = [];
  #running = false;
  /** Shards of the turn that runs. */
  readonly #touched = new Set<Shard>();
  #lastRequest: RequestId = 0;
  readonly #requests = new Map<RequestId, Waiting>();
  readonly #interests = new Map<RequestId, (answers: readonly InterestAnswer[]) => void>();
  #tick: Cancel | null = null;
  #ticks = 0;
  #sweepAfter: readonly (string | number)[] | null = null;
  #stopped = false;
  #readyCallbacks: (() => void)[] = [];

  constructor(ports: Ports, options: NodeOptions) {
    this.id = options.id;
    this.#ports = ports;
    this.#options = options;
    this.#loader = new Loader(ports, (shard, input) => this.#submit(shard, input));
    // deno-lint-ignore no-this-alias
    const node = this;
    this.committer = new Committer({
      ports,
      get shards() {
        return node.shards;
      },
      now: () => this.#now(),
      committed: (shard, batch) => this.#submit(shard, { kind: "committed", batch }),
      checkpointed: (shard) => this.#submit(shard, { kind: "checkpointed" }),
      commitFailed: (shard) => this.#submit(shard, { kind: "commit_failed" }),
      writable: (writable, retryAfterMs) => {
        for (const s of this.shards) this.#submit(s, { kind: "writable", writable, retryAfterMs });
      },
      observe: options.observeCommit,
    });
  }

  /** Requests that have not been answered. */
  get pending(): number {
    return this.#requests.size;
  }

  /** Accounts in memory, over all shards. */
  get accountsInMemory(): number {
    return this.shards.reduce((sum, s) => sum + s.accountsInMemory, 0);
  }

  /** Accounts that had to be read from the store so far. */
  get accountsLoaded(): number {
    return this.#loader.loaded;
  }

  /** Whether every shard has read its log and answers. */
  get ready(): boolean {
    return this.shards.length > 0 && this.shards.every((s) => s.ready);
  }

  /** Reads the shard table and the logs; `done` when every shard serves. */
  start(done: (error: StoreError | null) => void): void {
    this.#ports.store.read([["meta", "shards"]], (error, [value]) => {
      if (error !== null) return done(error);
      if (value) return this.#open(value[0]! | (value[1]! << 8), done);
      const count = this.#options.shards;
      const row = new Uint8Array([count & 0xff, count >>> 8]);
      this.#ports.store.write([{ kind: "set", key: ["meta", "shards"], value: row }], (error) => {
        if (error !== null) return done(error);
        this.#open(count, done);
      });
    });
  }

  #open(count: number, done: (error: StoreError | null) => void): void {
    const bound = (i: number) => Math.floor(POINT_SPACE / count * i);
    this.shards = Array.from(
      { length: count },
      (_, i) =>
        new Shard(i, bound(i), i + 1 === count ? POINT_SPACE : bound(i + 1), this.#options.limits),
    );
    this.#readyCallbacks.push(() => done(null));
    for (const shard of this.shards) this.#loader.log(shard);
    this.#findOwing(this.shards);
    this.#scheduleTick();
  }

  #findOwing(shards: readonly Shard[]): void {
    this.#loader.owing(shards, (shard, names) => this.#submit(shard, { kind: "owing", names }));
  }

  /** The shard that a user belongs to. */
  shardOf(name: AccountName): Shard {
    const point = pointOf(name);
    let lo = 0;
    let hi = this.shards.length - 1;
    while (lo < hi) {
      const mid = (lo + hi + 1) >>> 1;
      if (this.shards[mid]!.lo <= point) lo = mid;
      else hi = mid - 1;
    }
    return this.shards[lo]!;
  }

  // ---- Router

  request<K extends OpName>(
    name: AccountName,
    op: K,
    input: Ops[K]["in"],
    done: (result: Result<Ops[K]["out"]>) => void,
  ): void {
    if (this.#stopped || this.shards.length === 0) {
      return done(fail("unavailable", "The server is not serving now", 1000));
    }
    if (op === "message.send" && this.#ports.log.debugOn) {
      const answer = done as (result: Result<Ops["message.send"]["out"]>) => void;
      const sent = input as Ops["message.send"]["in"];
      done = ((result: Result<Ops["message.send"]["out"]>) => {
        traceSend(this.#ports.log, name, sent, result);
        answer(result);
      }) as typeof done;
    }
    const request = ++this.#lastRequest;
    const untilMs = this.#ports.clock.monoMs() + REQUEST_TIMEOUT_MS;
    this.#requests.set(request, { done: done as Waiting["done"], untilMs });
    const seed = op === "account.create" ? this.#ports.random.bytes(24) : null;
    this.#submit(this.shardOf(name), {
      kind: "request",
      request,
      node: this.id,
      name,
      op,
      input,
      seed,
    });
  }

  interest(
    items: readonly InterestItem[],
    done: (answers: readonly InterestAnswer[]) => void,
  ): void {
    const byShard = new Map<Shard, InterestItem[]>();
    for (const item of items) {
      const shard = this.shardOf(item.watched);
      const list = byShard.get(shard);
      if (list === undefined) byShard.set(shard, [item]);
      else list.push(item);
    }
    for (const [shard, mine] of byShard) {
      const request = ++this.#lastRequest;
      this.#interests.set(request, done);
      this.#submit(shard, { kind: "interest", request, node: this.id, items: mine });
    }
  }

  uninterest(watched: readonly AccountName[]): void {
    const byShard = new Map<Shard, AccountName[]>();
    for (const name of watched) {
      const shard = this.shardOf(name);
      const list = byShard.get(shard);
      if (list === undefined) byShard.set(shard, [name]);
      else list.push(name);
    }
    for (const [shard, names] of byShard) {
      this.#submit(shard, { kind: "uninterest", node: this.id, watched: names });
    }
  }

  // ---- the inbox

  #now(): Now {
    const { clock } = this.#ports;
    return { mono: clock.monoMs(), wall: clock.wallMs() };
  }

  #submit(shard: Shard, input: ShardInput): void {
    if (this.#stopped && input.kind === "request") return;
    this.#inbox.push({ shard, input });
    if (!this.#running) this.#run();
  }

  /** One turn: everything in the inbox, and what follows from it. */
  #run(): void {
    this.#running = true;
    const now = this.#now();
    const touched = this.#touched;
    try {
      do {
        for (let i = 0; i < this.#inbox.length; i++) {
          const { shard, input } = this.#inbox[i]!;
          touched.add(shard);
          for (const effect of shard.step(now, input)) this.#execute(shard, effect);
        }
        this.#inbox.length = 0;
        for (const shard of touched) {
          for (const effect of shard.endTurn(now)) this.#execute(shard, effect);
        }
        touched.clear();
      } while (this.#inbox.length > 0);
    } finally {
      this.#running = false;
      this.#inbox.length = 0;
      touched.clear();
    }
    this.committer.poke();
    if (this.#readyCallbacks.length > 0 && this.ready) {
      const callbacks = this.#readyCallbacks;
      this.#readyCallbacks = [];
      for (const done of callbacks) done();
    }
  }

  #execute(shard: Shard, effect: Effect): void {
    if (this.#ports.log.debugOn) traceEffect(this.#ports.log, effect);
    switch (effect.kind) {
      case "reply": {
        const waiting = this.#requests.get(effect.request);
        this.#requests.delete(effect.request);
        waiting?.done(effect.result);
        return;
      }
      case "interest_answer": {
        const done = this.#interests.get(effect.request);
        this.#interests.delete(effect.request);
        done?.(effect.answers);
        return;
      }
      case "edge":
        return this.#options.deliver(effect.packet);
      case "packet":
        return this.#submit(this.shardOf(effect.packet.to), {
          kind: "packet",
          packet: effect.packet,
        });
      case "load":
        return this.#loader.load(shard, effect);
      case "load_block":
        return this.#loader.block(shard, effect);
      case "load_dedupe":
        return this.#loader.dedupe(shard, effect);
      case "corrupt": {
        const { name, error } = effect;
        return this.#ports.log.error("account_corrupt", { user: name, error });
      }
      case "recover":
        this.#loader.log(shard);
        return this.#findOwing([shard]);
    }
  }

  // ---- time

  #scheduleTick(): void {
    this.#tick = this.#ports.timers.after(TICK_MS, () => {
      this.#ticks++;
      for (const shard of this.shards) {
        if (shard.ticking) this.#submit(shard, { kind: "tick" });
      }
      this.committer.checkpoint();
      if (this.#ticks % 10 === 0) this.#expireRequests();
      if (this.#ticks % (SWEEP_MS / TICK_MS) === 0) this.#sweep();
      if (!this.#stopped) this.#scheduleTick();
    });
  }

  #expireRequests(): void {
    const now = this.#ports.clock.monoMs();
    for (const [request, waiting] of this.#requests) {
      if (waiting.untilMs > now) break;
      this.#requests.delete(request);
      waiting.done(
        fail("unavailable", "The outcome is not known: repeat with the same key", 1000),
      );
    }
  }

  /** Looks through a few accounts after another, so that idle mailboxes are trimmed as well. */
  #sweep(): void {
    this.#ports.store.list(
      { prefix: ["u"], after: this.#sweepAfter, limit: SWEEP_ROWS },
      (error, rows) => {
        if (error !== null || this.#stopped) return;
        this.#sweepAfter = rows.length < SWEEP_ROWS ? null : rows.at(-1)!.key;
        for (const row of rows) {
          if (row.key[3] !== 0) continue;
          const name = row.key[2] as AccountName;
          this.#submit(this.shardOf(name), { kind: "sweep", name });
        }
      },
    );
  }

  /** Names of accounts in the order of their keys, from checkpoints that are brought up to date. */
  listAccounts(
    after: readonly (string | number)[] | null,
    limit: number,
    done: (
      error: StoreError | null,
      names: readonly AccountName[],
      next: readonly (string | number)[] | null,
    ) => void,
  ): void {
    const list = () =>
      this.#ports.store.list({ prefix: ["u"], after, limit }, (error, rows) => {
        if (error !== null) return done(error, [], null);
        const names = rows.filter((r) => r.key[3] === 0).map((r) => r.key[2] as AccountName)
          .filter((n) => !n.startsWith("/"));
        done(null, names, rows.length < limit ? null : rows.at(-1)!.key);
      });
    if (after === null) this.committer.checkpointAll(list);
    else list();
  }

  /** Finishes commits, writes checkpoints, and stops; `done` when the store may be closed. */
  stop(done: () => void): void {
    this.committer.checkpointAll(() => {
      this.#stopped = true;
      this.committer.stop();
      this.#tick?.();
      for (const w of this.#requests.values()) {
        w.done(fail("unavailable", "The server is stopping", 1000));
      }
      this.#requests.clear();
      done();
    });
  }
}
