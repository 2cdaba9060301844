/**
 * One shard: a state machine over a log. `step` takes an input and returns the effects to be done;
 * it reads no clock, no disk and no randomness. Accounts live in memory while in use. What a step
 * changes is provisional until its batch is committed: every effect that rests on it is withheld.
 */
import type { AccountId, AccountName } from "../name/ids.ts";
import type {
  CheckpointBatch,
  CheckpointBudget,
  Effect,
  Now,
  RequestId,
  SealedBatch,
  ShardInput,
} from "../effects.ts";
import type { Account } from "../account/account.ts";
import type { PresenceTable } from "../presence/presence.ts";
import type { ShardLimits } from "../limits.ts";
import type { ShardRow } from "../table/table.ts";
import { AccountAccess } from "./account_access.ts";
import { Attempts } from "./attempts.ts";
import { Incoming } from "./incoming.ts";
import { pushPresence } from "./push.ts";
import { Recovery } from "./recovery.ts";
import { Requests } from "./requests.ts";
import { rightsOf } from "../account/rights.ts";
import { ShardTurn } from "./shard_turn.ts";

/** What `inspect` shows of a shard. */
export interface ShardInspection {
  readonly accounts: Iterable<Account>;
  /** Log rows that come next, without their LSNs: the next is `lastLsn + 1`. */
  readonly unsealed: readonly Uint8Array[];
  /** Whether nothing is on its way to the store or from it. */
  readonly settled: boolean;
}

/** The slice `[lo, hi)` of a cell's users. */
export class Shard {
  readonly id: number;
  readonly lo: number;
  readonly hi: number;
  /** Successors are about to take over: no checkpoint begins any more. */
  ending = false;
  /** Successors have taken over: it takes no input any more. */
  ended = false;
  /** Inputs taken so far. */
  inputs = 0;
  #row: ShardRow;
  readonly #turn: ShardTurn;
  readonly #accounts: AccountAccess;
  readonly #requests: Requests;
  readonly #incoming: Incoming;
  readonly #recovery: Recovery;
  readonly #attempts = new Attempts();
  /** Effects of a bug outside a step, to be done with the next step's. */
  #deferred: Effect[] = [];

  constructor(row: ShardRow, limits: ShardLimits) {
    this.id = row.id;
    this.lo = row.lo;
    this.hi = row.hi;
    this.#row = row;
    this.#turn = new ShardTurn(row, limits);
    this.#turn.presence.epoch = row.epoch;
    this.#accounts = new AccountAccess(this.#turn, row.id);
    this.#requests = new Requests(this.#turn, this.#accounts);
    this.#incoming = new Incoming(this.#turn, this.#accounts, this.#requests, this.#attempts);
    this.#recovery = new Recovery(row, {
      turn: this.#turn,
      accounts: this.#accounts,
      attempts: this.#attempts,
      requests: this.#requests,
      handle: (input) => {
        this.#take(input);
        this.#incoming.deliverLocal();
      },
    });
    this.#turn.accounts.logBegins(row.start);
    this.#turn.batch.sawRow(row.start - 1);
  }

  /** The shard's row in the shard table. */
  get row(): ShardRow {
    return this.#row;
  }

  set row(row: ShardRow) {
    this.#row = row;
    this.#turn.presence.epoch = row.epoch;
  }

  get presence(): PresenceTable {
    return this.#turn.presence;
  }

  /** Whether the store takes writes. */
  get writable(): boolean {
    return this.#turn.writable;
  }

  /** LSN of the last row that was written. */
  get lastLsn(): number {
    return this.#turn.batch.lastLsn;
  }

  /** Whether checkpoints include all of the log up to `lsn`: those rows are not needed any more. */
  includes(lsn: number): boolean {
    return this.ready && this.#turn.accounts.includes(lsn);
  }

  /** Whether nothing is under way: only then may others take over. */
  get quiescent(): boolean {
    return this.ready && this.#turn.batch.quiescent && this.#turn.accounts.quiescent &&
      this.#incoming.again + this.#recovery.kept === 0 &&
      !this.presence.settling.active && this.presence.settling.withheld === 0 &&
      // Requests that wait for another shard go on waiting at the successor.
      !this.#requests.waiting.onStore;
  }

  /** Takes over from shards that end, all quiescent, what belongs to its own range. */
  inherit(from: readonly Shard[]): void {
    for (const old of from) {
      if (!old.quiescent) throw new Error(`shard ${old.id} is not quiescent`);
      this.#recovery.skip();
      this.#turn.inherit(old.#turn);
      this.#accounts.inherit(old.#accounts);
      this.#requests.waiting.inherit(old.#requests.waiting, (name) => this.owns(name));
    }
  }

  /**
   * Takes the requests that wait for something outside the shard, when it is dropped: each with the
   * account that it was begun for. The name may be another account's by the time it is repeated.
   */
  takeBegun(): ReadonlyMap<RequestId, AccountId | ""> {
    const begun = this.#requests.waiting.takeAll();
    return new Map(begun.map(({ request, accountId }) => [request, accountId ?? ""]));
  }

  /** Whether the log has been read and requests are handled. */
  get ready(): boolean {
    return !this.#recovery.active;
  }

  /** Whether it does not serve because of bugs in a row: requests are refused until it does. */
  get down(): boolean {
    return this.#recovery.down;
  }

  /** Number of the log's reading that its `log_rows` are for. */
  get reading(): number {
    return this.#recovery.reading;
  }

  /** Whether there is something to commit that somebody waits for. */
  get urgent(): boolean {
    return this.#turn.batch.urgent;
  }

  /** Whether there is anything to commit. */
  get open(): boolean {
    return this.#turn.batch.open;
  }

  /** Rows of its log that no checkpoint has made superfluous yet, about. */
  get logRows(): number {
    return Math.max(0, this.lastLsn - this.#turn.accounts.cutLsn);
  }

  /** Bytes of the open batch. */
  get openBytes(): number {
    return this.#turn.batch.bytes;
  }

  /** Accounts in memory. */
  get accountsInMemory(): number {
    return this.#turn.accounts.size;
  }

  /** Whether a `tick` has anything to look at. */
  get ticking(): boolean {
    return this.#turn.timers.size + this.#requests.waiting.size + this.#turn.accounts.size +
            this.#incoming.again > 0 ||
      this.#recovery.owing || this.#recovery.active ||
      this.presence.settling.active || this.presence.settling.withheld > 0;
  }

  /** Whether the point of a name falls into this shard. */
  owns(name: AccountName): boolean {
    return this.#turn.owns(name);
  }

  /** The accounts in memory and what is not in the log yet, for checks of one by the other. */
  inspect(): ShardInspection {
    const { accounts, batch } = this.#turn;
    const settled = this.ready && batch.settled && accounts.quiescent;
    return { accounts: accounts.all(), unsealed: batch.unsealed(), settled };
  }

  /**
   * Takes one input; returns the effects to be done, in order. It never throws: after a bug the shard
   * forgets what is provisional, replies `unavailable` to its callers and reads its log again.
   */
  step(now: Now, input: ShardInput): Effect[] {
    this.inputs++;
    this.#begin(now);
    try {
      this.#take(input);
      this.#incoming.deliverLocal();
    } catch (error) {
      this.#recovery.bug(input.kind, error, this.row);
    }
    return this.#turn.out;
  }

  /** After the inputs of a turn: one presence packet per changed user and interested node. */
  endTurn(now: Now): Effect[] {
    this.#begin(now);
    try {
      pushPresence(this.#turn, this.#attempts);
    } catch (error) {
      this.#recovery.bug("end_of_turn", error, this.row);
    }
    return this.#turn.out;
  }

  /** Closes the open batch for commit; null where there is none. One is in flight at a time. */
  seal(): SealedBatch | null {
    const { batch } = this.#turn;
    const { inFlight } = batch;
    return this.#outsideStep("seal", () => batch.seal(), () => {
      if (!inFlight) batch.unseal();
    });
  }

  /**
   * Rows that bring due accounts' checkpoints up to the last sealed batch, and delete log rows that
   * no account needs any more. Call it only when nothing is open; write it after that batch.
   */
  checkpoint(now: Now, budget: CheckpointBudget): CheckpointBatch | null {
    const { accounts, batch } = this.#turn;
    if (this.ending) return null;
    return this.#outsideStep("checkpoint", () => {
      if (batch.open) throw new Error(`shard ${this.id}: checkpoint of an open batch`);
      return accounts.checkpoint(batch, now.mono, budget);
    });
  }

  #begin(now: Now): void {
    this.#turn.begin(now);
    if (this.#deferred.length === 0) return;
    this.#turn.out.push(...this.#deferred);
    this.#deferred = [];
  }

  /** Runs what the committer wants; null after a bug, whose effects the next step has. */
  #outsideStep<T>(what: string, run: () => T | null, undo: () => void = () => {}): T | null {
    try {
      return run();
    } catch (error) {
      undo();
      this.#begin(this.#turn.now);
      this.#recovery.bug(what, error, this.row);
      this.#deferred = this.#turn.out;
      return null;
    }
  }

  #take(input: ShardInput): void {
    if (this.#recovery.active && !this.#recovery.take(this.row, input)) return;
    switch (input.kind) {
      case "request":
        return this.#requests.take(input);
      case "packet":
        return this.#incoming.packet(input.packet);
      case "interest":
        return this.#incoming.interest(input);
      case "uninterest":
        for (const name of input.watched) this.presence.removeInterest(name, input.node);
        return;
      case "loaded":
        return this.#accounts.loaded(input);
      case "load_failed":
        return this.#requests.loadFailed(input);
      case "dedupe_loaded":
        return this.#requests.dedupeLoaded(input);
      case "block_loaded":
        return this.#requests.blockLoaded(input.request, input.first, input.bytes);
      case "taken_over": {
        const untilMs = this.#turn.now.mono + input.graceMs;
        return this.presence.settling.begin(input.nodes, input.epoch, untilMs);
      }
      case "announced":
        if (this.presence.settling.announced(input.node, input.epoch)) this.#settled();
        return;
      case "committed":
        this.#turn.out.push(...this.#turn.batch.committed(input.batch));
        return;
      case "commit_failed":
        return this.#recovery.begin(this.row);
      case "checkpointed":
        return this.#turn.accounts.checkpointed();
      case "writable":
        this.#turn.writable = input.writable;
        this.#turn.retryAfterMs = input.retryAfterMs;
        return;
      case "owing":
        return input.names.forEach((name) => this.#incoming.owing(name));
      case "sweep":
        return this.#incoming.sweep(input.name);
      case "tick":
        return this.#tick();
      case "log_rows":
        throw new Error(`shard ${this.id}: log rows outside recovery`);
    }
  }

  /** Everybody's presence is known, or the grace has passed. After a bug the rest follows at a tick. */
  #settled(): void {
    const { settling } = this.presence;
    settling.end();
    for (let next; (next = settling.next()) !== undefined;) this.#take(next);
  }

  #tick(): void {
    const { accounts, batch, now } = this.#turn;
    const { settling } = this.presence;
    if (settling.isOver(now.mono) || !settling.active && settling.withheld > 0) this.#settled();
    this.#incoming.retryDue();
    this.#requests.tick();
    this.#incoming.retry((input) => this.#take(input));
    this.#recovery.replayLostEffects();
    accounts.evict(now.mono, batch.committedBatch, (account) => {
      if (this.presence.get(account.name) === undefined) return;
      this.presence.setRights(account.name, account.id, rightsOf(account));
    });
  }
}
