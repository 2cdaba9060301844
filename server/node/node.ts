/**
 * A node: shards, the store under them, and the way from edges to them. The parts are wired here;
 * what they do is in the files beside this one.
 */
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import type { Cancel, Ports, StoreError, StoreKey } from "./ports.ts";
import type { EdgePacket, InterestAnswer, InterestItem, OpName, Ops } from "../../shard/ops.ts";
import type { EdgeRouter } from "./router.ts";
import type { Effect, ShardInput } from "../../shard/effects.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import { AccountListing, type AccountPage } from "./account_listing.ts";
import { Bugs } from "./bugs.ts";
import { Callers, type Done } from "./callers.ts";
import { Committer } from "./committer.ts";
import { Dispatch } from "./dispatch.ts";
import { fail, type Result } from "../../shard/errors.ts";
import { Inbox } from "./inbox.ts";
import { Loader } from "./loader.ts";
import { Ownership } from "./ownership.ts";
import { type Reloaded, Takeovers } from "./takeovers.ts";
import { type Reshaped, type Reshaping, Resharder } from "./resharder.ts";
import { ShardMap } from "./shard_map.ts";
import { SteadyClock } from "./steady_clock.ts";
import { claimTable } from "./table_claim.ts";
import type { Reshape, ShardTable } from "../../shard/table/table.ts";
import { traceEffect, traceSend } from "./trace.ts";

const TICK_MS = 100;
/** Ticks from one look at the requests' timeouts to the next. */
const EXPIRE_TICKS = 10;
/** Ticks from one look at a few accounts, for what is over age, to the next. */
const SWEEP_TICKS = 100;

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

/** One node of a cell. */
export class Node implements EdgeRouter {
  readonly id: NodeId;
  readonly committer: Committer;
  readonly #clock: SteadyClock;
  readonly #ports: Ports;
  readonly #options: NodeOptions;
  readonly #map: ShardMap;
  readonly #bugs: Bugs;
  readonly #callers: Callers;
  readonly #dispatch: Dispatch;
  readonly #loader: Loader;
  readonly #listing: AccountListing;
  readonly #ownership: Ownership;
  readonly #resharder: Resharder;
  readonly #takeovers: Takeovers;
  #tick: Cancel | null = null;
  #ticks = 0;
  #stopping = false;
  #stopped = false;
  #settledCallbacks: (() => void)[] = [];

  constructor(ports: Ports, options: NodeOptions) {
    this.id = options.id;
    this.#ports = ports;
    this.#options = options;
    this.#map = new ShardMap(options.limits, options.cacheUsersMax);
    this.#bugs = new Bugs(ports.log);
    this.#callers = new Callers(this.#bugs);
    this.#listing = new AccountListing(ports.store);
    this.#loader = new Loader(ports, (shard, input) => this.#submit(shard, input));
    this.#clock = new SteadyClock(ports.clock);
    const inbox = new Inbox({
      bugs: this.#bugs,
      now: () => this.#clock.now(),
      execute: (shard, effect) => this.#execute(shard, effect),
      turnEnded: () => this.#turnEnded(),
    });
    this.#dispatch = new Dispatch(options.id, this.#map, this.#callers, inbox);
    this.#ownership = new Ownership(options.id, {
      ports,
      claimed: (owned) => this.#map.claimed(owned, this.#ownership.self),
      outdated: (shard) => this.#submit(shard, { kind: "commit_failed" }),
      fenced: (shard) => this.#takeovers.fenced(shard),
    });
    this.#takeovers = new Takeovers({
      id: options.id,
      ports,
      bugs: this.#bugs,
      callers: this.#callers,
      dispatch: this.#dispatch,
      loader: this.#loader,
      map: this.#map,
      ownership: this.#ownership,
      deliver: (packet) => options.deliver(packet),
      stopped: () => this.#stopped,
    });
    this.committer = this.#makeCommitter();
    this.#resharder = this.#makeResharder();
  }

  #makeCommitter(): Committer {
    const map = this.#map;
    return new Committer({
      ports: this.#ports,
      get shards() {
        return map.shards;
      },
      now: () => this.#clock.now(),
      committed: (shard, batch) => this.#submit(shard, { kind: "committed", batch }),
      checkpointed: (shard) => this.#submit(shard, { kind: "checkpointed" }),
      commitFailed: (shard) => this.#submit(shard, { kind: "commit_failed" }),
      fenced: (shard) => this.#takeovers.fenced(shard),
      reclaim: (shards, done) => this.#ownership.reclaim(shards, done),
      writable: (writable, retryAfterMs) => {
        for (const s of map.shards) this.#submit(s, { kind: "writable", writable, retryAfterMs });
      },
      observe: (...commit) =>
        this.#bugs.guard("observe commit", () => this.#options.observeCommit(...commit)),
    });
  }

  #makeResharder(): Resharder {
    const map = this.#map;
    const ownership = this.#ownership;
    return new Resharder({
      ports: this.#ports,
      get table() {
        return map.table;
      },
      get self() {
        return ownership.self;
      },
      shard: (id) => map.byId(id)!,
      hold: (shards) => this.#dispatch.hold(shards),
      hurry: () => this.committer.hurry(),
      adopt: (table, ended) => this.#adopt(table, ended),
      doubt: (ids) => this.committer.doubt(map.shards.filter(({ id }) => ids.includes(id))),
      release: () => this.#dispatch.release(),
    });
  }

  /** The shards of the table, in its order. */
  get shards(): readonly Shard[] {
    return this.#map.shards;
  }

  /** Which shard has what. */
  get table(): ShardTable {
    return this.#map.table;
  }

  /** The latest changes of the table, oldest first. */
  get reshaped(): readonly Reshaped[] {
    return this.#resharder.reshaped;
  }

  /** Requests without a reply. */
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
    return this.#map.ready;
  }

  /** Whether every shard serves, is reloaded, or is down because of bugs: others do not wait for it. */
  get settled(): boolean {
    return this.#map.settled((shard) => this.#takeovers.isUnderWay(shard));
  }

  /** The shard that a user belongs to. */
  shardOf(name: AccountName): Shard {
    return this.#map.shardOf(name);
  }

  /** Reads the shard table, claims its shards and reads their logs; `done` when they are settled. */
  start(done: (error: StoreError | null) => void): void {
    const host = {
      ports: this.#ports,
      ownership: this.#ownership,
      shards: this.#options.shards,
      found: (table: ShardTable, version: number) => {
        this.#map.table = table;
        this.#resharder.registerVersion = version;
      },
    };
    claimTable(host, (error) => {
      if (error !== null) return done(error);
      this.#map.open();
      this.#settledCallbacks.push(() => done(null));
      for (const shard of this.shards) this.#loader.log(shard);
      this.#loader.owing(this.shards);
      this.#scheduleTick();
    });
  }

  // ---- changes of the shard table

  /** Makes one change of the shard table; see `Resharder`. */
  reshape(change: Reshape, done: (result: Result<Reshaping>) => void): void {
    if (this.#stopping || !this.ready) {
      return done(fail("unavailable", "The server is not serving now", 1000));
    }
    this.#resharder.reshape(change, (result) => this.#bugs.guard("reshape", () => done(result)));
  }

  /** Takes over a shard as if its owner had died; see `Takeovers.reload`. */
  reload(id: number, done: (result: Result<Reloaded>) => void): void {
    if (this.#stopping) return done(fail("busy", "The server is stopping", 1000));
    this.#takeovers.reload(id, done);
  }

  /** Where a successor cannot take over the memory of shards that ended, it reads their logs. */
  #adopt(table: ShardTable, ended: readonly Shard[]): void {
    for (const { shard, error } of this.#map.adopt(table, ended)) {
      this.#bugs.caught("inherit", error, { shard: shard.id });
      this.#takeovers.takeOver(shard, () => {});
    }
  }

  // ---- EdgeRouter

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
    this.#dispatch.submit(this.shardOf(name), asked);
  }

  interest(
    items: readonly InterestItem[],
    done: (answers: readonly InterestAnswer[]) => void,
  ): void {
    this.#dispatch.interest(items, done);
  }

  uninterest(watched: readonly AccountName[]): void {
    this.#dispatch.uninterest(watched);
  }

  announced(lo: number, hi: number, epoch: number): void {
    for (const shard of this.shards) {
      if (shard.lo >= hi || shard.hi <= lo) continue;
      this.#submit(shard, { kind: "announced", node: this.id, epoch });
    }
  }

  // ---- turns

  #submit(shard: Shard, input: ShardInput): void {
    this.#dispatch.submit(shard, input);
  }

  #turnEnded(): void {
    this.committer.poke();
    this.#resharder.check();
    this.#takeovers.turnEnded();
    if (this.#settledCallbacks.length === 0 || !this.settled) return;
    const callbacks = this.#settledCallbacks;
    this.#settledCallbacks = [];
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
        return this.#loader.owing([shard]);
      case "bug": {
        const { input, error } = effect;
        return this.#bugs.caught("shard", error, { shard: shard.id, input });
      }
    }
  }

  #carry(packet: ShardPacket): void {
    const arrive = () => this.#dispatch.submit(this.shardOf(packet.to), { kind: "packet", packet });
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
      if (this.#ticks % EXPIRE_TICKS === 0) {
        this.#callers.expire(this.#ports.clock.monoMs());
        if (this.ready) this.#resharder.clean();
      }
      if (this.#ticks % SWEEP_TICKS !== 0) return;
      this.#listing.sweep((name) => {
        if (!this.#stopped) this.#submit(this.shardOf(name), { kind: "sweep", name });
      });
    });
  }

  /** Whether the account has a session. */
  isOnline(name: AccountName): boolean {
    return this.shardOf(name).presence.sessions(name).length > 0;
  }

  /** Names of accounts in the order of their keys, from checkpoints that are brought up to date. */
  listAccounts(after: StoreKey | null, limit: number, done: AccountPage): void {
    const reply: AccountPage = (...page) => this.#bugs.guard("list", () => done(...page));
    const list = () => this.#listing.page(after, limit, reply);
    if (after === null) this.committer.checkpointAll(list);
    else list();
  }

  /** Finishes commits, writes checkpoints, and stops; `done` when the store may be closed. */
  stop(done: () => void): void {
    this.#stopping = true;
    if (this.#resharder.busy) return void this.#ports.timers.after(TICK_MS, () => this.stop(done));
    this.committer.checkpointAll(() => {
      this.#stopped = true;
      this.#dispatch.stop();
      this.committer.stop();
      this.#tick?.();
      this.#callers.stop();
      done();
    });
  }
}
