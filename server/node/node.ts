/**
 * A node: shards, the store under them, and the way from edges to them. Inputs go into an inbox; a
 * turn takes all of them, executes what the shards want done, and ends with their presence.
 */
import type { AccountId, AccountName, NodeId } from "../../shard/name/ids.ts";
import type { EdgePacket, InterestAnswer, InterestItem, OpName, Ops } from "../../shard/ops.ts";
import type { Effect, Now, RequestId, ShardInput } from "../../shard/step/effects.ts";
import type { Cancel, Holder, Opening, Owned, Ports, Register, StoreError } from "./ports.ts";
import type { Result } from "../../shard/errors.ts";
import type { EdgeRouter } from "./router.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import { Bugs } from "./bugs.ts";
import { type Answered, Callers, type Done, type Interest } from "./callers.ts";
import { Committer } from "./committer.ts";
import { fail, ok } from "../../shard/errors.ts";
import { Inbox } from "./inbox.ts";
import { Loader } from "./loader.ts";
import { pointOf } from "../../shard/name/ids.ts";
import { Ownership } from "./ownership.ts";
import { REPEATABLE } from "../../shard/step/handlers.ts";
import { type Reshaped, type Reshaping, Resharder } from "./resharder.ts";
import { SteadyClock } from "./steady_clock.ts";
import { Shard } from "../../shard/step/shard.ts";
import {
  decodeTable,
  encodeTable,
  evenTable,
  type Reshape,
  type ShardRow,
  type ShardTable,
  withEpochs,
} from "../../shard/table/table.ts";
import { TABLE_REGISTER } from "./ports.ts";
import { traceEffect, traceSend } from "./trace.ts";

const TICK_MS = 100;
/** How long a shard that was taken over waits for the sessions that are still to be announced (ms). */
const ANNOUNCE_GRACE_MS = 15_000;
/** One page of accounts is looked through for what is over age every … (ms). */
const SWEEP_MS = 10_000;
const SWEEP_ROWS = 50;

/** What waits while the shard that it is for is replaced; the rest concludes what was begun. */
const HELD: ReadonlySet<ShardInput["kind"]> = new Set(
  ["request", "packet", "interest", "uninterest", "owing", "sweep", "tick"] as const,
);

/** What a node is made with. */
export interface NodeOptions {
  readonly id: NodeId;
  readonly limits: ShardLimits;
  /** Accounts kept in memory, over all shards; those in use stay whatever it says. */
  readonly cacheUsersMax: number;
  /** Shards of a new store; an old one keeps those it has. */
  readonly shards: number;
  /** Takes packets for this node's edge. */
  readonly deliver: (packet: EdgePacket) => void;
  /** Called with the duration (ms), rows and bytes of every commit. */
  readonly observeCommit: (ms: number, rows: number, bytes: number) => void;
  /**
   * Carries a packet from one shard to another; at once where it is not given. All but rewatches may get
   * lost, and all but signals come twice: what must not is sent again, and known when it was there.
   */
  readonly carry?: (packet: ShardPacket, arrive: () => void) => void;
}

/** How a shard was reloaded. */
export interface Reloaded {
  /** How long it did not serve (ms). */
  readonly pauseMs: number;
  readonly epoch: number;
}

/** One node of a cell. */
export class Node implements EdgeRouter {
  readonly id: NodeId;
  readonly committer: Committer;
  shards: readonly Shard[] = [];
  readonly #clock: SteadyClock;
  readonly #ports: Ports;
  readonly #options: NodeOptions;
  readonly #loader: Loader;
  readonly #bugs: Bugs;
  readonly #callers: Callers;
  readonly #inbox: Inbox;
  #tick: Cancel | null = null;
  #ticks = 0;
  #sweepAfter: readonly (string | number)[] | null = null;
  #stopping = false;
  #stopped = false;
  #readyCallbacks: (() => void)[] = [];
  #table: ShardTable = evenTable(1);
  /** What comes for shards that are about to end, and the shards themselves. */
  #held: ShardInput[] = [];
  #ending: readonly Shard[] = [];
  readonly #resharder: Resharder;
  readonly #ownership: Ownership;
  /** Shards that are being taken over, and what is called when they serve. */
  readonly #reloading = new Map<Shard, (() => void)[]>();

  constructor(ports: Ports, options: NodeOptions) {
    this.id = options.id;
    this.#ports = ports;
    this.#clock = new SteadyClock(ports.clock);
    this.#options = options;
    this.#loader = new Loader(ports, (shard, input) => this.#submit(shard, input));
    this.#bugs = new Bugs(ports.log);
    this.#callers = new Callers(this.#bugs);
    this.#inbox = new Inbox({
      bugs: this.#bugs,
      now: () => this.#now(),
      execute: (shard, effect) => this.#execute(shard, effect),
      turnEnded: () => this.#turnEnded(),
    });
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
      fenced: (shard) => this.#fenced(shard),
      reclaim: (shards, done) => this.#ownership.reclaim(shards, done),
      writable: (writable, retryAfterMs) => {
        for (const s of this.shards) this.#submit(s, { kind: "writable", writable, retryAfterMs });
      },
      observe: (...commit) =>
        this.#bugs.guard("observe commit", () => options.observeCommit(...commit)),
    });
    this.#ownership = new Ownership(options.id, {
      ports,
      claimed: (owned) => this.#claimed(owned),
      outdated: (shard) => this.#submit(shard, { kind: "commit_failed" }),
      fenced: (shard) => this.#fenced(shard),
    });
    this.#resharder = new Resharder({
      ports,
      get table() {
        return node.#table;
      },
      get self() {
        return node.#ownership.self;
      },
      shard: (id) => this.shards.find((s) => s.id === id)!,
      hold: (shards) => this.#hold(shards),
      hurry: () => this.committer.hurry(),
      adopt: (table, ended) => this.#adopt(table, ended),
      doubt: (ids) => this.committer.doubt(this.shards.filter(({ id }) => ids.includes(id))),
      release: () => this.#release(),
    });
  }

  /** Which shard has what. */
  get table(): ShardTable {
    return this.#table;
  }

  /** The latest changes of the table, oldest first. */
  get reshaped(): readonly Reshaped[] {
    return this.#resharder.reshaped;
  }

  /** Requests that have not been answered. */
  get pending(): number {
    return this.#callers.pending;
  }

  /** Accounts in memory, over all shards. */
  get accountsInMemory(): number {
    return this.shards.reduce((sum, s) => sum + s.accountsInMemory, 0);
  }

  /** Accounts that had to be read from the store so far. */
  get accountsLoaded(): number {
    return this.#loader.loaded;
  }

  /** Exceptions that were caught: in steps of shards, and in callbacks. */
  get bugs(): number {
    return this.#bugs.count;
  }

  /** Whether every shard has read its log and serves. */
  get ready(): boolean {
    return this.shards.length > 0 && this.shards.every((s) => s.ready);
  }

  /** Whether every shard serves, or does not because of bugs: the others do not wait for it. */
  get settled(): boolean {
    return this.shards.length > 0 && this.shards.every((s) => s.ready || s.down);
  }

  /** Reads the shard table, claims its shards and reads their logs; `done` when they are settled. */
  start(done: (error: StoreError | null) => void): void {
    const { store } = this.#ports;
    store.register(TABLE_REGISTER, (error, register) => {
      if (error !== null) return done(error);
      store.holders((error, holders) => {
        if (error !== null) return done(error);
        this.#ownership.begin(holders);
        if (register !== null) {
          return this.#begin(decodeTable(register.value), register, holders, done);
        }
        // Stores of earlier versions have a table only once it was changed.
        store.read([["meta", "shards"]], (error, [count]) => {
          if (error !== null) return done(error);
          const shards = count ? count[0]! | (count[1]! << 8) : this.#options.shards;
          this.#begin(evenTable(shards), null, holders, done);
        });
      });
    });
  }

  #begin(
    table: ShardTable,
    register: Register | null,
    holders: readonly Holder[],
    done: (error: StoreError | null) => void,
  ): void {
    const version = register?.version ?? 0;
    const claim = (table: ShardTable) => {
      this.#table = table;
      this.#ownership.claimAll(table.shards, (error) => {
        if (error !== null) return done(error);
        this.#open(this.#table, done);
      });
    };
    this.#resharder.registerVersion = version;
    if (holders.length > 0) return claim(withEpochs(table, holders));
    // A new store, or one of an earlier version, which knows no epochs.
    const owner = this.#ownership.self;
    const open = table.shards.map(({ id, epoch, start }): Opening => ({
      shard: id,
      epoch,
      start,
      owner,
    }));
    const change = { version, table: encodeTable(table), seal: [], open };
    this.#ports.store.reshape(change, (error, made) => {
      if (error !== null) return done(error);
      if (!made) return done({ kind: "failed", message: "the shard table changes meanwhile" });
      this.#resharder.registerVersion = version + 1;
      claim(table);
    });
  }

  #claimed(owned: Owned): void {
    const { shard: id, epoch } = owned;
    this.#table = withEpochs(this.#table, [{ shard: id, epoch, owner: this.#ownership.self }]);
    const row = this.#table.shards.find((s) => s.id === id);
    const shard = this.shards.find((s) => s.id === id);
    if (row !== undefined && shard !== undefined) shard.row = row;
  }

  #open(table: ShardTable, done: (error: StoreError | null) => void): void {
    this.shards = table.shards.map((row) => this.#makeShard(row, table));
    this.#readyCallbacks.push(() => done(null));
    for (const shard of this.shards) this.#loader.log(shard);
    this.#findOwing(this.shards);
    this.#scheduleTick();
  }

  #makeShard(row: ShardRow, table: ShardTable): Shard {
    const { limits, cacheUsersMax } = this.#options;
    const cacheAccountsMax = Math.ceil(cacheUsersMax / table.shards.length);
    return new Shard(row, { ...limits, cacheAccountsMax });
  }

  // ---- changes of the shard table

  /** Makes one change of the shard table; see `Resharder`. */
  reshape(change: Reshape, done: (result: Result<Reshaping>) => void): void {
    if (this.#stopped || this.#stopping || !this.ready) {
      return done(fail("unavailable", "The server is not serving now", 1000));
    }
    this.#resharder.reshape(change, (result) => this.#bugs.guard("reshape", () => done(result)));
  }

  /**
   * Drops what a shard has in memory, as if its owner had died, and takes it over: raises its epoch,
   * then reads its log. Requests that can be done twice wait for that; the outcome of others is
   * unknown. Refused as `conflict` where there is no such shard, `busy` while it is being changed.
   */
  reload(id: number, done: (result: Result<Reloaded>) => void): void {
    const shard = this.shards.find((s) => s.id === id);
    if (shard === undefined) return done(fail("conflict", `There is no shard ${id}`));
    if (this.#stopped || this.#stopping || shard.ending || !shard.ready) {
      return done(fail("busy", `Shard ${id} is being changed`, TICK_MS));
    }
    const sinceMs = this.#ports.clock.monoMs();
    this.#takeOver(shard, (fresh) => {
      const pauseMs = this.#ports.clock.monoMs() - sinceMs;
      done(ok({ pauseMs, epoch: fresh.row.epoch }));
    });
  }

  /** Somebody else has claimed the shard. With one node in the cell, this one takes it back. */
  #fenced(shard: Shard): void {
    if (shard.ended) return;
    this.#ports.log.warn("shard fenced", { shard: shard.id, epoch: shard.row.epoch });
    this.#takeOver(shard, () => {});
  }

  #takeOver(old: Shard, serves: (fresh: Shard) => void): void {
    const fresh = this.#makeShard(old.row, this.#table);
    old.ended = true;
    this.shards = this.shards.map((s) => s === old ? fresh : s);
    const before = this.#reloading.get(old) ?? [];
    this.#reloading.delete(old);
    this.#reloading.set(fresh, [...before, () => serves(fresh)]);
    // All that is held for it is repeated below.
    this.#held = this.#held.filter((input) => {
      if (input.kind === "request") return !fresh.owns(input.name);
      return input.kind !== "interest" || !fresh.owns(input.items[0]!.watched);
    });
    const { writable } = old;
    if (!writable) this.#submit(fresh, { kind: "writable", writable, retryAfterMs: TICK_MS });
    const wanted = () => !fresh.ended && !this.#stopped;
    this.#ownership.takeOver(fresh.id, wanted, (owned) => {
      if (owned === null) return;
      const { lo, hi } = fresh;
      const { epoch } = owned;
      const nodes = [this.id];
      this.#submit(fresh, { kind: "taken_over", nodes, epoch, graceMs: ANNOUNCE_GRACE_MS });
      this.#loader.log(fresh);
      this.#findOwing([fresh]);
      this.#options.deliver({ kind: "announce", lo, hi, epoch });
    });
    this.#repeat(fresh, old.takeBegun());
  }

  /** What the former owner of the shard was asked and has not replied to. */
  #repeat(shard: Shard, begun: ReadonlyMap<RequestId, AccountId | "">): void {
    const owns = (name: AccountName) => shard.owns(name);
    const unknown = "The outcome is not known: look before you repeat it";
    for (const input of this.#callers.requestsOf(owns)) {
      const { request, op } = input;
      const id = begun.get(request);
      if (!REPEATABLE.has(op)) {
        this.#callers.reply(request, fail("unavailable", unknown, TICK_MS));
      } else this.#submit(shard, id === undefined ? input : this.#callers.begun(input, id));
    }
    for (const input of this.#callers.interestsOf(owns)) this.#submit(shard, input);
  }

  #hold(shards: readonly Shard[]): void {
    this.#ending = shards;
    for (const shard of shards) shard.ending = true;
  }

  #adopt(table: ShardTable, ended: readonly Shard[]): void {
    const before = new Map(this.shards.map((s) => [s.id, s]));
    for (const shard of ended) shard.ended = true;
    this.#table = table;
    this.shards = table.shards.map((row) => {
      const kept = before.get(row.id);
      if (kept !== undefined) {
        kept.row = row;
        return kept;
      }
      const shard = this.#makeShard(row, table);
      shard.inherit(ended);
      return shard;
    });
  }

  #release(): void {
    for (const shard of this.#ending) shard.ending = false;
    this.#ending = [];
    const held = this.#held;
    this.#held = [];
    for (const input of held) this.#route(input);
  }

  /** Submits what was held back to whom it is for by now. */
  #route(input: ShardInput): void {
    switch (input.kind) {
      case "request":
      case "sweep":
        return this.#submit(this.shardOf(input.name), input);
      case "packet":
        return this.#submit(this.shardOf(input.packet.to), input);
      case "interest":
        return this.#routeInterest(input);
      case "uninterest":
        for (const [shard, watched] of this.#byShard(input.watched, (name) => name)) {
          this.#submit(shard, { ...input, watched });
        }
        return;
      case "owing":
        for (const [shard, names] of this.#byShard(input.names, (name) => name)) {
          this.#submit(shard, { ...input, names });
        }
    }
  }

  /** One shard may have become several by now: each part is replied to by itself. */
  #routeInterest(input: Interest): void {
    const done = this.#callers.takeInterest(input.request);
    if (done !== undefined) this.#interest(input.items, done);
  }

  #byShard<T>(items: readonly T[], nameOf: (item: T) => AccountName): Map<Shard, T[]> {
    const byShard = new Map<Shard, T[]>();
    for (const item of items) {
      const shard = this.shardOf(nameOf(item));
      const list = byShard.get(shard);
      if (list === undefined) byShard.set(shard, [item]);
      else list.push(item);
    }
    return byShard;
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
    const request = this.#callers.next();
    const seed = op === "account.create" ? this.#ports.random.bytes(24) : null;
    const asked = { kind: "request", request, node: this.id, name, op, input, seed } as const;
    this.#callers.request(asked, done as Done, this.#ports.clock.monoMs());
    this.#submit(this.shardOf(name), asked);
  }

  interest(
    items: readonly InterestItem[],
    done: (answers: readonly InterestAnswer[]) => void,
  ): void {
    this.#interest(items, done);
  }

  #interest(items: readonly InterestItem[], done: Answered): void {
    const byShard = this.#byShard(items, (item) => item.watched);
    for (const [shard, mine] of byShard) {
      const request = this.#callers.next();
      const input = { kind: "interest", request, node: this.id, items: mine } as const;
      this.#callers.interest(input, done);
      this.#submit(shard, input);
    }
  }

  uninterest(watched: readonly AccountName[]): void {
    const byShard = this.#byShard(watched, (name) => name);
    for (const [shard, names] of byShard) {
      this.#submit(shard, { kind: "uninterest", node: this.id, watched: names });
    }
  }

  announced(lo: number, hi: number, epoch: number): void {
    for (const shard of this.shards) {
      if (shard.lo >= hi || shard.hi <= lo) continue;
      this.#submit(shard, { kind: "announced", node: this.id, epoch });
    }
  }

  // ---- the inbox

  #now(): Now {
    return this.#clock.now();
  }

  #submit(shard: Shard, input: ShardInput): void {
    if (this.#stopped && input.kind === "request") return;
    // A listing may have been begun for a shard that is no more.
    if (shard.ended) return this.#route(input);
    if (shard.ending && HELD.has(input.kind)) {
      if (input.kind !== "tick") this.#held.push(input);
      return;
    }
    this.#inbox.put(shard, input);
  }

  #turnEnded(): void {
    this.committer.poke();
    this.#resharder.check();
    for (const [shard, callbacks] of this.#reloading) {
      if (!shard.ready) continue;
      this.#reloading.delete(shard);
      for (const serves of callbacks) this.#bugs.guard("reload", serves);
    }
    if (this.#readyCallbacks.length === 0 || !this.settled) return;
    const callbacks = this.#readyCallbacks;
    this.#readyCallbacks = [];
    for (const done of callbacks) this.#bugs.guard("start", done);
  }

  #execute(shard: Shard, effect: Effect): void {
    if (this.#ports.log.debugOn) traceEffect(this.#ports.log, effect);
    switch (effect.kind) {
      case "reply":
        return this.#callers.reply(effect.request, effect.result);
      case "interest_answer":
        return this.#callers.answer(effect.request, effect.answers);
      case "edge":
        return this.#options.deliver(effect.packet);
      case "packet":
        return this.#carry(effect.packet);
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
        this.#loader.log(shard, effect.reading);
        return this.#findOwing([shard]);
      case "bug": {
        const { input, error } = effect;
        return this.#bugs.caught("shard", error, { shard: shard.id, input });
      }
    }
  }

  #carry(packet: ShardPacket): void {
    const arrive = () => this.#submit(this.shardOf(packet.to), { kind: "packet", packet });
    const { carry } = this.#options;
    if (carry === undefined) arrive();
    else carry(packet, arrive);
  }

  // ---- time

  #scheduleTick(): void {
    this.#tick = this.#ports.timers.after(TICK_MS, () => {
      if (!this.#stopped) this.#scheduleTick();
      this.#ticks++;
      for (const shard of this.shards) {
        if (shard.ticking) this.#submit(shard, { kind: "tick" });
      }
      this.committer.checkpoint();
      if (this.#ticks % 10 === 0) {
        this.#callers.expire(this.#ports.clock.monoMs());
        if (this.ready) this.#resharder.clean();
      }
      if (this.#ticks % (SWEEP_MS / TICK_MS) === 0) this.#sweep();
    });
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

  /** Whether the account has a session. */
  isOnline(name: AccountName): boolean {
    return this.shardOf(name).presence.sessions(name).length > 0;
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
    const reply: typeof done = (...reply) => this.#bugs.guard("list", () => done(...reply));
    const list = () =>
      this.#ports.store.list({ prefix: ["u"], after, limit }, (error, rows) => {
        if (error !== null) return reply(error, [], null);
        const names = rows.filter((r) => r.key[3] === 0).map((r) => r.key[2] as AccountName)
          .filter((n) => !n.startsWith("/"));
        reply(null, names, rows.length < limit ? null : rows.at(-1)!.key);
      });
    if (after === null) this.committer.checkpointAll(list);
    else list();
  }

  /** Finishes commits, writes checkpoints, and stops; `done` when the store may be closed. */
  stop(done: () => void): void {
    this.#stopping = true;
    if (this.#resharder.busy) return void this.#ports.timers.after(TICK_MS, () => this.stop(done));
    this.committer.checkpointAll(() => {
      this.#stopped = true;
      this.committer.stop();
      this.#tick?.();
      this.#callers.stop();
      done();
    });
  }
}
