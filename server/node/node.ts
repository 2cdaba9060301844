/**
 * A node: shards, the store under them, and the way from edges to them. `wiring.ts` makes its parts;
 * what they do is in the files beside this one.
 */
import type { AccountId, AccountName, NodeId } from "../../shard/name/ids.ts";
import { type EdgeRouter, type Router, routerFor, type Withdraw } from "./router.ts";
import type { InterestAnswer, InterestItem } from "../../shard/edge_packet.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { NodeOptions, NodeParts } from "./parts.ts";
import type { PeerRefusal } from "./peer_requests.ts";
import type { Ports, StoreError, StoreKey } from "./ports.ts";
import type { Reshape, ShardRow, ShardTable } from "../../shard/table/table.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { Asks } from "./asks.ts";
import { AccountListing, type AccountPage } from "./account_listing.ts";
import type { Done } from "./callers.ts";
import type { Cell } from "./cell.ts";
import type { Committer } from "./committer.ts";
import { Coordinator } from "./coordinator.ts";
import { fail, type Result } from "../../shard/errors.ts";
import { BEAT_MS, Heartbeat } from "./heartbeat.ts";
import { type Reloaded, Takeovers } from "./takeovers.ts";
import { type Reshaped, type Reshaping, Resharder } from "./resharder.ts";
import { SteadyClock } from "./steady_clock.ts";
import { type NodeView, nodeViews } from "./node_view.ts";
import { readTable } from "./table_claim.ts";
import { sameNode } from "../../shard/table/placement.ts";
import { StoredAccounts } from "./stored_accounts.ts";
import type { Traces } from "./trace.ts";
import { makeCommitter, makeParts } from "./wiring.ts";

/** What makes accounts, which a cell without users refuses. */
const MAKES_ACCOUNTS: ReadonlySet<OpName> = new Set(["account.create", "import.begin"]);

/** One node of a cell. */
export class Node implements EdgeRouter {
  readonly id: NodeId;
  readonly committer: Committer;
  /** Changes the number of shards over the nodes of the cell. */
  readonly coordinator: Coordinator;
  /** What the nodes of the cell ask each other about themselves. */
  readonly asks: Asks;
  /** Has the store list all accounts of the cell. */
  readonly stored: StoredAccounts;
  /** The steps of messages on their way. */
  readonly traces: Traces;
  readonly #parts: NodeParts;
  readonly #listing: AccountListing;
  readonly #resharder: Resharder;
  readonly #takeovers: Takeovers;
  readonly #heartbeat: Heartbeat;
  #stopping = false;
  #stopped = false;
  #settledCallbacks: (() => void)[] = [];

  constructor(ports: Ports, options: NodeOptions) {
    this.id = options.id;
    const clock = new SteadyClock(ports.clock);
    const parts = makeParts(ports, options, clock, {
      takeovers: () => this.#takeovers,
      resharder: () => this.#resharder,
      committer: () => this.committer,
      reshape: (...change) => this.reshape(...change),
      turnEnded: () => this.#turnEnded(),
      stopped: () => this.#stopped,
    });
    this.#parts = parts;
    // What waits for shards goes on without them: there may be none left that has another turn.
    parts.map.onRemoved = () => ports.timers.soon(() => this.#stopped || this.#turnEnded());
    this.asks = parts.asks;
    this.stored = new StoredAccounts(this, ports);
    this.traces = parts.traces;
    const reshape: Node["reshape"] = (...change) => this.reshape(...change);
    this.coordinator = new Coordinator({ parts: () => parts, reshape }, parts.control);
    parts.control.onChange = (own) => parts.cell?.controlChanged(own);
    this.#listing = new AccountListing(ports.store);
    this.#takeovers = new Takeovers(parts);
    this.committer = makeCommitter(parts, clock, this.#takeovers);
    const adopt = (table: ShardTable, ended: readonly Shard[]) => this.#adopt(table, ended);
    this.#resharder = new Resharder(parts, this.committer, adopt);
    this.#heartbeat = new Heartbeat(parts, this.committer, this.#resharder, this.#listing);
  }

  /** The shards of the table, in its order. */
  get shards(): readonly Shard[] {
    return this.#parts.map.shards;
  }

  /** Whether it serves by itself, and not because other nodes vouch for it. */
  get leased(): boolean {
    return this.#parts.cell?.leased !== false;
  }

  /** Time since the beginning of the beat that has renewed its lease (ms); 0: it needs none. */
  get leaseAgeMs(): number {
    return this.#parts.cell?.leaseAgeMs ?? 0;
  }

  /** Which shard has what. */
  get table(): ShardTable {
    return this.#parts.map.table;
  }

  /** The latest changes of the table, oldest first. */
  get reshaped(): readonly Reshaped[] {
    return this.#resharder.reshaped;
  }

  /** Requests without a reply. */
  get pending(): number {
    return this.#parts.callers.pending;
  }

  /** Accounts in memory, over all shards. */
  get accountsInMemory(): number {
    return this.shards.reduce((sum, s) => sum + s.accountsInMemory, 0);
  }

  /** Accounts that had to be read from the store so far. */
  get accountsLoaded(): number {
    return this.#parts.loader.loaded;
  }

  /** Exceptions that were caught: in steps of shards, and in callbacks. */
  get bugs(): number {
    return this.#parts.bugs.count;
  }

  /** Requests that were not sent to the node that owns their shard, by why; null: there is no other. */
  get requestsRefused(): Readonly<Record<PeerRefusal, number>> | null {
    return this.#parts.cell?.remote.refused ?? null;
  }

  /** Whether this node may serve what it has in memory: in a cell, while its lease is fresh. */
  get mayServe(): boolean {
    return this.#parts.cell?.remote.mayServe ?? true;
  }

  /** Whether another place may serve this node's store by now: then it replies to no request. */
  get mayBeReplaced(): boolean {
    return (this.#parts.options.mayServe?.() ?? true) !== true;
  }

  /** Whether every shard has read its log and serves. */
  get ready(): boolean {
    return this.#parts.map.ready;
  }

  /** Whether every shard serves, is reloaded, or is down because of bugs: others do not wait for it. */
  get settled(): boolean {
    return this.#parts.map.settled((shard) => this.#takeovers.isUnderWay(shard));
  }

  /** Whether this node has the shard that a user belongs to. */
  readonly owns = (name: AccountName): boolean => this.#parts.map.shardOf(name) !== undefined;

  /** The shard that a user belongs to, which this node must have. */
  shardOf(name: AccountName): Shard {
    const shard = this.#parts.map.shardOf(name);
    if (shard === undefined) throw new Error(`the shard of ${name} is at another node`);
    return shard;
  }

  /**
   * Reads the shard table, claims its shards (in a cell of several nodes: those that it should have)
   * and reads their logs; `started` when they are settled.
   */
  start(started: (error: StoreError | null) => void): void {
    const { abroad, cell, map, ownership } = this.#parts;
    const done = (error: StoreError | null) => {
      if (error === null) abroad?.start();
      started(error);
    };
    const found = (table: ShardTable, version: number) => {
      map.table = table;
      this.#resharder.registerVersion = version;
    };
    const known = this.#parts.options.incarnation ?? 0;
    if (cell === null) {
      return readTable(this.#parts, known, found, (error, table) => {
        if (error !== null) return done(error);
        ownership.claimAll(table.shards, (error) => {
          error === null ? this.#serve(table, done) : done(error);
        });
      });
    }
    cell.read((error, incarnation) => {
      if (error !== null) return done(error);
      readTable(this.#parts, Math.max(known, incarnation), found, (error) => {
        if (error !== null) return done(error);
        map.open(() => false);
        cell.start((error) => {
          if (error !== null) return done(error);
          this.#settledCallbacks.push(() => done(null));
          this.#heartbeat.start();
          this.#turnEnded();
        });
      });
    });
  }

  #serve(former: ShardTable, done: (error: StoreError | null) => void): void {
    const { loader, map } = this.#parts;
    map.open(() => true);
    this.#settledCallbacks.push(() => done(null));
    for (const { id, owner } of former.shards) this.#takeovers.began(map.byId(id)!, owner);
    for (const shard of this.shards) loader.log(shard);
    loader.owing(this.shards);
    this.#heartbeat.start();
  }

  /** The nodes of the cell, this one first, with the shards that each owns as far as this one knows. */
  get nodes(): readonly NodeView[] {
    return nodeViews(this.#parts);
  }

  // ---- changes of the shard table

  /** Makes one change of the shard table; see `Resharder`. */
  reshape(change: Reshape, done: (result: Result<Reshaping>) => void): void {
    if (this.#stopping || !this.ready) {
      return done(fail("unavailable", "The server is not serving now", 1000));
    }
    this.#resharder.reshape(
      change,
      (result) => this.#parts.bugs.guard("reshape", () => done(result)),
    );
  }

  /** Takes over a shard as if its owner had died; see `Takeovers.reload`. */
  reload(id: number, done: (result: Result<Reloaded>) => void): void {
    if (this.#stopping) return done(fail("busy", "The server is stopping", 1000));
    this.#takeovers.reload(id, done);
  }

  /** Where a successor cannot take over the memory of shards that ended, it reads their logs. */
  #adopt(table: ShardTable, ended: readonly Shard[]): void {
    const { cell, map, ownership } = this.#parts;
    // Successors have the owner of those that they follow.
    const mine = (row: ShardRow) => cell === null || sameNode(row.owner, ownership.self);
    cell?.tellTable(table.version);
    const failed = this.#takeovers.adopt(table, ended, mine);
    cell?.remote.withheld.inherited(ended);
    for (const { shard, error } of failed) {
      this.#parts.bugs.caught("inherit", error, { shard: shard.id });
      this.#takeovers.takeOver(shard, () => {});
    }
    // In a cell those that others have claimed are dropped by what is learned of owners.
    if (cell !== null) return;
    const claimed = ({ row }: Shard) => row.owner !== null && !sameNode(row.owner, ownership.self);
    for (const shard of map.shards.filter(claimed)) this.#takeovers.fenced(shard);
  }

  /** The other nodes of the cell; null where the cell is this node. */
  get cell(): Pick<Cell, "calls" | "lost" | "remote"> | null {
    return this.#parts.cell;
  }

  // ---- EdgeRouter

  request<K extends OpName>(
    name: AccountName,
    op: K,
    input: Ops[K]["in"],
    done: (result: Result<Ops[K]["out"]>) => void,
    account?: AccountId,
  ): Withdraw | void {
    const { abroad, callers, cell, dispatch, map, ports } = this.#parts;
    if (this.#stopped || cell === null && map.shards.length === 0) {
      return done(fail("unavailable", "The server is not serving now", 1000));
    }
    const { mayServe, noAccounts } = this.#parts.options;
    const may = mayServe?.() ?? true;
    if (may === "withheld") return;
    if (!may) return done(fail("unavailable", "Another place may serve this cell now", 500));
    if (noAccounts !== undefined && MAKES_ACCOUNTS.has(op)) {
      return done(fail("forbidden", noAccounts));
    }
    const named: typeof done = abroad === null ? done : (result) => done(abroad.named(result));
    const replied = this.traces.request({ name, op, input }, null, this.owns, named as Done);
    const request = callers.next();
    const seed = op === "account.create" ? ports.random.bytes(24) : null;
    const whose = account === undefined ? {} : { accountId: account };
    const of = { node: this.id, name, op, input, seed, ...whose };
    const asked = { kind: "request", request, ...of } as const;
    callers.request(asked, replied, ports.clock.monoMs());
    dispatch.route(asked);
    return () => callers.withdraw(request);
  }

  forAccount(id: AccountId): Router {
    return this.#parts.cell === null ? this : routerFor(this, id);
  }

  interest(
    items: readonly InterestItem[],
    done: (answers: readonly InterestAnswer[]) => void,
  ): void {
    this.#parts.dispatch.interest(items, done);
  }

  uninterest(watched: readonly AccountName[]): void {
    this.#parts.dispatch.uninterest(watched);
  }

  announced(lo: number, hi: number, epoch: number): void {
    for (const shard of this.shards) {
      if (shard.lo >= hi || shard.hi <= lo) continue;
      this.#parts.dispatch.submit(shard, { kind: "announced", node: this.id, epoch });
    }
    this.#parts.cell?.announced(lo, hi, epoch);
  }

  // ---- turns

  #turnEnded(): void {
    this.committer.poke();
    this.#resharder.check();
    this.#takeovers.turnEnded();
    this.#parts.cell?.turnEnded();
    if (this.#settledCallbacks.length === 0 || !this.settled) return;
    const callbacks = this.#settledCallbacks;
    this.#settledCallbacks = [];
    for (const done of callbacks) this.#parts.bugs.guard("start", done);
  }

  /** Names of accounts in the order of their keys, from checkpoints that are brought up to date. */
  listAccounts(after: StoreKey | null, limit: number, done: AccountPage): void {
    const list = () => this.listStored(after, limit, done);
    after === null ? this.committer.checkpointSoFar(list) : list();
  }

  /** As `listAccounts`, from checkpoints as they are: nothing is written for it. */
  listStored(after: StoreKey | null, limit: number, done: AccountPage): void {
    const reply: AccountPage = (...page) => this.#parts.bugs.guard("list", () => done(...page));
    this.#listing.page(after, limit, reply);
  }

  /** Finishes commits, writes checkpoints, and stops; `done` when the store may be closed. */
  stop(done: () => void): void {
    this.#stopping = true;
    this.coordinator.stop();
    if (this.#resharder.busy) {
      return void this.#parts.ports.timers.after(BEAT_MS, () => this.stop(done));
    }
    this.committer.checkpointAll(() => {
      this.#stopped = true;
      this.#parts.dispatch.stop();
      this.committer.stop();
      this.#heartbeat.stop();
      this.#parts.callers.stop();
      const { abroad, cell } = this.#parts;
      const left = () => cell === null ? done() : cell.stop(done);
      if (abroad === null) left();
      else abroad.stop(left);
    });
  }
}
